// How much has changed since a snapshot, by the order of commits: for who has seen everything up to it.
import { sql } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

export type ChangesAfter = {
  /** Instant of that snapshot; null if it is not known. */
  observed_at: string | null;
  change_count: number;
  user_count: number;
  /** The newest snapshot of all accounts; null before the first. */
  newest_id: number | null;
};

/** `snapshotId` null: nothing was seen yet, and nothing is counted. */
export function changesAfter(
  accountIds: readonly string[] | null,
  snapshotId: number | null,
): Question<ChangesAfter> {
  // Compared with null, no snapshot is newer.
  return {
    statement: sql`
      select (select observed_at from risk_bi.snapshots where snapshot_id = ${snapshotId}::bigint) as observed_at,
             count(*)::int as change_count,
             count(distinct (account_id, user_id))::int as user_count,
             (select max(snapshot_id)::float8 from risk_bi.snapshots) as newest_id
        from risk_bi.level_changes
       where snapshot_id > ${snapshotId}::bigint and ${ofLiving(accountIds)}`,
  };
}
