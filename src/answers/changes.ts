// The level changes of each account in a span of time, newest first.
import type { Db } from '../db/handle.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { levelChanges, type LevelChange, type LevelChangeFilter } from '../queries/levels/level-changes.ts';
import { chooseHistories } from './choose-histories.ts';
import { identitiesDenied } from './identities-denied.ts';

export type ChangesFilter = LevelChangeFilter & {
  /** Ids or labels; empty: all accounts. */
  account: readonly string[];
  /** The maximum number of changes per account. Null: all. */
  limit: number | null;
};

export type AccountChanges = {
  account: KnownAccount;
  /** Read while it is consumed. */
  parts: AsyncIterable<readonly LevelChange[]>;
  /** Whether there are more changes than the limit. Known after the last part. */
  hasMore: () => boolean;
};

/** Throws IDENTITIES_DENIED, ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS. */
export async function changesOf(db: Db, filter: ChangesFilter): Promise<AccountChanges[]> {
  if (filter.identities && !(await mayRead(db)).identities)
    throw identitiesDenied('Changes can be listed without them', 'Leave --identities out');
  const accounts = await chooseHistories(db, filter.account);
  return accounts.map((account) => {
    let more = false;
    async function* limited(): AsyncGenerator<readonly LevelChange[]> {
      let left = filter.limit ?? Number.POSITIVE_INFINITY;
      for await (const rows of levelChanges(db, account, filter)) {
        more = rows.length > left;
        if (left > 0) yield rows.slice(0, left);
        left -= rows.length;
        if (more) return;
      }
    }
    return { account, parts: limited(), hasMore: () => more };
  });
}
