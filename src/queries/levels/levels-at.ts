// Users per level at several instants: of each account, the newest snapshot at or before the instant. Retired accounts
// are left out, except if one is asked for.
import { sql } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

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
           newest as (
        select m.number, s.account_id, max(s.observed_at) as observed_at
          from moments m
          join risk_bi.snapshots s on s.observed_at <= m.at
         where ${ofLiving(accountIds)}
         group by m.number, s.account_id)
      select m.moment,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'low'), 0)::int as low,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'medium'), 0)::int as medium,
             coalesce(sum(l.user_count) filter (where l.max_risk_level = 'high'), 0)::int as high,
             count(distinct l.account_id)::int as account_count
        from moments m
        left join newest n using (number)
        left join risk_bi.risk_level_by_snapshot l on l.account_id = n.account_id and l.observed_at = n.observed_at
       group by m.number, m.moment
       order by m.number`,
  };
}
