// `accounts`: list, label, retire, restore.
import { NO_ACCOUNT } from '../answers/choose-histories.ts';
import { Command } from 'commander';
import { type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { listAccounts, type AccountStatus } from '../queries/accounts/list-accounts.ts';
import { labelAccount, restoreAccount, retireAccount } from '../upkeep/accounts.ts';
import { localMinute } from '../time/when.ts';
import { accountIdOf } from './options/accounts.ts';
import { formatOption } from './options/format.ts';
import { timezoneOption } from './options/times.ts';
import { printRows, table, type Cell, type Column, type OutputFormat } from '../terminal/table.ts';
import { MANY_ACCOUNTS } from '../terminal/print/status/print-many-accounts.ts';
import { plural } from '../words.ts';
import { viewOf, type View } from '../terminal/view.ts';
import { withDatabase, withHistory } from './options/with-history.ts';

type ListOptions = { timezone?: string; format: OutputFormat };

export function accountsCommand(io: Io): Command {
  const command = new Command('accounts').description(
    'the accounts whose history is kept; <account> is an id or a label',
  );

  command
    .command('list', { isDefault: true })
    .description('list the accounts (default)')
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .action((options: ListOptions) =>
      withHistory(io, (pool, config) =>
        list(io, pool, options.format, viewOf(io, options.timezone ?? config.sync.timezone)),
      ),
    );

  command
    .command('label <account> [text]')
    .description('give an account a readable name; without a text, remove the name')
    .action((account: string, text?: string) =>
      withDatabase(io, async (pool) => {
        const id = await accountIdOf(pool, account);
        await labelAccount(pool, id, text ?? null);
        io.stdout.write(`${id}: ${text === undefined ? 'label removed' : 'labelled'}\n`);
      }),
    );

  command
    .command('retire <account>')
    .description('stop syncing an account; its history stays')
    .action((account: string) =>
      withDatabase(io, async (pool) => {
        const id = await accountIdOf(pool, account);
        await retireAccount(pool, id);
        io.stdout.write(`${id}: retired\n`);
      }),
    );

  command
    .command('restore <account>')
    .description('sync a retired account again; the time in between is a gap in its history')
    .action((account: string) =>
      withDatabase(io, async (pool) => {
        const id = await accountIdOf(pool, account);
        await restoreAccount(pool, id);
        io.stdout.write(`${id}: restored\n`);
      }),
    );

  return command;
}

async function list(io: Io, pool: Pool, format: OutputFormat, view: View): Promise<void> {
  const rows = await listAccounts(pool);
  if (format !== 'table') {
    const columns = Object.keys(CELLS).map((name) => ({ name }));
    const cells = (row: AccountStatus) => Object.values(CELLS).map((cell) => cell(row));
    return printRows(io.stdout, format, columns, rows.map(cells));
  }
  if (rows.length === 0) {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  const time = (at: Date | null) => (at === null ? null : localMinute(at, view.timezone));
  const text = table(
    TABLE_COLUMNS,
    rows.map((row): Cell[] => [
      row.account_id,
      row.label,
      row.user_count,
      row.retired_at === null ? row.verdict : 'retired',
      time(row.observed_at),
      row.snapshot_id === null ? null : String(row.snapshot_id),
      time(row.added_at),
      time(row.retired_at),
    ]),
    view.width,
  );
  const retired = rows.filter(({ retired_at }) => retired_at !== null).length;
  const total = `${plural(rows.length, 'account')}${retired === 0 ? '' : `, ${retired.toLocaleString('en-US')} of them retired`}`;
  const counted = rows.length > MANY_ACCOUNTS ? `${total}. ` : '';
  io.stdout.write(`${text}\n\n${counted}Times are in ${view.timezone}.\n`);
}

const TABLE_COLUMNS: readonly Column[] = [
  { name: 'account_id' },
  { name: 'label', shrinks: true },
  { name: 'users', right: true },
  { name: 'state' },
  { name: 'newest snapshot' },
  { name: 'its id', right: true, extra: true },
  { name: 'added', extra: true },
  { name: 'retired', extra: true },
];

/** Names as in risk_bi.accounts and risk_bi.snapshots. */
const CELLS: Readonly<Record<string, (row: AccountStatus) => Cell>> = {
  account_id: (row) => row.account_id,
  label: (row) => row.label,
  user_count: (row) => row.user_count,
  observed_at: (row) => row.observed_at?.toISOString() ?? null,
  verdict: (row) => row.verdict,
  added_at: (row) => row.added_at.toISOString(),
  retired_at: (row) => row.retired_at?.toISOString() ?? null,
  is_retired: (row) => row.retired_at !== null,
  snapshot_id: (row) => row.snapshot_id,
};
