// `accounts`: list, label, retire, restore.
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { accounts } from '../db/schema.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { listAccounts } from '../queries/list-accounts.ts';
import { formatOption, printRows, type Format } from './print.ts';

export function accountsCommand(io: Io): Command {
  const command = new Command('accounts').description('the accounts whose history is kept');

  command
    .command('list', { isDefault: true })
    .description('list them (the default)')
    .addOption(formatOption())
    .action((options: { format: Format }) => withDatabase(io, (pool) => list(io, pool, options.format)));

  command
    .command('label <account> [text]')
    .description('give an account a name for people; without a text, take it away')
    .action((id: string, text: string | undefined) =>
      withDatabase(io, (pool) =>
        change(io, pool, id, { label: text ?? null }, text === undefined ? 'label removed' : 'labelled'),
      ),
    );

  command
    .command('retire <account>')
    .description('keep its history, sync it no more')
    .action((id: string) =>
      withDatabase(io, (pool) => change(io, pool, id, { retired_at: sql`now()` }, 'retired')),
    );

  command
    .command('restore <account>')
    .description('sync a retired account again')
    .action((id: string) =>
      withDatabase(io, (pool) => change(io, pool, id, { retired_at: null }, 'restored')),
    );

  return command;
}

async function withDatabase(io: Io, work: (pool: Pool) => Promise<void>): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'refuse');
  try {
    await work(database.pool);
  } finally {
    await database.close();
  }
}

async function list(io: Io, pool: Pool, format: Format): Promise<void> {
  const rows = await listAccounts(pool);
  if (rows.length === 0 && format === 'table') {
    io.stdout.write('No account was ever synced here. Start with: zt-risk-sync sync\n');
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

async function change(
  io: Io,
  pool: Pool,
  accountId: string,
  values: Parameters<ReturnType<ReturnType<typeof drizzle>['update']>['set']>[0],
  done: string,
): Promise<void> {
  const rows = await drizzle(pool)
    .update(accounts)
    .set(values)
    .where(eq(accounts.account_id, accountId))
    .returning();
  if (rows.length === 0) {
    throw new OperatorError({
      code: 'ACCOUNT_UNKNOWN',
      exit: EXIT.failed,
      happened: `No history is kept of an account ${accountId}`,
      means: 'Nothing was changed',
      todo: 'Run `zt-risk-sync accounts` for the ones there are',
    });
  }
  io.stdout.write(`${accountId}: ${done}\n`);
}
