// The feed of level changes over accounts, newest first, in pages.
import { sql, type SQL } from 'drizzle-orm';
import type { Change } from '../../user-risk.ts';
import { ofLiving, type Question } from '../question.ts';

export type FedChange = {
  changed_at: string;
  change: Change;
  account_id: string;
  account_label: string;
  user_id: string;
  /** Null: not present. */
  from_level: string | null;
  to_level: string | null;
  snapshot_id: number;
};

/** Null: any. A level may be `none`: not present. */
export type ChangeFilter = { change: Change | null; from_level: string | null; to_level: string | null };
export type ChangeKey = [changed_at: string, account_id: string, user_id: string];

export const keyOfChange = ({ changed_at, account_id, user_id }: FedChange): ChangeKey => [
  changed_at,
  account_id,
  user_id,
];

/** `after`: the last row of the page before. Accounts that were retired later are left out, except if one is named. */
export function changeFeed(
  accountIds: readonly string[] | null,
  span: { from: Date; to: Date },
  filter: ChangeFilter,
  after: ChangeKey | null,
  most: number,
): Question<FedChange> {
  return {
    statement: sql`
      select changed_at, change, account_id, account_label, user_id, from_level, to_level,
             snapshot_id::float8 as snapshot_id
        from risk_bi.level_changes
       where changed_at >= ${span.from.toISOString()}::timestamptz and changed_at < ${span.to.toISOString()}::timestamptz
         and ${ofLiving(accountIds)}${wanted(filter)}${beyond(after)}
       order by changed_at desc, account_id collate "C" desc, user_id desc
       limit ${most}::int`,
  };
}

function wanted({ change, from_level, to_level }: ChangeFilter): SQL {
  const parts: SQL[] = [];
  if (change !== null) parts.push(sql` and change = ${change}`);
  if (from_level !== null) parts.push(sql` and coalesce(from_level, 'none') = ${from_level}`);
  if (to_level !== null) parts.push(sql` and coalesce(to_level, 'none') = ${to_level}`);
  return sql.join(parts);
}

/** The first condition follows from the second one, and lets an index serve the query. */
function beyond(after: ChangeKey | null): SQL {
  if (after === null) return sql``;
  const [at, account, user] = after;
  return sql`
         and changed_at <= ${at}::timestamptz
         and (changed_at, account_id collate "C", user_id) < (${at}::timestamptz, ${account}::text, ${user}::uuid)`;
}
