// Users per level over a span of time: by snapshot, by hour or by day. Each row holds until the next one. Retired
// accounts are left out, except if one is named.
import { sql, type SQL } from 'drizzle-orm';
import { postgresZone } from '../postgres-zone.ts';
import { idsArgument, ofLiving, ofLivingRows, type Question } from '../question.ts';

export const TREND_STEPS = ['snapshot', 'hour', 'day'] as const;
export type TrendStep = (typeof TREND_STEPS)[number];

export type TrendRow = {
  /** A snapshot, or the begin of an hour or day. */
  at: string;
  /** The same in the time zone: "2026-03-01 09:00", or "2026-03-01" for a day. */
  local: string;
  low: number;
  medium: number;
  high: number;
  /** Accounts that had a snapshot by then. */
  account_count: number;
  /** False: an account has no snapshot in this hour or day, and its earlier state is carried. */
  is_observed: boolean;
};

/** `to` is not included. The state at `from` is first, if there is one. */
export function trend(
  accountIds: readonly string[] | null,
  { from, to, timezone, step }: { from: Date; to: Date; timezone: string; step: TrendStep },
): Question<TrendRow> {
  const span = { begin: sql`${from.toISOString()}::timestamptz`, end: sql`${to.toISOString()}::timestamptz` };
  const zone = postgresZone(timezone);
  if (step === 'snapshot') return bySnapshot(accountIds, span, zone);
  return step === 'hour' ? byHour(accountIds, span, zone) : byDay(accountIds, span, zone);
}

type Bounds = { begin: SQL; end: SQL };

/** `l` and `a`: the prefixes of the columns of levels and of accounts. */
const counts = (
  l: SQL = sql``,
  a: SQL = sql``,
) => sql`coalesce(sum(${l}user_count) filter (where ${l}max_risk_level = 'low'), 0)::int as low,
             coalesce(sum(${l}user_count) filter (where ${l}max_risk_level = 'medium'), 0)::int as medium,
             coalesce(sum(${l}user_count) filter (where ${l}max_risk_level = 'high'), 0)::int as high,
             count(distinct ${a}account_id)::int as account_count`;

function bySnapshot(accountIds: readonly string[] | null, { begin, end }: Bounds, zone: string) {
  return {
    statement: sql`
      with instants (at) as (
        select ${begin} union
        select observed_at from risk_bi.snapshots
         where observed_at >= ${begin} and observed_at < ${end} and ${ofLiving(accountIds)})
      select i.at,
             to_char(i.at at time zone ${zone}::text, 'YYYY-MM-DD HH24:MI') as local,
             ${counts(sql`l.`, sql`a.`)},
             bool_or(s.observed_at = i.at) as is_observed
        from instants i
       cross join risk.accounts a
        join risk.snapshots s on s.account_key = a.account_key and s.observed_at = (
             select max(p.observed_at) from risk.snapshots p
              where p.account_key = a.account_key and p.observed_at <= i.at)
        join risk.snapshot_levels l on l.account_key = s.account_key and l.snapshot_id = s.snapshot_id
       where ${ofLivingRows(accountIds)}
       group by i.at
       order by i.at`,
  };
}

function byHour(accountIds: readonly string[] | null, { begin, end }: Bounds, zone: string) {
  return {
    statement: sql`
      select hour as at,
             to_char(hour at time zone ${zone}::text, 'YYYY-MM-DD HH24:MI') as local,
             ${counts()},
             bool_and(is_observed) as is_observed
        from risk_bi.risk_level_hourly_in(${zone}::text, ${idsArgument(accountIds)}, ${begin}, ${end})
       where hour > ${begin} - interval '1 hour' and hour < ${end} and ${ofLiving(accountIds)}
       group by hour
       order by hour`,
  };
}

function byDay(accountIds: readonly string[] | null, { begin, end }: Bounds, zone: string) {
  // If clocks go back to midnight, PostgreSQL takes the second midnight.
  const midnight = sql`(day::timestamp at time zone ${zone}::text)`;
  return {
    statement: sql`
      select case when ((${midnight} - interval '1 hour') at time zone ${zone}::text)::date = day
                  then ${midnight} - interval '1 hour' else ${midnight} end as at,
             day::text as local,
             ${counts()},
             bool_and(is_observed) as is_observed
        from risk_bi.risk_level_daily_in(${zone}::text, ${idsArgument(accountIds)}, ${begin}, ${end})
       where day >= (${begin} at time zone ${zone}::text)::date
         and day <= ((${end} - interval '1 millisecond') at time zone ${zone}::text)::date
         and ${ofLiving(accountIds)}
       group by day
       order by day`,
  };
}
