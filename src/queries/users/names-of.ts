// The current emails and names of users. Needs the grant on user_identities. Only ids are sent to the database.
import { sql } from 'drizzle-orm';
import { identityList } from '../../db/sql/user-columns.ts';
import { mapIdentity, type Identity } from '../../user-risk.ts';
import { on, type Db } from '../../db/handle.ts';

type User = { account_id: string; user_id: string };

/** By account and user: see `nameKey`. */
export async function namesOf(db: Db, users: readonly User[]): Promise<ReadonlyMap<string, Identity>> {
  if (users.length === 0) return new Map();
  const accountIds = users.map(({ account_id }) => account_id);
  const userIds = users.map(({ user_id }) => user_id);
  // A file of users asks for 20,000 of them. With a list of pairs, each row would be compared with all of them.
  const { rows } = await on(db).execute<User & Identity>(sql`
    select account_id, user_id, ${identityList('i')} from risk_bi.user_identities i
     where is_current and (account_id, user_id) in (
       select * from unnest(${sql.param(accountIds)}::text[], ${sql.param(userIds)}::uuid[]))`);
  return new Map(rows.map((row) => [nameKey(row), mapIdentity((field) => row[field])]));
}

export function nameKey({ account_id, user_id }: User): string {
  return `${account_id} ${user_id}`;
}
