// Every account with its newest snapshot, the outcome of its last runs, and the run in progress.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, leases, snapshots } from '../../db/schema.ts';
import { mayRead } from '../health/may-read.ts';
import { failedSince, newestOfEach, REJECTED_NOT_KEPT, REJECTED_WAITING } from './newest-of-each.ts';

export type AccountStatus = {
  account_id: string;
  label: string | null;
  added_at: Date;
  retired_at: Date | null;
  snapshot_id: number | null;
  observed_at: Date | null;
  verdict: string | null;
  user_count: number | null;
  carried_count: number | null;
  /** Runs without success since the newest success. */
  failures_since: number;
  /** Partial snapshots since the newest complete one, or since the first. */
  partials_since: number;
  /** Time of the newest complete snapshot. */
  complete_at: Date | null;
  /**
   * Whether the database role may read leases and rejected records. A role for readers may not: then the fields about
   * the run in progress and `rejected_waiting` are null.
   */
  leases_visible: boolean;
  running_run_id: number | null;
  running_since: Date | null;
  running_host: string | null;
  /** Time since the last heartbeat. All ages are in milliseconds by the database's clock. */
  silent_ms: number | null;
  /** Rejected records that wait, as `rejected list` shows them. */
  rejected_waiting: number | null;
  /** Rejected records of the newest walk over all pages that were only counted, without their text. */
  rejected_not_kept: number;
  age_ms: number | null;
  /** Time since the account was added. */
  known_ms: number;
};

export async function listAccounts(db: Db): Promise<AccountStatus[]> {
  const { leases: leasesVisible } = await mayRead(db);
  const internals = leasesVisible
    ? sql`${REJECTED_WAITING} as rejected_waiting, l.run_id::float8 as running_run_id, l.started_at as running_since, l.host as running_host,
           extract(epoch from now() - l.heartbeat_at)::float8 * 1000 as silent_ms`
    : sql`null::integer as rejected_waiting, null as running_run_id, null as running_since, null as running_host, null as silent_ms`;
  const isComplete = sql`(s.verdict = 'complete')`;
  const { rows } = await on(db).execute<Record<string, unknown>>(sql`
    select a.account_id, a.label, a.added_at, a.retired_at, s.snapshot_id::float8 as snapshot_id, s.observed_at, s.verdict, s.user_count,
           s.carried_count, ${failedSince(null)} as failures_since,
           case when ${isComplete} then s.observed_at else c.complete_at end as complete_at,
           case when s.snapshot_id is null or ${isComplete} then 0 else (select count(*)::integer from ${snapshots} o
             where o.account_key = a.account_key and o.observed_at > coalesce(c.complete_at, '-infinity')) end as partials_since,
           extract(epoch from now() - s.observed_at)::float8 * 1000 as age_ms,
           extract(epoch from now() - a.added_at)::float8 * 1000 as known_ms,
           ${REJECTED_NOT_KEPT} as rejected_not_kept, ${internals}
      from ${accounts} a ${newestOfEach()}
      left join lateral (
        select o.observed_at as complete_at from ${snapshots} o
         where ${isComplete} is not true and o.account_key = a.account_key and o.verdict = 'complete'
         order by o.observed_at desc limit 1) c on true
      ${leasesVisible ? sql`left join ${leases} l on l.account_key = a.account_key` : sql``}
     order by a.account_key`);
  return rows.map((row) => ({
    ...(row as unknown as AccountStatus),
    added_at: new Date(row['added_at'] as string),
    retired_at: toDate(row['retired_at']),
    observed_at: toDate(row['observed_at']),
    complete_at: toDate(row['complete_at']),
    leases_visible: leasesVisible,
    running_since: toDate(row['running_since']),
  }));
}

// Drizzle returns the timestamps of raw SQL as Postgres' text.
function toDate(value: unknown): Date | null {
  return value === null || value === undefined ? null : new Date(value as string);
}
