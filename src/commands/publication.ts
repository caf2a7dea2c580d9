// `publication create|status|drop`: what readers by logical replication read.
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from '../context.ts';
import { readOnly } from '../db/read-only.ts';
import { OperatorError } from '../errors.ts';
import { publicationState } from '../queries/replication/publication-state.ts';
import { slotsAndLimits } from '../queries/replication/replication-slots.ts';
import {
  DEFAULT_PUBLICATION,
  printDropped,
  printMade,
  printPublication,
  publicationAnswer,
} from '../terminal/print/print-publication.ts';
import { json, type OutputFormat } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { createPublication, dropPublication } from '../upkeep/publication.ts';
import { formatOption } from './options/format.ts';
import { timezoneOption } from './options/times.ts';
import { withDatabase, withHistory } from './options/with-history.ts';

type NameOption = { name: string };

const LIMITS = { statementMs: 30_000, lockMs: 10_000 };

export function publicationCommand(io: Io): Command {
  const command = new Command('publication').description(
    'logical replication of schema risk, for Debezium, a second PostgreSQL and others (docs/feeds.md)',
  );

  command
    .command('create')
    .description('make the publication, or add the tables that it lacks; prints what to type at the reader')
    .addOption(nameOption())
    .option('--identities', 'publish emails and names as well: personal data', false)
    .action(({ name, identities }: NameOption & { identities: boolean }) =>
      withDatabase(io, async (pool, config) => {
        if (config.databaseUrl === null) throw embeddedCannot();
        const made = await createPublication(pool, name, identities);
        printMade(io.stdout, name, made, viewOf(io, 'UTC'));
        if (made.after.walLevel !== 'logical') throw walLevel(name, made.after.walLevel);
      }),
    );

  command
    .command('status')
    .description('what is published, who reads it, and how far behind each reader is')
    .addOption(nameOption())
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption(['table', 'json']))
    .action(({ name, format, timezone }: NameOption & { format: OutputFormat; timezone?: string }) =>
      withHistory(io, async (pool, config) => {
        const [state, slots] = await readOnly(pool, LIMITS, async (tx) => [
          await publicationState(tx, name),
          await slotsAndLimits(tx),
        ]);
        if (format === 'json') io.stdout.write(`${json(publicationAnswer(name, state, slots))}\n`);
        else printPublication(io.stdout, name, state, slots, viewOf(io, timezone ?? config.sync.timezone));
      }),
    );

  command
    .command('drop')
    .description(
      'drop the publication; refused while a reader is connected. Slots stay: they belong to the readers',
    )
    .addOption(nameOption())
    .option('--force', 'drop it although readers are connected', false)
    .action(({ name, force }: NameOption & { force: boolean }) =>
      withDatabase(io, async (pool) =>
        printDropped(io.stdout, name, await dropPublication(pool, name, force), viewOf(io, 'UTC')),
      ),
    );

  return command;
}

function nameOption(): Option {
  return new Option('--name <name>', 'name of the publication')
    .default(DEFAULT_PUBLICATION)
    .argParser((text) => {
      // A name that needs no quotes is the same name in every tool that reads it.
      if (!/^[a-z_][a-z0-9_]{0,62}$/.test(text))
        throw new InvalidArgumentError('must have small letters, digits and _, and begin with no digit.');
      return text;
    });
}

function embeddedCannot(): OperatorError {
  return new OperatorError({
    code: 'WAL_LEVEL',
    happened:
      'The embedded PostgreSQL is not made for replication: it listens to this machine alone, and stops when idle',
    means: 'Nothing was made. `export --state` works with it, and so does a reader by SQL',
    todo: 'To replicate, keep the history in a PostgreSQL server of your own, and name it in DATABASE_URL',
  });
}

function walLevel(name: string, found: string): OperatorError {
  return new OperatorError({
    code: 'WAL_LEVEL',
    happened: `The server has wal_level = ${found}, and logical replication needs logical`,
    means: `The publication ${name} exists, and nobody can read it yet`,
    todo: 'Set wal_level to logical and restart the server. RDS and Aurora call it rds.logical_replication, Cloud SQL cloudsql.logical_decoding, AlloyDB alloydb.logical_decoding; Azure has wal_level, Neon a switch in the project settings',
  });
}
