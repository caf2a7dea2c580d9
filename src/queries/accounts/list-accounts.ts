// Every account with its newest snapshot, the outcome of its last runs, and the run in progress.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, leases, rejectedRecords, snapshots } from '../../db/schema.ts';
import { mayRead } from '../health/may-read.ts';
import { isWaiting, notKept } from '../rejected/waiting-records.ts';
import { failuresSince } from './failures-since.ts';

export type AccountState = {
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
  /** Rejected records of the newest walk over all pages whose text is not kept. */
  rejected_not_kept: number;
  age_ms: number | null;
  /** Time since the account was added. */
  known_ms: number;
};

export async function listAccounts(db: Db): Promise<AccountState[]> {
  const { leases: leasesVisible } = await mayRead(db);
  const internals = leasesVisible
    ? sql`
      left join lateral (
        select count(*)::integer as rejected_waiting from ${rejectedRecords}
         where ${rejectedRecords.account_key} = a.account_key and ${isWaiting()}) r on true
      left join ${leases} l on l.account_key = a.account_key`
    : sql`
      cross join (select null::integer as rejected_waiting) r
      cross join (select null::bigint as run_id, null::timestamptz as started_at, null::timestamptz as heartbeat_at, null as host) l`;
  const { rows } = await on(db).execute<Record<string, unknown>>(sql`
    select a.account_id, a.label, a.added_at, a.retired_at, s.snapshot_id::float8 as snapshot_id, s.observed_at, s.verdict, s.user_count,
           s.carried_count, ${failuresSince(sql`a.account_key`)} as failures_since, p.partials_since, c.complete_at,
           extract(epoch from clock_timestamp() - l.heartbeat_at)::float8 * 1000 as silent_ms,
           extract(epoch from clock_timestamp() - s.observed_at)::float8 * 1000 as age_ms,
           extract(epoch from clock_timestamp() - a.added_at)::float8 * 1000 as known_ms, l.run_id::float8 as running_run_id, l.started_at as running_since, l.host as running_host,
           r.rejected_waiting, ${notKept(sql`a.account_key`)} as rejected_not_kept
      from ${accounts} a
      left join lateral (select * from ${snapshots} s where s.account_key = a.account_key order by s.observed_at desc limit 1) s on true
      left join lateral (
        select max(s.observed_at) as complete_at from ${snapshots} s
         where s.account_key = a.account_key and s.verdict = 'complete') c on true
      left join lateral (
        select count(*)::integer as partials_since from ${snapshots} s
         where s.account_key = a.account_key and s.observed_at > coalesce(c.complete_at, '-infinity')) p on true
      ${internals}
     order by a.account_key`);
  return rows.map((row) => ({
    ...(row as unknown as AccountState),
    added_at: toDate(row['added_at']) ?? new Date(0),
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
