// What is held of the people of each account, and how their emails and names are kept. Only counts and times.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import {
  accounts as a,
  identityModes as m,
  rejectedRecords as r,
  userIdentities as i,
  users as u,
} from '../../db/schema.ts';
import { anyOf, fieldColumns } from '../../db/sql/user-columns.ts';
import { HASH_PATTERN, type PiiMode } from '../../pii-policy.ts';

export type HeldAccount = {
  account_id: string;
  label: string | null;
  mode: PiiMode;
  /** The id of the key that hashes. Null in other modes. */
  key_id: string | null;
  /** When the mode or the key was changed; otherwise when the account was added. */
  mode_since: Date;
  /** False: a change has begun and is not complete. */
  is_applied: boolean;
  /** Users who were ever met. */
  user_count: number;
  first_seen_at: Date | null;
  /** Versions of email and name: all, those as served, and those as hashes. */
  identity_count: number;
  plain_count: number;
  hashed_count: number;
  rejected_count: number;
  oldest_rejected_at: Date | null;
};

type Row = Omit<HeldAccount, 'mode_since' | 'first_seen_at' | 'oldest_rejected_at'> &
  Record<'mode_since' | 'first_seen_at' | 'oldest_rejected_at', string | null>;

export async function heldAccounts(db: Db): Promise<HeldAccount[]> {
  const hash = sql.raw(`'${HASH_PATTERN}'`);
  const parts = fieldColumns(i, 'identity');
  const isPlain = anyOf(parts, (column) => sql`(${column} <> '' and ${column} !~ ${hash})`);
  const isHashed = anyOf(parts, (column) => sql`${column} ~ ${hash}`);
  const { rows } = await on(db).execute<Row>(sql`
    with held as (select ${u.account_key} as account_key, count(*)::float8 as users, min(${u.first_seen_at}) as since
                    from ${u} group by 1),
         named as (select ${i.account_key} as account_key, count(*)::float8 as identities,
                          count(*) filter (where ${isPlain})::float8 as plain,
                          count(*) filter (where ${isHashed})::float8 as hashed
                     from ${i} group by 1),
         rejected as (select ${r.account_key} as account_key, count(*)::float8 as records, min(${r.first_seen_at}) as since
                        from ${r} group by 1)
    select ${a.account_id}, ${a.label}, coalesce(${m.mode}, 'full') as mode, ${m.key_id},
           coalesce(${m.since}, ${a.added_at}) as mode_since, coalesce(${m.is_applied}, true) as is_applied,
           coalesce(held.users, 0) as user_count, held.since as first_seen_at,
           coalesce(named.identities, 0) as identity_count, coalesce(named.plain, 0) as plain_count,
           coalesce(named.hashed, 0) as hashed_count, coalesce(rejected.records, 0) as rejected_count,
           rejected.since as oldest_rejected_at
      from ${a} left join ${m} on ${m.account_key} = ${a.account_key}
      left join held on held.account_key = ${a.account_key} left join named on named.account_key = ${a.account_key}
      left join rejected on rejected.account_key = ${a.account_key}
     order by ${a.account_key}`);
  const time = (text: string | null) => (text === null ? null : new Date(text));
  return rows.map((row) => ({
    ...row,
    mode_since: new Date(row.mode_since ?? 0),
    first_seen_at: time(row.first_seen_at),
    oldest_rejected_at: time(row.oldest_rejected_at),
  }));
}
