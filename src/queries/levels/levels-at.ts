// Users per level at several instants: for each account, from the newest snapshot at or before the instant. Retired
// accounts are left out, except if one is named.
import { sql } from 'drizzle-orm';
import { ofLivingRows, type Question } from '../question.ts';

export type LevelsAt = {
  /** As given. */
  moment: string;
  low: number;
  medium: number;
  high: number;
  /** Accounts that had a snapshot by then. */
  account_count: number;
};

/** One row per moment, in the given order. Before the first snapshot, all counts are 0. */
export function levelsAt(
  accountIds: readonly string[] | null,
  moments: readonly (readonly [name: string, at: Date])[],
): Question<LevelsAt> {
  const values = moments.map(
    ([name, at], index) => sql`(${index}::int, ${name}::text, ${at.toISOString()}::timestamptz)`,
  );
  return {
    statement: sql`
      with moments (number, moment, at) as (values ${sql.join(values, sql`, `)}),
           levels as (
        select m.number, a.account_id, l.max_risk_level, l.user_count
          from moments m
         cross join risk.accounts a
          join risk.snapshots s on s.account_key = a.account_key and s.observed_at = (
               select max(p.observed_at) from risk.snapshots p
                where p.account_key = a.account_key and p.observed_at <= m.at)
          join risk.snapshot_levels l on l.account_key = s.account_key and l.snapshot_id = s.snapshot_id
         where ${ofLivingRows(accountIds)})
      select m.moment,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'low'), 0)::int as low,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'medium'), 0)::int as medium,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'high'), 0)::int as high,
             count(distinct l.account_id)::int as account_count
        from moments m
        left join levels l using (number)
       group by m.number, m.moment
       order by m.number`,
  };
}
