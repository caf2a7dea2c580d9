// Ids of the users with a text in their current email or name. The text stays in this process: only keys and ids are
// sent to the database.
import { isNull, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { userIdentities as i, users as u } from '../../db/schema.ts';
import { matchIdentities } from './match-identities.ts';
import type { PersonSearch } from './person-search.ts';

/** At most `most` ids, and how many users match. Needs the grant on user_identities. */
export async function searchIdentities(
  db: Db,
  search: PersonSearch,
  accountKeys: readonly number[],
  most: number,
): Promise<{ ids: string[]; count: number }> {
  const keys = await matchIdentities(db, { accountKeys, versions: isNull(i.valid_to) }, (one) =>
    search.isIn(one),
  );
  const first = keys.slice(0, most);
  if (first.length === 0) return { ids: [], count: 0 };
  const accountsOf = first.map((one) => one.account_key);
  const usersOf = first.map((one) => one.user_key);
  const { rows } = await on(db).execute<{ user_id: string }>(sql`
    select distinct ${u.user_id} from ${u}
     where (${u.account_key}, ${u.user_key}) in (
       select * from unnest(${sql.param(accountsOf)}::integer[], ${sql.param(usersOf)}::integer[]))
     order by 1`);
  return { ids: rows.map(({ user_id }) => user_id), count: keys.length };
}
