// Users who differ between two snapshots of an account, and the number of users at each level.
import type { Pool } from '../db/pool.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { compareLevels, type LevelDifference } from '../queries/levels/compare-levels.ts';
import { levelsOfSnapshot, type LevelCount } from '../queries/levels/levels-of-snapshot.ts';
import { snapshotAt, type SnapshotAt } from '../queries/snapshots/snapshot-at.ts';

export type Difference = {
  account: KnownAccount;
  from: SnapshotAt & { levels: LevelCount[] };
  to: SnapshotAt & { levels: LevelCount[] };
  rows: LevelDifference[];
};

/** Compares the newest snapshots at or before the two instants; null when one of them does not exist. */
export async function differenceOf(
  pool: Pool,
  account: KnownAccount,
  from: Date,
  to: Date,
  identities: boolean,
): Promise<Difference | null> {
  const [first, last] = [
    await snapshotAt(pool, account.account_key, from),
    await snapshotAt(pool, account.account_key, to),
  ];
  if (first === null || last === null) return null;
  const span = { from: first.observed_at, to: last.observed_at };
  return {
    account,
    from: { ...first, levels: await levelsOfSnapshot(pool, first.snapshot_id) },
    to: { ...last, levels: await levelsOfSnapshot(pool, last.snapshot_id) },
    rows: first.snapshot_id === last.snapshot_id ? [] : await compareLevels(pool, account, span, identities),
  };
}
