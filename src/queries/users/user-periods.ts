// One user's periods at each level that touch a span of time, oldest first.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type UserPeriod = {
  account_id: string;
  user_id: string;
  valid_from: string;
  /** Null: it has not ended. */
  valid_to: string | null;
  max_risk_level: string;
  previous_level: string | null;
  change: string;
  end_reason: string | null;
  duration_seconds: number;
  /** It began in the first load, and may really have begun earlier. Null if that snapshot is no longer kept. */
  is_baseline: boolean | null;
};

export function userPeriods(
  accountIds: readonly string[] | null,
  userId: string,
  { from, to }: { from: Date; to: Date },
): Question<UserPeriod> {
  return {
    statement: sql`
      select account_id, user_id, valid_from, valid_to, max_risk_level, previous_level, change, end_reason,
             duration_seconds, is_baseline
        from risk_bi.user_level_history
       where user_id = ${userId}::uuid and ${ofAccounts(accountIds)}
         and valid_from < ${to.toISOString()}::timestamptz
         and (valid_to is null or valid_to > ${from.toISOString()}::timestamptz)
       order by account_id, valid_from`,
  };
}
