// The row of an account: found or added by a claim. Changes by people are in upkeep/accounts.ts.
import { eq, sql } from 'drizzle-orm';
import {
  CLOCK_WAIT_MS,
  refuseCopied,
  startClock,
  takeFeedValue,
  UNTIL_CANCELLED,
} from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { accountKeys, accounts, accountWriters } from '../../db/schema.ts';
import { columnNames } from '../../db/sql/column-names.ts';
import { writtenOut } from '../../db/sql/inline-sql.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';

/**
 * Reads the directory. Null: the directory does not know the id. An account in the directory may still lack its row in
 * `accounts`.
 */
export async function keyOfAccount(tx: Transaction, accountId: string): Promise<number | null> {
  const [named] = await tx
    .select({ key: accountKeys.account_key })
    .from(accountKeys)
    .where(eq(accountKeys.account_id, accountId));
  return named?.key ?? null;
}

/**
 * Returns account_key, or null if the account is not known. Throws ACCOUNT_RETIRED (exit 78): a retired account is not
 * synced. It uses two statements, because one statement would make a distributed history ask every node for the account
 * of an id.
 */
export async function findAccount(tx: Transaction, accountId: string): Promise<number | null> {
  const key = await keyOfAccount(tx, accountId);
  if (key === null) return null;
  const [account] = await tx.select().from(accounts).where(eq(accounts.account_key, key));
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

// A session that adds the same account may be waiting for the feed clock.
const LIMITS = { ...DEFAULT_LIMITS, lockMs: CLOCK_WAIT_MS, statementMs: CLOCK_WAIT_MS };

/** Adds the account if it is missing. It looks before it waits for the feed clock. Aborting `signal` ends that wait. */
export async function addAccount(
  pool: Pool,
  { accountId, signal }: { accountId: string; signal?: AbortSignal },
): Promise<void> {
  await inTransaction(
    pool,
    LIMITS,
    async (tx) => {
      await holdSchema(tx);
      if ((await findAccount(tx, accountId)) !== null) return;
      await refuseCopied(tx, null);
      // Another session that adds the same account waits here, and then finds it.
      const key = await nameAccount(tx, accountId);
      if ((await findAccount(tx, accountId)) !== null) return;
      await startClock(tx, key);
      const feedId = await takeFeedValue(tx, key, { waitMs: UNTIL_CANCELLED });
      const w = accountWriters;
      const add = tx.insert(accounts).values({ account_key: key, account_id: accountId, feed_id: feedId });
      const addWriter = sql`
        insert into ${w} (${columnNames(w.account_key, w.last_user_key, w.last_snapshot_id)})
        values (${key}, 0, 0) on conflict do nothing`;
      // In one round trip, because all accounts wait for the clock.
      await tx.execute(sql.raw(`${writtenOut(add)}; ${writtenOut(addWriter)}`));
    },
    signal,
  );
}

/** It looks first, because an insert that conflicts with the same id uses up a key. */
async function nameAccount(tx: Transaction, accountId: string): Promise<number> {
  const found = await keyOfAccount(tx, accountId);
  if (found !== null) return found;
  await tx.insert(accountKeys).values({ account_id: accountId }).onConflictDoNothing();
  const key = await keyOfAccount(tx, accountId);
  if (key === null) throw new Error('the insert left no row');
  return key;
}
