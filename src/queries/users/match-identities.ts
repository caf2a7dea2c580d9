// Users with a matching email or name. They are compared in this process and not in the database: the search text would
// be a parameter, and the server may log parameters.
import { and, asc, inArray, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { userIdentities as i } from '../../db/schema.ts';
import type { EmailAndName } from '../../pii-policy.ts';

export type UserKey = { account_key: number; user_key: number };
export type Fits = (identity: EmailAndName) => boolean;

// Users per statement: about half a megabyte.
const AT_ONCE = 5_000;

/** Reads the identities that meet `versions`, of all users or of these accounts, in portions. */
export async function matchIdentities(
  db: Db,
  { accountKeys, versions }: { accountKeys?: readonly number[] | undefined; versions: SQL },
  fits: Fits,
): Promise<UserKey[]> {
  const found: UserKey[] = [];
  let last: UserKey = { account_key: 0, user_key: 0 };
  for (;;) {
    const rows = await on(db)
      .select({
        account_key: i.account_key,
        user_key: i.user_key,
        emails: sql<(string | null)[]>`array_agg(${i.email})`,
        names: sql<(string | null)[]>`array_agg(${i.name})`,
      })
      .from(i)
      .where(
        and(
          versions,
          accountKeys === undefined ? undefined : inArray(i.account_key, [...accountKeys]),
          sql`(${i.account_key}, ${i.user_key}) > (${last.account_key}::integer, ${last.user_key}::integer)`,
        ),
      )
      .groupBy(i.account_key, i.user_key)
      .orderBy(asc(i.account_key), asc(i.user_key))
      .limit(AT_ONCE);
    for (const { account_key, user_key, emails, names } of rows)
      if (emails.some((email, n) => fits({ email, name: names[n] ?? null })))
        found.push({ account_key, user_key });
    const end = rows.at(-1);
    if (end === undefined || rows.length < AT_ONCE) return found;
    last = end;
  }
}

/** Ignores case in every alphabet. */
export function fold(text: string): string {
  return text.toLowerCase();
}
