// Users who differ between two snapshots of an account, and the number of users at each level.
import type { Db } from '../db/handle.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { compareLevels, type LevelDifference } from '../queries/levels/compare-levels.ts';
import { countInBetween } from '../queries/levels/count-in-between.ts';
import { levelsOfSnapshot, type LevelCount } from '../queries/levels/levels-of-snapshot.ts';
import { snapshotAt, type SnapshotAt } from '../queries/snapshots/snapshot-at.ts';
import type { Change } from '../user-risk.ts';

export type Difference = {
  account: KnownAccount;
  from: SnapshotAt & { levels: LevelCount[] };
  to: SnapshotAt & { levels: LevelCount[] };
  rows: LevelDifference[];
  /** Users who were at one of the levels in between, but not at either end: `rows` may lack them. */
  between: { count: number; levels: readonly string[] };
};

export type DifferenceFilter = {
  identities: boolean;
  /** Users with one of these levels before or after; empty: all. */
  level: readonly string[];
  /** Empty: all. */
  change: readonly Change[];
};

/** Compares the newest snapshots at or before the two instants. Null if one of them does not exist. */
export async function differenceOf(
  db: Db,
  account: KnownAccount,
  from: Date,
  to: Date,
  filter: DifferenceFilter,
): Promise<Difference | null> {
  const [first, last] = [
    await snapshotAt(db, account.account_key, from),
    await snapshotAt(db, account.account_key, to),
  ];
  if (first === null || last === null) return null;
  const span = { from: first.observed_at, to: last.observed_at };
  const isSame = first.snapshot_id === last.snapshot_id;
  const rows = isSame ? [] : await compareLevels(db, account, span, filter.identities);
  const levels = filter.level.length === 0 ? ['high'] : filter.level;
  return {
    account,
    from: { ...first, levels: await levelsOfSnapshot(db, account.account_id, first.snapshot_id) },
    to: { ...last, levels: await levelsOfSnapshot(db, account.account_id, last.snapshot_id) },
    rows: rows.filter((row) => isWanted(row, filter)),
    between: { levels, count: isSame ? 0 : await countInBetween(db, account.account_key, span, levels) },
  };
}

function isWanted(row: LevelDifference, { level, change }: DifferenceFilter): boolean {
  const hasLevel = [row.from_level, row.to_level].some((one) => one !== null && level.includes(one));
  return (level.length === 0 || hasLevel) && (change.length === 0 || change.includes(row.change));
}
