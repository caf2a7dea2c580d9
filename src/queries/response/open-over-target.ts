// Users who were at high at the end of a span, for longer than the target. Periods of the first load are included: they
// lasted at least as long as is known.
import { sql } from 'drizzle-orm';
import type { Question } from '../question.ts';
import { timestamp, newestBefore, type ResponseSpan } from './response-times.ts';

export type OpenEpisode = {
  account_id: string;
  account_label: string;
  user_id: string;
  started_at: string;
  /** Up to the account's newest snapshot of the span. */
  duration_seconds: number;
  over_seconds: number;
  /** Null: the first snapshot is no longer kept. */
  is_baseline: boolean | null;
};

export type OpenCursor = readonly [startedAt: string, accountId: string, userId: string];

/** The longest first. `after` is the last row that was read. */
export function openOverTarget(
  accountIds: readonly string[] | null,
  { to, targetMs }: Omit<ResponseSpan, 'from'>,
  { after, most }: { after: OpenCursor | null; most: number },
): Question<OpenEpisode> {
  const target = sql`${targetMs / 1000}::float8`;
  const goesOn =
    after === null
      ? sql`true`
      : sql`(e.started_at, e.account_id, e.user_id) > (${after[0]}::timestamptz, ${after[1]}::text, ${after[2]}::uuid)`;
  return {
    statement: sql`
      with newest as (${newestBefore(accountIds, to)})
      select e.account_id, e.account_label, e.user_id, e.started_at, d.seconds as duration_seconds,
             d.seconds - ${target} as over_seconds, e.is_baseline
        from newest n
        join risk_bi.high_risk_episodes e using (account_id)
       cross join lateral (select extract(epoch from n.newest_at - e.started_at)::float8 as seconds) d
       where e.started_at < ${timestamp(to)} and (e.ended_at is null or e.ended_at >= ${timestamp(to)})
         and d.seconds > ${target} and ${goesOn}
       order by e.started_at, e.account_id, e.user_id
       limit ${most}::int`,
  };
}
