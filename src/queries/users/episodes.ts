// Periods at high that touch a span of time, the newest first, in pages.
import { sql, type SQL } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type Episode = {
  account_id: string;
  account_label: string;
  user_id: string;
  started_at: string;
  /** Null: it has not ended. */
  ended_at: string | null;
  change: string;
  from_level: string | null;
  /** lowered, reset or absent. Null while it has not ended. */
  ended_by: string | null;
  /** Null: it began before the activity is whole (risk_bi.retention). */
  peak_event_count: number | null;
  duration_seconds: number;
  is_baseline: boolean | null;
};

export const ENDS = ['open', 'lowered', 'reset', 'absent'] as const;
/** Null: any. */
export type EpisodeFilter = { userId: string | null; end: (typeof ENDS)[number] | null };
export type EpisodeKey = [started_at: string, account_id: string, user_id: string];

export const keyOfEpisode = ({ started_at, account_id, user_id }: Episode): EpisodeKey => [
  started_at,
  account_id,
  user_id,
];

/** Retired accounts are left out, except if they are named. */
export function episodes(
  accountIds: readonly string[] | null,
  { from, to }: { from: Date; to: Date },
  filter: EpisodeFilter,
  after: EpisodeKey | null,
  most: number,
): Question<Episode> {
  return {
    statement: sql`
      select account_id, account_label, user_id, started_at, ended_at, change, from_level, ended_by, peak_event_count,
             duration_seconds, is_baseline
        from risk_bi.high_risk_episodes
       where started_at < ${to.toISOString()}::timestamptz
         and (ended_at is null or ended_at > ${from.toISOString()}::timestamptz)
         and ${accountIds === null ? sql`not is_account_retired` : ofAccounts(accountIds)}${wanted(filter)}${beyond(after)}
       order by started_at desc, account_id collate "C" desc, user_id desc
       limit ${most}::int`,
  };
}

function wanted({ userId, end }: EpisodeFilter): SQL {
  const parts: SQL[] = [];
  if (userId !== null) parts.push(sql` and user_id = ${userId}::uuid`);
  if (end !== null) parts.push(end === 'open' ? sql` and ended_at is null` : sql` and ended_by = ${end}`);
  return sql.join(parts);
}

function beyond(after: EpisodeKey | null): SQL {
  if (after === null) return sql``;
  const [at, account, user] = after;
  return sql`
         and started_at <= ${at}::timestamptz
         and (started_at, account_id collate "C", user_id) < (${at}::timestamptz, ${account}::text, ${user}::uuid)`;
}
