// Users per level over time, with the accounts that the points belong to.
import type { Db } from '../db/handle.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { levelTrend, type Bucket, type TrendPoint } from '../queries/levels/level-trend.ts';
import { chooseHistories } from './choose-histories.ts';
import { requireZone } from './scope.ts';

/** `account`: ids or labels; empty: all accounts. */
export type TrendFilter = { since: Date; bucket: Bucket; timezone: string; account: readonly string[] };

/** `points` in the order of accounts and time; an account without a snapshot has none. */
export type Trend = TrendFilter & { accounts: readonly KnownAccount[]; points: readonly TrendPoint[] };

/** Throws ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS, TIMEZONE_UNKNOWN. */
export async function trendSince(db: Db, filter: TrendFilter): Promise<Trend> {
  await requireZone(db, filter.timezone);
  const accounts = await chooseHistories(db, filter.account);
  const points = await levelTrend(db, {
    ...filter,
    ...(filter.account.length === 0 ? {} : { accountIds: accounts.map(({ account_id }) => account_id) }),
  });
  return { ...filter, accounts, points };
}
