// The longest periods at high that touch a span. Each is measured to its end, or to the newest snapshot of the span if
// it lasts longer.
import { sql } from 'drizzle-orm';
import type { Question } from '../question.ts';
import { timestamp, newestBefore, type ResponseSpan } from './response-times.ts';

export type LongEpisode = {
  account_id: string;
  account_label: string;
  user_id: string;
  started_at: string;
  /** Null: it had not ended at the end of the span. */
  ended_at: string | null;
  ended_by: string | null;
  duration_seconds: number;
  /** Null: it began before the activity is whole (risk_bi.retention). */
  peak_event_count: number | null;
  /** True: it began in a first load, and may have begun earlier. Null: this is no longer known. */
  is_baseline: boolean | null;
};

export function longestEpisodes(
  accountIds: readonly string[] | null,
  { from, to }: Pick<ResponseSpan, 'from' | 'to'>,
  most: number,
): Question<LongEpisode> {
  return {
    statement: sql`
      with newest as (${newestBefore(accountIds, to)})
      select e.account_id, e.account_label, e.user_id, e.started_at,
             case when e.ended_at < ${timestamp(to)} then e.ended_at end as ended_at,
             case when e.ended_at < ${timestamp(to)} then e.ended_by end as ended_by,
             case when e.ended_at < ${timestamp(to)} then e.duration_seconds
                  else extract(epoch from n.newest_at - e.started_at)::float8 end as duration_seconds,
             e.peak_event_count, e.is_baseline
        from newest n
        join risk_bi.high_risk_episodes e using (account_id)
       where e.started_at < ${timestamp(to)} and (e.ended_at is null or e.ended_at > ${timestamp(from)})
       order by duration_seconds desc, e.started_at, e.user_id
       limit ${most}::int`,
  };
}
