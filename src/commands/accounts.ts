// `accounts`: list, label, retire, restore.
import { NO_ACCOUNT } from '../answers/choose-histories.ts';
import { Command } from 'commander';
import { type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { listAccounts } from '../queries/accounts/list-accounts.ts';
import { labelAccount, restoreAccount, retireAccount } from '../upkeep/accounts.ts';
import { formatOption } from './options/format.ts';
import { printRows, type Format } from '../terminal/table.ts';
import { withDatabase, withHistory } from './options/with-history.ts';

export function accountsCommand(io: Io): Command {
  const command = new Command('accounts').description('the accounts whose history is kept');

  command
    .command('list', { isDefault: true })
    .description('list the accounts (default)')
    .addOption(formatOption())
    .action((options: { format: Format }) => withHistory(io, (pool) => list(io, pool, options.format)));

  command
    .command('label <account> [text]')
    .description('give an account a readable name; without a text, remove the name')
    .action((id: string, text?: string) =>
      withDatabase(io, async (pool) => {
        await labelAccount(pool, id, text ?? null);
        io.stdout.write(`${id}: ${text === undefined ? 'label removed' : 'labelled'}\n`);
      }),
    );

  command
    .command('retire <account>')
    .description('stop syncing an account; its history stays')
    .action((id: string) =>
      withDatabase(io, async (pool) => {
        await retireAccount(pool, id);
        io.stdout.write(`${id}: retired\n`);
      }),
    );

  command
    .command('restore <account>')
    .description('sync a retired account again; the time in between is a gap in its history')
    .action((id: string) =>
      withDatabase(io, async (pool) => {
        await restoreAccount(pool, id);
        io.stdout.write(`${id}: restored\n`);
      }),
    );

  return command;
}

async function list(io: Io, pool: Pool, format: Format): Promise<void> {
  const rows = await listAccounts(pool);
  if (rows.length === 0 && format === 'table') {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  const columns = [
    { name: 'account_id' },
    { name: 'label' },
    { name: 'users', right: true },
    { name: 'observed_at' },
    { name: 'verdict' },
    { name: 'added_at' },
    { name: 'retired_at' },
  ];
  printRows(
    io.stdout,
    format,
    columns,
    rows.map((row) => [
      row.account_id,
      row.label,
      row.user_count,
      row.observed_at?.toISOString() ?? null,
      row.verdict,
      row.added_at.toISOString(),
      row.retired_at?.toISOString() ?? null,
    ]),
  );
}
