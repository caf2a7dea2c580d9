// The row of an account: found or added by a claim. What people change about it is in upkeep/accounts.ts.
import { eq, sql } from 'drizzle-orm';
import { refuseCopied, takeFeedValue, UNTIL_CANCELLED } from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { accounts, accountWriters } from '../../db/schema.ts';
import { columnNames } from '../../db/sql/column-names.ts';
import { writtenOut } from '../../db/sql/inline-sql.ts';
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
 * Adds the account unless it is there. It looks before it waits for the feed clock. Aborting `signal` ends that wait. If
 * two add the same account at once, the second one uses up an identity and a feed value.
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
      if ((await findAccount(tx, accountId)) !== null) return;
      await refuseCopied(tx, null);
      const feedId = await takeFeedValue(tx, { waitMs: UNTIL_CANCELLED });
      const w = accountWriters;
      const add = tx
        .insert(accounts)
        .values({ account_id: accountId, feed_id: feedId })
        .onConflictDoNothing({ target: accounts.account_id });
      const addWriter = sql`
        insert into ${w} (${columnNames(w.account_key, w.last_user_key, w.last_snapshot_id)})
        select ${accounts.account_key}, 0, 0 from ${accounts} where ${eq(accounts.account_id, accountId)}
        on conflict do nothing`;
      // In one round trip, because all accounts wait for the clock.
      await tx.execute(sql.raw(`${writtenOut(add)}; ${writtenOut(addWriter)}`));
    },
    signal,
  );
}
