// How long periods at high lasted, by how they ended: in a span, and in the span of the same length before it. A period
// counts in the span in which it ended. If it counted where it began, the newer span would lack its long periods,
// because they have not ended yet.
import { sql, type SQL } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

export type ResponseTime = {
  /** `this` is the span, `before` the span before it. */
  period: 'this' | 'before';
  /** `any`: lowered, reset and absent together. `open`: still at high at the end of the span. */
  ended_by: 'any' | 'lowered' | 'reset' | 'absent' | 'open';
  episode_count: number;
  median_seconds: number | null;
  p90_seconds: number | null;
  /** Periods among these that are longer than the target. */
  over_target_count: number;
  /** Periods that are not in these figures: they began in a first load, so they may be longer than is known. */
  left_out_count: number;
  /** Of the left-out periods, those that are longer than the target all the same. */
  left_out_over_target_count: number;
};

export type ResponseSpan = { from: Date; to: Date; targetMs: number };

/**
 * Ten rows: two periods, five ways. Open periods are measured to the account's newest snapshot, because nothing is
 * known after it.
 */
export function responseTimes(
  accountIds: readonly string[] | null,
  { from, to, targetMs }: ResponseSpan,
): Question<ResponseTime> {
  const before = new Date(from.getTime() - (to.getTime() - from.getTime()));
  return {
    statement: sql`
      with spans (number, period, begins_at, ends_at) as (
             values (0, 'this', ${timestamp(from)}, ${timestamp(to)}),
                    (1, 'before', ${timestamp(before)}, ${timestamp(from)})),
           kinds (place, kind) as (values (0, 'any'), (1, 'lowered'), (2, 'reset'), (3, 'absent'), (4, 'open')),
           newest as (
             select p.number, s.account_id, max(s.observed_at) as newest_at
               from spans p
               join risk_bi.snapshots s on s.observed_at < p.ends_at
              where ${ofLiving(accountIds)}
              group by p.number, s.account_id),
           episodes as (
             select p.number, e.ended_by as kind, e.duration_seconds as seconds, e.is_baseline is not false as is_left_out
               from spans p
               join risk_bi.high_risk_episodes e on e.ended_at >= p.begins_at and e.ended_at < p.ends_at
              where ${ofLiving(accountIds)}
             union all
             select p.number, 'open', extract(epoch from n.newest_at - e.started_at)::float8, e.is_baseline is not false
               from spans p
               join newest n using (number)
               join risk_bi.high_risk_episodes e on e.account_id = n.account_id and e.started_at < p.ends_at
                                                and (e.ended_at is null or e.ended_at >= p.ends_at))
      select s.period, k.kind as ended_by,
             (count(e.kind) filter (where not e.is_left_out))::int as episode_count,
             percentile_cont(0.5) within group (order by e.seconds) filter (where not e.is_left_out) as median_seconds,
             percentile_cont(0.9) within group (order by e.seconds) filter (where not e.is_left_out) as p90_seconds,
             (count(e.kind) filter (where not e.is_left_out and e.seconds > ${targetMs / 1000}::float8))::int
               as over_target_count,
             (count(e.kind) filter (where e.is_left_out))::int as left_out_count,
             (count(e.kind) filter (where e.is_left_out and e.seconds > ${targetMs / 1000}::float8))::int
               as left_out_over_target_count
        from spans s
        cross join kinds k
        left join episodes e on e.number = s.number and (e.kind = k.kind or k.kind = 'any' and e.kind <> 'open')
       group by s.number, s.period, k.place, k.kind
       order by s.number, k.place`,
  };
}

/** account_id and newest_at: nothing is known after the newest snapshot before that instant. */
export function newestBefore(accountIds: readonly string[] | null, at: Date): SQL {
  return sql`
             select account_id, max(observed_at) as newest_at
               from risk_bi.snapshots
              where observed_at < ${timestamp(at)} and ${ofLiving(accountIds)}
              group by account_id`;
}

export function timestamp(at: Date): SQL {
  return sql`${at.toISOString()}::timestamptz`;
}
