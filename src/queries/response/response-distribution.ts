// How many periods at high ended after which time, in growing steps: an hour matters in the first day, but not in the
// second month.
import { sql } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';
import { timestamp, type ResponseSpan } from './response-times.ts';

export type DurationStep = {
  /** From this length up to, but not including, the next one. */
  at_least_seconds: number;
  /** Null: without an end. */
  below_seconds: number | null;
  lowered: number;
  reset: number;
  absent: number;
};

const HOUR = 3_600;
const DAY = 24 * HOUR;
const STEPS = [0, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY]
  .concat([2, 4, 7, 14, 28, 56].map((days) => days * DAY))
  .map((seconds) => sql.raw(String(seconds)));

/** Every step has a row. Periods of the first load are left out: they may have begun earlier. */
export function responseDistribution(
  accountIds: readonly string[] | null,
  { from, to }: Pick<ResponseSpan, 'from' | 'to'>,
): Question<DurationStep> {
  return {
    statement: sql`
      with steps as (
             select at_least::float8 as at_least, (lead(at_least) over (order by at_least))::float8 as below
               from (values (${sql.join(STEPS, sql`), (`)})) v (at_least))
      select s.at_least as at_least_seconds, s.below as below_seconds,
             (count(*) filter (where e.ended_by = 'lowered'))::int as lowered,
             (count(*) filter (where e.ended_by = 'reset'))::int as reset,
             (count(*) filter (where e.ended_by = 'absent'))::int as absent
        from steps s
        left join (select ended_by, duration_seconds from risk_bi.high_risk_episodes
                    where ended_at >= ${timestamp(from)} and ended_at < ${timestamp(to)}
                      and is_baseline is false and ${ofLiving(accountIds)}) e
          on e.duration_seconds >= s.at_least and (s.below is null or e.duration_seconds < s.below)
       group by s.at_least, s.below
       order by s.at_least`,
  };
}
