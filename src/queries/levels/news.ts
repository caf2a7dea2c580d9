// Who rose, who was cleared and who returned since an instant, or in a span: the number of users, and the gravest few
// of each kind.
import { sql } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

export type News = {
  change: 'raised' | 'cleared' | 'returned';
  account_id: string;
  user_id: string;
  changed_at: string;
  from_level: string | null;
  to_level: string | null;
  /** For a cleared user: reset or absent. */
  end_reason: string | null;
  /** The number of all changes of this kind. */
  change_count: number;
};

/** Changes of accounts that were retired later are left out. */
export function news(
  accountIds: readonly string[] | null,
  since: Date,
  most: number,
  until: Date | null = null,
): Question<News> {
  const end = until === null ? sql`` : sql` and changed_at < ${until.toISOString()}::timestamptz`;
  return {
    statement: sql`
      with recent as (
        select change, account_id, user_id, changed_at, from_level, to_level,
               count(*) over (partition by change)::int as change_count,
               row_number() over (partition by change
                                  order by coalesce(to_level_rank, from_level_rank) desc, changed_at desc, user_id) as place
          from risk_bi.level_changes
         where changed_at >= ${since.toISOString()}::timestamptz${end} and change in ('raised', 'cleared', 'returned')
           and ${ofLiving(accountIds)}),
           shown as (
        select * from recent where place <= ${most}::int),
           ended as (
        select account_id, user_id, valid_to, end_reason
          from risk_bi.user_level_history
         where (account_id, user_id, valid_to) in (
               select account_id, user_id, changed_at from shown where change = 'cleared'))
      select r.change, r.account_id, r.user_id, r.changed_at, r.from_level, r.to_level, h.end_reason, r.change_count
        from shown r
        left join ended h on r.change = 'cleared' and h.account_id = r.account_id and h.user_id = r.user_id
                         and h.valid_to = r.changed_at
       order by r.change, r.place`,
  };
}
