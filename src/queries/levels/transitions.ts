// The number of changes in a span of time, from each level to each other level.
import { sql } from 'drizzle-orm';
import type { Change } from '../../user-risk.ts';
import { ofLiving, type Question } from '../question.ts';

export type Transition = {
  change: Change;
  /** low, medium, high, or none: not present. */
  from_level: string;
  to_level: string;
  change_count: number;
};

/** One row for each kind of change that occurred, the gravest first. */
export function transitions(
  accountIds: readonly string[] | null,
  { from, to }: { from: Date; to: Date },
): Question<Transition> {
  return {
    statement: sql`
      select change, coalesce(from_level, 'none') as from_level, coalesce(to_level, 'none') as to_level,
             count(*)::int as change_count
        from risk_bi.level_changes
       where changed_at >= ${from.toISOString()}::timestamptz and changed_at < ${to.toISOString()}::timestamptz
         and ${ofLiving(accountIds)}
       group by change, from_level, from_level_rank, to_level, to_level_rank
       order by to_level_rank desc nulls last, from_level_rank desc nulls last, change`,
  };
}
