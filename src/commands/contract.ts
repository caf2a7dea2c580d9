// `contract`: what readers of the database may rely on, as a document for machines. Needs no account and no database.
import { Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { Io } from '../context.ts';
import { CATALOGUE } from '../contract/catalogue.ts';
import { dataContract } from '../contract/data-contract.ts';
import { VERSION } from '../version.ts';

const FORMATS = ['yaml', 'json'] as const;
type ContractFormat = (typeof FORMATS)[number];

export function contractCommand(io: Pick<Io, 'stdout'>): Command {
  return new Command('contract')
    .description('the data contract of schemas risk and risk_bi, for catalogues and other programs')
    .addOption(new Option('--format <format>', 'output format').choices(FORMATS).default('yaml'))
    .addHelpText('after', HELP)
    .action(({ format }: { format: ContractFormat }) => {
      io.stdout.write(contractText(VERSION, format));
    });
}

const HELP = `
A document of the Open Data Contract Standard 3.1: every table, view and
function with its columns, types, keys, rules and readers. It describes this
version of the schema, so it needs no account and no database. Where your
database runs, and who looks after it, is not in it: add that yourself.

  zt-risk-sync contract > zt-risk-sync.odcs.yaml`;

export function contractText(version: string, format: ContractFormat): string {
  const contract = dataContract(CATALOGUE, version);
  if (format === 'json') return `${JSON.stringify(contract, null, 2)}\n`;
  return `# Made by \`zt-risk-sync contract\`.\n${stringify(contract, { lineWidth: 110, aliasDuplicateObjects: false })}`;
}
