// Users per level over time: the last snapshot of every bucket, one row per account and bucket. Reads the per-snapshot
// counts, never the history of users.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../db/pool.ts';
import { riskLevelBySnapshot as v } from '../db/views.ts';

export const BUCKETS = ['hour', 'day', 'week', 'month'] as const;
export type Bucket = (typeof BUCKETS)[number];

export type TrendPoint = {
  account_id: string;
  /** Start of the bucket in the asked time zone, "2026-11-23" or "2026-11-23 18:00". */
  bucket: string;
  low: number;
  medium: number;
  high: number;
  verdict: string;
};

/** Buckets without a snapshot are left out. */
export async function levelTrend(
  pool: Pool,
  filter: { since: Date; bucket: Bucket; timezone: string; accountId?: string },
): Promise<TrendPoint[]> {
  const local = sql`date_trunc(${filter.bucket}, ${v.observed_at} at time zone ${filter.timezone})`;
  const format = filter.bucket === 'hour' ? 'YYYY-MM-DD HH24:MI' : 'YYYY-MM-DD';
  const account = filter.accountId === undefined ? sql`true` : sql`${v.account_id} = ${filter.accountId}`;
  const { rows } = await drizzle(pool).execute<TrendPoint>(sql`
    with per_snapshot as (
      select ${v.account_id}, ${v.observed_at}, ${local} as bucket, ${v.verdict},
             sum(${v.user_count}) filter (where ${v.max_risk_level} = 'low')::integer as low,
             sum(${v.user_count}) filter (where ${v.max_risk_level} = 'medium')::integer as medium,
             sum(${v.user_count}) filter (where ${v.max_risk_level} = 'high')::integer as high
        from ${v}
       where ${v.observed_at} >= ${filter.since.toISOString()}::timestamptz and ${account}
       group by 1, 2, 3, 4)
    select distinct on (account_id, bucket) account_id, to_char(bucket, ${format}) as bucket, low, medium, high, verdict
      from per_snapshot
     order by account_id, bucket, observed_at desc`);
  return rows;
}
