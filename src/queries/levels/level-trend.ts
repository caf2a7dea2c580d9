// Users per level over time: one row per account and bucket, without gaps, from the last snapshot up to the bucket's
// end. Reads the counts of snapshots through risk_level_hourly and risk_level_daily, never the history of users.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { postgresZone } from '../postgres-zone.ts';
import { idsArgument } from '../question.ts';

export const BUCKETS = ['hour', 'day', 'week', 'month'] as const;
export type Bucket = (typeof BUCKETS)[number];

export type TrendPoint = {
  account_id: string;
  /** Start of the bucket in the requested time zone, "2026-11-23" or "2026-11-23 18:00". */
  bucket: string;
  low: number;
  medium: number;
  high: number;
  /** Verdict of the snapshot that is shown. */
  verdict: string;
  /** False: no snapshot was taken in the bucket, so an earlier one is carried forward. */
  is_observed: boolean;
  snapshot_id: number;
  observed_at: string;
  /** Start of an hourly bucket: when clocks go back, two hours have the same name. */
  hour_at: string | null;
};

/** Starts with the bucket that holds `since`. */
export async function levelTrend(
  db: Db,
  filter: { since: Date; bucket: Bucket; timezone: string; accountIds?: readonly string[] },
): Promise<TrendPoint[]> {
  const { bucket, accountIds } = filter;
  const zone = sql`${postgresZone(filter.timezone)}::text`;
  const since = sql`${filter.since.toISOString()}::timestamptz`;
  const account =
    accountIds === undefined ? sql`true` : sql`account_id = any(${sql.param([...accountIds])}::text[])`;
  const ids = idsArgument(accountIds ?? null);
  const parts =
    bucket === 'hour'
      ? sql`select account_id, hour as bucket_at, to_char(hour at time zone ${zone}, 'YYYY-MM-DD HH24:MI') as bucket, hour as hour_at,
                   max_risk_level, user_count, is_observed, snapshot_id, observed_at, verdict
              from risk_bi.risk_level_hourly_in(${zone}, ${ids}, ${since}) where ${account} and hour >= date_trunc('hour', ${since}, ${zone})`
      : sql`select account_id, date_trunc(${bucket}, day::timestamp) as bucket_at,
                   to_char(date_trunc(${bucket}, day::timestamp), 'YYYY-MM-DD') as bucket, null::timestamptz as hour_at, max_risk_level,
                   user_count, is_observed, snapshot_id, observed_at, verdict
              from risk_bi.risk_level_daily_in(${zone}, ${ids}, date_trunc(${bucket}, ${since}, ${zone})) where ${account} and day >= date_trunc(${bucket}, ${since} at time zone ${zone})::date`;
  const { rows } = await on(db).execute<TrendPoint>(sql`
    with parts as (${parts}),
         states as (
      select account_id, bucket_at, bucket, hour_at, snapshot_id, observed_at, verdict, bool_or(is_observed) as is_observed,
             max(user_count) filter (where max_risk_level = 'low') as low,
             max(user_count) filter (where max_risk_level = 'medium') as medium,
             max(user_count) filter (where max_risk_level = 'high') as high
        from parts group by 1, 2, 3, 4, 5, 6, 7)
    select distinct on (account_id, bucket_at) account_id, bucket, coalesce(low, 0) as low, coalesce(medium, 0) as medium,
           coalesce(high, 0) as high, verdict, bool_or(is_observed) over (partition by account_id, bucket_at) as is_observed,
           snapshot_id::float8 as snapshot_id, observed_at, hour_at
      from states order by account_id, bucket_at, observed_at desc`);
  const iso = (at: string) => new Date(at).toISOString();
  return rows.map((row) => ({
    ...row,
    observed_at: iso(row.observed_at),
    hour_at: row.hour_at === null ? null : iso(row.hour_at),
  }));
}
