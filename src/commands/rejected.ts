// `rejected list|show|recheck`: records that could not be accepted. Only reads, and shows their content only on
// request.
import { Command } from 'commander';
import { type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { findRejected, type RejectedRecord } from '../queries/rejected/find-rejected.ts';
import { listUnkept } from '../queries/rejected/list-unkept.ts';
import { listRejected, type RejectedRow } from '../queries/rejected/list-rejected.ts';
import type { Config } from '../config.ts';
import { chooseHistories } from '../answers/choose-histories.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import { timezoneOption } from './options/times.ts';
import { withDatabase } from './options/with-history.ts';
import { plural, printable } from '../words.ts';
import { printRows, type Cell, type OutputFormat } from '../terminal/table.ts';
import { printRecheck } from '../terminal/print/print-recheck.ts';
import { recheckWaiting } from '../upkeep/recheck-waiting.ts';
import { isCut } from '../upkeep/recheck.ts';
import {
  rejectedBlock,
  byAccount,
  ofThemShown,
  seen,
  unkeptLines,
} from '../terminal/print/print-rejected.ts';
import { viewOf, type View } from '../terminal/view.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = { account: string[]; timezone?: string; format: OutputFormat };
type ListOptions = Options & { limit: number; all: boolean };
type RecheckOptions = Options & { limit: number };
type ShowOptions = Options & { raw: boolean };

export function rejectedCommand(io: Io): Command {
  const command = new Command('rejected').description(
    'records that could not be accepted; their users keep the last good state',
  );
  const limit = (what: string) => [`--limit <n>`, what, wholeNumber(1, 1_000_000)] as const;

  command
    .command('list', { isDefault: true })
    .description('waiting records: the newest walk over all pages still met them (default)')
    .addOption(accountOption())
    .option(...limit('at most this many records'), 50)
    .option('--all', 'also records that are no longer met', false)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .action((options: ListOptions) =>
      withDatabase(io, (pool, config) => list(io, pool, options, viewFor(io, config, options))),
    );

  command
    .command('show <id>')
    .description('one record; the id may be shortened as long as it is unique')
    .addOption(accountOption())
    .option('--raw', 'also the record as it was served: it holds personal data', false)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .action((id: string, options: ShowOptions) =>
      withDatabase(io, (pool, config) => show(io, pool, id, options, viewFor(io, config, options))),
    );

  command
    .command('recheck')
    .description('check which waiting records this version would accept; changes nothing')
    .addOption(accountOption())
    .option(...limit('at most this many records in a table'), 50)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .action((options: RecheckOptions) =>
      withDatabase(io, async (pool, config) => {
        const { accountKeys } = await keysOf(pool, options);
        printRecheck(
          io.stdout,
          await recheckWaiting(pool, accountKeys),
          options,
          viewFor(io, config, options),
        );
      }),
    );

  return command;
}

const COLUMNS = [
  'account_id',
  'id',
  'user_id',
  'reason',
  'first_seen_at',
  'last_seen_at',
  'first_run_id',
  'last_run_id',
  'waiting',
] as const satisfies readonly (keyof RejectedRow)[];

function cells(row: RejectedRow): Cell[] {
  return COLUMNS.map((name) => (name.endsWith('_at') ? iso(row[name] as string) : row[name]));
}

const named = (names: readonly string[]) => names.map((name) => ({ name }));

async function list(io: Io, pool: Pool, options: ListOptions, view: View): Promise<void> {
  const chosen = await keysOf(pool, options);
  const { rows, total } = await listRejected(pool, {
    ...chosen,
    all: options.all,
    limit: options.limit,
  });
  if (options.format !== 'table')
    return printRows(io.stdout, options.format, named(COLUMNS), rows.map(cells));
  const unkept = unkeptLines(await listUnkept(pool, chosen), view);
  if (total === 0) {
    if (unkept !== '') io.stdout.write(unkept);
    else
      io.stdout.write(options.all ? 'No record was ever rejected.\n' : 'No rejected records are waiting.\n');
    return;
  }
  const blocks = rows.map((row) => rejectedBlock(row, row.reason, view, options.all && !row.waiting));
  io.stdout.write(
    `${byAccount(rows, blocks)}\n\n${plural(total, 'rejected record')}${options.all ? '' : ' waiting'}${ofThemShown(rows.length, total)}.\n` +
      `To see one: zt-risk-sync rejected show <id>\n${unkept}`,
  );
}

async function show(io: Io, pool: Pool, id: string, options: ShowOptions, view: View): Promise<void> {
  const record = await findOne(pool, id, options);
  const columns = [...COLUMNS, 'record_hash', 'raw_is_cut', ...(options.raw ? ['raw'] : [])];
  if (options.format !== 'table') {
    const row = [
      ...cells(record),
      record.record_hash,
      isCut(record.raw),
      ...(options.raw ? [record.raw] : []),
    ];
    return printRows(io.stdout, options.format, named(columns), [row]);
  }
  const facts: [string, string][] = [
    ['record', record.record_hash],
    ['account', record.account_id],
    ['user', record.user_id ?? 'cannot be read'],
    ['reason', record.reason],
    ['seen', seen(record, view)],
    [
      'waiting',
      record.waiting ? 'yes: the newest walk over all pages still met it' : 'no: it is no longer met',
    ],
  ];
  for (const [name, text] of facts)
    io.stdout.write(`${name.padEnd(9)}${wrap(printable(text), 9, view.textWidth)}\n`);
  if (!options.raw) {
    io.stdout.write('\nThe record as served holds personal data: add --raw to see it.\n');
    return;
  }
  io.stdout.write(
    `\nAs served${isCut(record.raw) ? ', cut at the length that is kept' : ''}:\n${printable(record.raw)}\n`,
  );
}

async function findOne(pool: Pool, id: string, options: ShowOptions): Promise<RejectedRecord> {
  const prefix = id.toLowerCase();
  const found = /^[0-9a-f]{1,64}$/.test(prefix)
    ? await findRejected(pool, { prefix, ...(await keysOf(pool, options)) })
    : [];
  const [record] = found;
  if (record === undefined) {
    throw new OperatorError({
      code: 'RECORD_NOT_FOUND',
      happened: 'There is no rejected record with this id',
      means: 'An id is the beginning of a hash: digits from 0 to 9 and a to f',
      todo: 'Run `zt-risk-sync rejected list --all` to list all records',
    });
  }
  if (found.length === 1) return record;
  const sameInSeveral = found.every((other) => other.record_hash === record.record_hash);
  throw new OperatorError({
    code: 'RECORD_AMBIGUOUS',
    happened: sameInSeveral
      ? `${found.length} accounts have this record: ${found.map((one) => one.account_id).join(', ')}`
      : `${found.length === 10 ? '10 or more' : found.length} rejected records begin with these digits: ${found.map((one) => one.record_hash.slice(0, 16)).join(', ')}`,
    means: 'It is not clear which one to show',
    todo: sameInSeveral ? 'Name one of them with --account' : 'Give more digits',
  });
}

function iso(text: string): string {
  return new Date(text).toISOString();
}

/** Empty if no account was named: then all accounts count. */
async function keysOf(pool: Pool, { account }: Options): Promise<{ accountKeys?: number[] }> {
  if (account.length === 0) return {};
  return { accountKeys: (await chooseHistories(pool, account)).map(({ account_key }) => account_key) };
}

function viewFor(io: Io, config: Config, { timezone }: Options): View {
  return viewOf(io, timezone ?? config.sync.timezone);
}
