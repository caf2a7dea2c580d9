// How fresh and how reliable the data of each account is: its newest snapshot, and how the newest run ended.
import { sql } from 'drizzle-orm';
import { ofLivingRows, type Question } from '../question.ts';

export type NewestSnapshot = {
  account_id: string;
  account_label: string;
  retired_at: string | null;
  /** This and the columns up to `high` are null before the first snapshot. */
  snapshot_id: number | null;
  observed_at: string | null;
  verdict: string | null;
  /** Estimate of present users that no pass met. */
  expected_unseen: number | null;
  is_baseline: boolean | null;
  low: number | null;
  medium: number | null;
  high: number | null;
  /** The newest run. Null before the first. */
  run_status: string | null;
  error_code: string | null;
};

/** Retired accounts are left out, except if one is named. */
export function newestSnapshots(accountIds: readonly string[] | null): Question<NewestSnapshot> {
  return {
    statement: sql`
      select a.account_id, coalesce(a.label, a.account_id) as account_label, a.retired_at,
             s.snapshot_id::float8 as snapshot_id, s.observed_at, s.verdict,
             s.expected_unseen::float8 as expected_unseen, s.is_baseline, l.low, l.medium, l.high,
             r.status as run_status, r.error_code
        from risk.accounts a
        left join risk.snapshots s on s.account_key = a.account_key and s.observed_at = (
                  select max(p.observed_at) from risk.snapshots p where p.account_key = a.account_key)
        left join lateral (select l.account_key,
                                  (sum(l.user_count) filter (where l.max_risk_level = 'low'))::int as low,
                                  (sum(l.user_count) filter (where l.max_risk_level = 'medium'))::int as medium,
                                  (sum(l.user_count) filter (where l.max_risk_level = 'high'))::int as high
                             from risk.snapshot_levels l
                            where l.account_key = s.account_key and l.snapshot_id = s.snapshot_id
                            group by l.account_key) l on true
        left join risk.sync_runs r on r.account_key = a.account_key and r.run_id = (
                  select q.run_id from risk.sync_runs q
                   where q.account_key = a.account_key order by q.finished_at desc limit 1)
       where ${ofLivingRows(accountIds)}
       order by a.added_at, a.account_id`,
  };
}
