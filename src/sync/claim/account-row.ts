// The row of an account: found or added by a claim. What people change about it is in upkeep/accounts.ts.
import { eq } from 'drizzle-orm';
import { refuseCopied, takeFeedValue } from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { accounts, accountWriters } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';

/** Returns account_key; null if the account is not known. Throws ACCOUNT_RETIRED (exit 78): it is not synced. */
export async function findAccount(tx: Transaction, accountId: string): Promise<number | null> {
  const [account] = await tx.select().from(accounts).where(eq(accounts.account_id, accountId));
  if (account === undefined) return null;
  if (account.retired_at === null) return account.account_key;
  throw accountRetired(accountId);
}

export function accountRetired(accountId: string): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_RETIRED',
    happened: `Account ${accountId} was retired`,
    means: 'Its history stays, but it is not synced',
    todo: `Run \`zt-risk-sync accounts restore ${accountId}\` to sync it again, or remove it from CLOUDFLARE_ACCOUNT_ID`,
  });
}

/**
 * Adds the account unless it is there. It looks first, because a failed insert would use up an identity. Aborting
 * `signal` ends the wait for the feed clock.
 */
export async function addAccount(
  pool: Pool,
  { accountId, signal }: { accountId: string; signal?: AbortSignal },
): Promise<void> {
  await inTransaction(
    pool,
    DEFAULT_LIMITS,
    async (tx) => {
      await holdSchema(tx);
      // Whoever adds an account holds the clock, so nobody can add the same one meanwhile.
      const feedId = await takeFeedValue(tx);
      await refuseCopied(tx, null);
      if ((await findAccount(tx, accountId)) !== null) return;
      const [added] = await tx
        .insert(accounts)
        .values({ account_id: accountId, feed_id: feedId })
        .returning({ key: accounts.account_key });
      if (added === undefined) throw new Error('the insert returned no row');
      await tx
        .insert(accountWriters)
        .values({ account_key: added.key, last_user_key: 0, last_snapshot_id: 0 })
        .onConflictDoNothing();
    },
    signal,
  );
}
