// The metrics of each account that is not retired, in one statement. Each part names account_key by equality: however
// long the history, an index leads it to the newest rows.
import { sql, type SQL } from 'drizzle-orm';
import {
  accounts,
  leases,
  rejectedRecords,
  retention as t,
  snapshotLevels,
  snapshots,
  syncRuns,
} from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { newestWholeWalk, notKept } from '../rejected/waiting-records.ts';
import { failuresSince } from './failures-since.ts';

/** Times in seconds since 1970, null where there was none. */
export type AccountGauges = {
  account_id: string;
  added_at: number;
  /** In the newest snapshot: users by level, and users that its walk did not meet. */
  users: Record<string, number>;
  users_carried: number | null;
  observed_at: number | null;
  last_success_at: number | null;
  last_complete_at: number | null;
  /** Runs without success since the newest success, at most STREAK_LIMIT. */
  failed_runs: number;
  /** Runs that published a partial snapshot since the newest complete one, at most STREAK_LIMIT. */
  partial_runs: number;
  rejected_waiting: number;
  /** Rejected records of the newest walk over all pages whose text is not kept. */
  rejected_not_kept: number;
  /** Rows that were ever deleted because they were old, by part of the history. */
  pruned_rows: Record<string, number>;
  last_prune_at: number | null;
  lease_started_at: number | null;
  lease_heartbeat_age: number | null;
};

/** Limited, because a streak is counted row by row. */
export const STREAK_LIMIT = 1_000;

export async function accountGauges(tx: Transaction): Promise<AccountGauges[]> {
  // Compiling the statement takes longer than running it, and PostgreSQL does so for many accounts.
  await tx.execute(sql`set local jit = off`);
  return (await tx.execute<AccountGauges>(gaugesOfAll())).rows;
}

/** Exported for a test of its query plan. */
export function gaugesOfAll(): SQL {
  return sql`
    select ${accounts.account_id} as account_id, ${epoch(accounts.added_at)} as added_at, gauges.*
      from ${accounts} cross join lateral (${gaugesOf(sql`${accounts.account_key}`)}) gauges
     where ${accounts.retired_at} is null order by ${accounts.account_key}`;
}

function gaugesOf(key: SQL): SQL {
  const r = syncRuns;
  const runs = (condition: SQL) => sql`${r} where ${r.account_key} = ${key} and ${condition}`;
  const newestRun = (
    condition: SQL,
  ) => sql`(select ${r.run_id} as run_id, ${r.finished_at} as finished_at from ${runs(condition)}
    order by ${r.run_id} desc limit 1)`;
  const newer = runs(
    sql`${r.run_id} > coalesce((select run_id from complete), 0) and ${r.verdict} = 'partial'`,
  );
  return sql`
    with newest as (select ${snapshots.snapshot_id} as snapshot_id, ${snapshots.observed_at} as observed_at, ${snapshots.carried_count} as carried
           from ${snapshots} where ${snapshots.account_key} = ${key} order by ${snapshots.observed_at} desc limit 1),
         success as ${newestRun(sql`${r.status} = 'succeeded'`)},
         complete as ${newestRun(sql`${r.verdict} = 'complete'`)},
         lease as (select ${leases.started_at} as started_at, ${leases.heartbeat_at} as heartbeat_at
           from ${leases} where ${leases.account_key} = ${key})
    select coalesce((select jsonb_object_agg(${snapshotLevels.max_risk_level}, ${snapshotLevels.user_count}) from ${snapshotLevels}
              where ${snapshotLevels.account_key} = ${key}
                and ${snapshotLevels.snapshot_id} = (select snapshot_id from newest)), '{}') as users,
           (select carried from newest) as users_carried,
           ${epoch(sql`(select observed_at from newest)`)} as observed_at,
           ${epoch(sql`(select finished_at from success)`)} as last_success_at,
           ${epoch(sql`(select finished_at from complete)`)} as last_complete_at,
           ${failuresSince(key, STREAK_LIMIT)} as failed_runs,
           (select count(*)::integer from (select from ${newer} order by ${r.run_id} desc limit ${STREAK_LIMIT}) newer) as partial_runs,
           (select count(*)::integer from ${rejectedRecords} where ${rejectedRecords.account_key} = ${key}
               and ${rejectedRecords.last_run_id} >= ${newestWholeWalk(key)}) as rejected_waiting,
           ${notKept(key)} as rejected_not_kept,
           coalesce((select jsonb_object_agg(${t.dataset}, ${t.row_count}) from ${t} where ${t.account_key} = ${key}), '{}') as pruned_rows,
           ${epoch(sql`(select max(${t.pruned_at}) from ${t} where ${t.account_key} = ${key})`)} as last_prune_at,
           ${epoch(sql`(select started_at from lease)`)} as lease_started_at,
           (select extract(epoch from now() - heartbeat_at)::float8 from lease) as lease_heartbeat_age`;
}

function epoch(at: SQL | typeof accounts.added_at): SQL<number> {
  return sql<number>`extract(epoch from ${at})::float8`;
}
