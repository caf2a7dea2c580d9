// What people change about an account by hand: label it, retire it, restore it.
import { and, eq, isNull, sql, type SQL } from 'drizzle-orm';
import { refuseCopied, takeFeedValue } from '../db/feed-clock.ts';
import { holdSchema } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { accounts } from '../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction } from '../db/transaction.ts';
import { OperatorError } from '../errors.ts';
import { keyOfAccount } from '../sync/claim/account-row.ts';

export async function labelAccount(pool: Pool, accountId: string, label: string | null): Promise<void> {
  await changeAccount(pool, accountId, { label });
}

/** A retired account keeps its history and is no longer synced. */
export async function retireAccount(pool: Pool, accountId: string): Promise<void> {
  await changeAccount(pool, accountId, { retired_at: sql`now()` }, isNull(accounts.retired_at));
}

export async function restoreAccount(pool: Pool, accountId: string): Promise<void> {
  await changeAccount(pool, accountId, { retired_at: null });
}

type AccountChange = { label: string | null } | { retired_at: SQL | null };

/** Changes nothing if `onlyIf` does not hold, for example for an account that was retired before. */
async function changeAccount(
  pool: Pool,
  accountId: string,
  change: AccountChange,
  onlyIf?: SQL,
): Promise<void> {
  await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    await holdSchema(tx);
    const key = await keyOfAccount(tx, accountId);
    await refuseCopied(tx, key);
    if (key === null) throw unknownAccount(accountId);
    const feedId = await takeFeedValue(tx, key);
    await tx
      .update(accounts)
      .set({ ...change, feed_id: feedId })
      .where(and(eq(accounts.account_key, key), onlyIf));
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
