// The users who have been at high for longest, without a break.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type LongAtHigh = { account_id: string; user_id: string; level_since: string; event_count: number };

/** Users of retired accounts are left out. */
export function longestAtHigh(accountIds: readonly string[] | null, most: number): Question<LongAtHigh> {
  return {
    statement: sql`
      select account_id, user_id, level_since, event_count
        from risk_bi.users
       where max_risk_level = 'high' and not is_account_retired and ${ofAccounts(accountIds)}
       order by level_since, user_id
       limit ${most}::int`,
  };
}
