// What people change about an account by hand: label it, retire it, restore it.
import { eq, sql, type SQL } from 'drizzle-orm';
import { refuseCopied, takeFeedValue } from '../db/feed-clock.ts';
import { holdSchema } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { accounts } from '../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';

export async function labelAccount(pool: Pool, accountId: string, label: string | null): Promise<void> {
  await changeAccount(pool, accountId, { label });
}

/** A retired account keeps its history and is synced no more. */
export async function retireAccount(pool: Pool, accountId: string): Promise<void> {
  await changeAccount(pool, accountId, { retired_at: sql`coalesce(${accounts.retired_at}, now())` });
}

export async function restoreAccount(pool: Pool, accountId: string): Promise<void> {
  await changeAccount(pool, accountId, { retired_at: null });
}

type AccountChange = { label: string | null } | { retired_at: SQL | null };

async function changeAccount(pool: Pool, accountId: string, change: AccountChange): Promise<void> {
  await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    await holdSchema(tx);
    await refuseCopied(tx, null);
    const feedId = await takeFeedValue(tx);
    const { rowCount } = await tx
      .update(accounts)
      .set({ ...change, feed_id: feedId })
      .where(eq(accounts.account_id, accountId));
    if (rowCount === 0) throw unknownAccount(accountId);
  });
}

function unknownAccount(accountId: string): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    happened: `No history is kept of an account ${accountId}`,
    means: 'Nothing was changed',
    todo: 'Run `zt-risk-sync accounts` for the ones there are',
  });
}
