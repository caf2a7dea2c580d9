// The metrics of each account that is not retired, in one statement. Each part compares account_key by equality, so an
// index leads it to the newest rows even in a long history.
import { sql, type SQL } from 'drizzle-orm';
import { accounts, leases, retention, snapshotLevels } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import {
  COMPLETE_AT,
  failedSince,
  newestOfEach,
  partialRunsSince,
  REJECTED_NOT_KEPT,
  REJECTED_WAITING,
  SUCCESS_AT,
} from './newest-of-each.ts';

/** Times in seconds since 1970. Null if there was none. */
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
  /** Rejected records of the newest walk over all pages that were only counted, without their text. */
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
  // Compiling the statement takes longer than running it, and with many accounts PostgreSQL would compile it.
  await tx.execute(sql`set local jit = off`);
  return (await tx.execute<AccountGauges>(gaugesOfAll())).rows;
}

/** Exported for a test of its query plan. */
export function gaugesOfAll(): SQL {
  const epoch = (at: SQL) => sql`extract(epoch from ${at})::float8`;
  return sql`
    select a.account_id, ${epoch(sql`a.added_at`)} as added_at, coalesce(levels.users, '{}') as users,
           s.carried_count as users_carried, ${epoch(sql`s.observed_at`)} as observed_at,
           ${epoch(SUCCESS_AT)} as last_success_at, ${epoch(COMPLETE_AT)} as last_complete_at,
           ${failedSince(STREAK_LIMIT)} as failed_runs, ${partialRunsSince(STREAK_LIMIT)} as partial_runs,
           ${REJECTED_WAITING} as rejected_waiting, ${REJECTED_NOT_KEPT} as rejected_not_kept,
           coalesce(pruned.rows, '{}') as pruned_rows, ${epoch(sql`pruned.newest_at`)} as last_prune_at,
           ${epoch(sql`l.started_at`)} as lease_started_at, ${epoch(sql`now() - l.heartbeat_at`)} as lease_heartbeat_age
      from ${accounts} a ${newestOfEach()}
      left join lateral (
        select jsonb_object_agg(o.max_risk_level, o.user_count) as users from ${snapshotLevels} o
         where o.account_key = a.account_key and o.snapshot_id = s.snapshot_id) levels on true
      left join lateral (
        select jsonb_object_agg(o.dataset, o.row_count) as rows, max(o.pruned_at) as newest_at from ${retention} o
         where o.account_key = a.account_key) pruned on true
      left join ${leases} l on l.account_key = a.account_key
     where a.retired_at is null order by a.account_key`;
}
