// One user's event counters over a span of time, oldest first: a row for each change, and the row that holds at the
// begin of the span.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type UserActivity = {
  account_id: string;
  user_id: string;
  observed_at: string;
  event_count: number;
  last_event: string;
};

export function activityOfUser(
  accountIds: readonly string[] | null,
  userId: string,
  { from, to }: { from: Date; to: Date },
): Question<UserActivity> {
  return {
    statement: sql`
      select account_id, user_id, observed_at, event_count, last_event
        from (select account_id, user_id, observed_at, event_count, last_event,
                     lead(observed_at) over (partition by account_id order by observed_at) as next_at
                from risk_bi.user_activity
               where user_id = ${userId}::uuid and ${ofAccounts(accountIds)}) c
       where observed_at < ${to.toISOString()}::timestamptz
         and (next_at is null or next_at > ${from.toISOString()}::timestamptz)
       order by account_id, observed_at`,
  };
}
