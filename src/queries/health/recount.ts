// The counts of the newest snapshot beside a recount of the current state: they must be equal until the next snapshot.
// One statement does both, so that no publish can come in between.
import { sql } from 'drizzle-orm';
import { snapshotLevels as sl, snapshots as s, users as u } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';

export type Recount = {
  snapshotId: number;
  /** Null: all levels together. */
  level: string | null;
  recordedUsers: number;
  countedUsers: number;
  recordedEvents: number;
  countedEvents: number;
};

/** Empty if there is no snapshot yet. */
export async function recount(tx: Transaction, accountKey: number): Promise<Recount[]> {
  const { rows } = await tx.execute<Recount>(sql`
    with newest as (
           select ${s.snapshot_id} as snapshot_id, ${s.user_count} as users, ${s.event_count} as events from ${s}
            where ${s.account_key} = ${accountKey} order by ${s.observed_at} desc limit 1),
         recorded as (
           select ${sl.max_risk_level} as level, ${sl.user_count} as users, ${sl.event_count} as events from ${sl}
            where ${sl.account_key} = ${accountKey} and ${sl.snapshot_id} = (select snapshot_id from newest)
           union all select null, users, events from newest),
         counted as (
           select ${u.max_risk_level} as level, count(*) as users, sum(${u.event_count}) as events from ${u}
            where ${u.account_key} = ${accountKey} and ${u.max_risk_level} is not null
            group by grouping sets ((${u.max_risk_level}), ()))
    select (select snapshot_id from newest)::float8 as "snapshotId", coalesce(r.level, c.level) as level,
           coalesce(r.users, 0)::float8 as "recordedUsers", coalesce(c.users, 0)::float8 as "countedUsers",
           coalesce(r.events, 0)::float8 as "recordedEvents", coalesce(c.events, 0)::float8 as "countedEvents"
      from recorded r full join counted c on coalesce(r.level, '') = coalesce(c.level, '')
     where exists (select from newest)`);
  return rows;
}
