// How fresh and how sure the data of each account is: its newest snapshot, and how the newest run ended.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type NewestSnapshot = {
  account_id: string;
  account_label: string;
  retired_at: string | null;
  /** Null before the first snapshot; so are the columns up to `high`. */
  snapshot_id: number | null;
  observed_at: string | null;
  verdict: string | null;
  /** Estimate of present users whom no pass met. */
  expected_unseen: number | null;
  is_baseline: boolean | null;
  low: number | null;
  medium: number | null;
  high: number | null;
  /** Of the newest run; null before the first. */
  run_status: string | null;
  error_code: string | null;
};

/**
 * Retired accounts are left out, except if one is asked for. Reads tables, not views: by `account_key`, an index leads to
 * the newest row of each account. By the id, thousands of accounts took minutes.
 */
export function newestSnapshots(accountIds: readonly string[] | null): Question<NewestSnapshot> {
  return {
    statement: sql`
      select a.account_id, coalesce(a.label, a.account_id) as account_label, a.retired_at,
             s.snapshot_id::float8 as snapshot_id, s.observed_at, s.verdict,
             s.expected_unseen::float8 as expected_unseen, s.is_baseline, l.low, l.medium, l.high,
             r.status as run_status, r.error_code
        from risk.accounts a
        left join lateral (select * from risk.snapshots s where s.account_key = a.account_key
                            order by s.observed_at desc limit 1) s on true
        left join lateral (select sum(user_count) filter (where max_risk_level = 'low')::int as low,
                                  sum(user_count) filter (where max_risk_level = 'medium')::int as medium,
                                  sum(user_count) filter (where max_risk_level = 'high')::int as high
                             from risk.snapshot_levels b
                            where b.account_key = a.account_key and b.snapshot_id = s.snapshot_id) l on true
        left join lateral (select status, error_code from risk.sync_runs r where r.account_key = a.account_key
                            order by r.finished_at desc limit 1) r on true
       where ${accountIds === null ? sql`a.retired_at is null` : ofAccounts(accountIds, sql`a.account_id`)}
       order by a.added_at, a.account_id`,
  };
}
