// Spans in which a snapshot was due and none was written: the distance to the next one is more than one and a half of
// the account's usual distance. The usual distance is the median over the span and the month before it. Two runs by
// hand make no usual distance: it takes three distances. A snapshot is never due within a minute.
import { sql } from 'drizzle-orm';
import { ofAccounts, type Question } from '../question.ts';

export type SnapshotGap = {
  account_id: string;
  account_label: string;
  /** When the next snapshot was due. */
  due_at: string;
  /** When it was written. Null: not yet. */
  ended_at: string | null;
};

/** The 200 longest, in the order of time. */
export function snapshotGaps(
  accountIds: readonly string[] | null,
  { from, to }: { from: Date; to: Date },
): Question<SnapshotGap> {
  const [begin, end] = [sql`${from.toISOString()}::timestamptz`, sql`${to.toISOString()}::timestamptz`];
  return {
    statement: sql`
      with pairs as (
        select account_id, account_label, observed_at,
               lead(observed_at) over (partition by account_id order by observed_at) as next_at
          from risk_bi.snapshots
          join risk_bi.accounts using (account_id, account_label)
         where observed_at >= ${begin} - interval '31 days' and observed_at < ${end}
           and ${accountIds === null ? sql`not is_retired` : ofAccounts(accountIds)}),
           usual as (
        select account_id, greatest(percentile_disc(0.5) within group (order by next_at - observed_at), interval '1 minute') as usual
          from pairs where next_at is not null group by account_id having count(*) >= 3),
           longest as (
        select account_id, account_label, observed_at + usual as due_at, next_at as ended_at
          from pairs join usual using (account_id)
         where coalesce(next_at, ${end}) - observed_at > 1.5 * usual and coalesce(next_at, ${end}) > ${begin}
         order by coalesce(next_at, ${end}) - observed_at desc
         limit 200)
      select account_id, account_label, due_at, ended_at from longest order by due_at, account_id`,
  };
}
