// The rows of accounts: found or added by a claim, labelled and retired by people.
import { eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { accounts, accountWriters } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { EXIT, OperatorError } from '../../errors.ts';

/** Finds or adds the account; a failed insert would burn an identity, so it looks first. Returns account_key. Throws ACCOUNT_RETIRED (exit 78): a retired account is not synced. */
export async function ensureAccount(tx: Transaction, accountId: string): Promise<number> {
  const find = () => tx.select().from(accounts).where(eq(accounts.account_id, accountId));
  let [account] = await find();
  if (account === undefined) {
    await tx
      .insert(accounts)
      .values({ account_id: accountId, added_at: sql`now()` })
      .onConflictDoNothing();
    [account] = await find();
    if (account !== undefined)
      await tx
        .insert(accountWriters)
        .values({ account_key: account.account_key, last_user_key: 0, last_snapshot_id: 0 })
        .onConflictDoNothing();
  }
  if (account === undefined) throw new Error('an account that was just added is not there');
  if (account.retired_at !== null) {
    throw new OperatorError({
      code: 'ACCOUNT_RETIRED',
      exit: EXIT.configuration,
      happened: `Account ${accountId} was retired`,
      means: 'Its history stays, and it is not synced',
      todo: `Run \`zt-risk-sync accounts restore ${accountId}\` to sync it again, or take it out of CLOUDFLARE_ACCOUNT_ID`,
    });
  }
  return account.account_key;
}

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

type Change = { label: string | null } | { retired_at: SQL | null };

async function changeAccount(pool: Pool, accountId: string, change: Change): Promise<void> {
  const rows = await drizzle(pool)
    .update(accounts)
    .set(change)
    .where(eq(accounts.account_id, accountId))
    .returning();
  if (rows.length > 0) return;
  throw new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    exit: EXIT.failed,
    happened: `No history is kept of an account ${accountId}`,
    means: 'Nothing was changed',
    todo: 'Run `zt-risk-sync accounts` for the ones there are',
  });
}
