// The row of an account: found or added by a claim. What people change about it is in upkeep/accounts.ts.
import { eq, sql } from 'drizzle-orm';
import { accounts, accountWriters } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';

/**
 * Finds or adds the account. It looks first, because a failed insert would use up an identity. Returns account_key.
 * Throws ACCOUNT_RETIRED (exit 78): a retired account is not synced.
 */
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
  if (account === undefined) throw new Error('the account that was added is missing');
  if (account.retired_at !== null) {
    throw new OperatorError({
      code: 'ACCOUNT_RETIRED',
      happened: `Account ${accountId} was retired`,
      means: 'Its history stays, but it is not synced',
      todo: `Run \`zt-risk-sync accounts restore ${accountId}\` to sync it again, or remove it from CLOUDFLARE_ACCOUNT_ID`,
    });
  }
  return account.account_key;
}
