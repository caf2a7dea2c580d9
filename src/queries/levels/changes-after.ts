// How much has changed since a snapshot, in commit order: for a reader who has seen everything up to it.
import { sql } from 'drizzle-orm';
import { ofAccounts, ofLiving, type Question } from '../question.ts';

export type SeenSnapshot = {
  /** Instant of that snapshot; null if it is not known. */
  observed_at: string | null;
  /** The earliest instant of a later snapshot; null if there is none. */
  next_at: string | null;
  /** The newest snapshot of these accounts; null before the first. */
  newest_id: number | null;
};

/**
 * `accountIds` null: all accounts. Their snapshots have one order only if they share a clock. `snapshotId` null:
 * nothing was seen yet.
 */
export function seenSnapshot(
  accountIds: readonly string[] | null,
  snapshotId: number | null,
): Question<SeenSnapshot> {
  return {
    statement: sql`
      select max(observed_at) filter (where snapshot_id = ${snapshotId}::bigint) as observed_at,
             min(observed_at) filter (where snapshot_id > ${snapshotId}::bigint) as next_at,
             max(snapshot_id)::float8 as newest_id
        from risk_bi.snapshots
       where ${ofAccounts(accountIds)}`,
  };
}

export type ChangesAfter = { change_count: number; user_count: number };

/** `from`: no later snapshot is earlier than this. This condition lets the query use an index. */
export function changesAfter(
  accountIds: readonly string[] | null,
  snapshotId: number,
  from: string,
): Question<ChangesAfter> {
  return {
    statement: sql`
      select count(*)::int as change_count, count(distinct (account_id, user_id))::int as user_count
        from risk_bi.level_changes
       where snapshot_id > ${snapshotId}::bigint and changed_at >= ${from}::timestamptz and ${ofLiving(accountIds)}`,
  };
}
