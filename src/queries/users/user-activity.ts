// One user's event counters over a span of time, oldest first: a row for each change, and the one that holds at the
// begin of the span. Reads the tables, because no view has the counters of single users.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type UserActivity = {
  account_id: string;
  user_id: string;
  observed_at: string;
  event_count: number;
  last_event: string;
};

export function userActivity(
  accountIds: readonly string[] | null,
  userId: string,
  { from, to }: { from: Date; to: Date },
): Question<UserActivity> {
  return {
    statement: sql`
      select account_id, user_id, observed_at, event_count, last_event
        from (select a.account_id, u.user_id, c.observed_at, c.event_count, c.last_event,
                     lead(c.observed_at) over (partition by a.account_id order by c.observed_at) as next_at
                from risk.accounts a
                join risk.users u using (account_key)
                join risk.user_activity c using (account_key, user_key)
               where u.user_id = ${userId}::uuid and ${ofAccounts(accountIds, sql`a.account_id`)}) c
       where observed_at < ${to.toISOString()}::timestamptz
         and (next_at is null or next_at > ${from.toISOString()}::timestamptz)
       order by account_id, observed_at`,
  };
}
