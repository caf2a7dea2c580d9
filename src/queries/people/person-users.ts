// The users of one person in every account, found by id or by email. Neither is sent to the database: a statement may
// appear in the server's log, and people use this before they erase a person.
import { and, asc, eq, inArray, isNull, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts as a, userIdentities as i, users as u } from '../../db/schema.ts';
import { matchIdentities } from '../users/match-identities.ts';
import type { PersonSearch } from '../users/person-search.ts';

export type PersonUser = {
  account_key: number;
  account_id: string;
  label: string | null;
  user_key: number;
  user_id: string;
  max_risk_level: string | null;
  event_count: number;
  /** Times are ISO 8601, to the microsecond. */
  last_event: string;
  level_since: string | null;
  first_seen_at: string;
  absent_since: string | null;
  cleared_at: string | null;
  erased_at: string | null;
  /** Versions of email and name. */
  identity_count: number;
};

/** ISO 8601, to the microsecond. */
export function exactTime(column: { getSQL(): SQL }): SQL<string> {
  return sql<string>`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

export function exactTimeOrNull(column: { getSQL(): SQL }): SQL<string | null> {
  return exactTime(column);
}

const COLUMNS = {
  account_key: a.account_key,
  account_id: a.account_id,
  label: a.label,
  user_key: u.user_key,
  user_id: u.user_id,
  max_risk_level: u.max_risk_level,
  event_count: u.event_count,
  last_event: exactTime(u.last_event),
  level_since: exactTimeOrNull(u.level_since),
  first_seen_at: exactTime(u.first_seen_at),
  absent_since: exactTimeOrNull(u.absent_since),
  cleared_at: exactTimeOrNull(u.cleared_at),
  erased_at: exactTimeOrNull(u.erased_at),
  identity_count: sql<number>`(select count(*)::integer from ${i}
    where ${i.account_key} = ${u.account_key} and ${i.user_key} = ${u.user_key})`,
};

/** In the order in which the accounts were added. Only the first four digits of an id are sent. */
export async function personUsers(db: Db, userIds: readonly string[]): Promise<PersonUser[]> {
  const keys = await on(db).select({ key: a.account_key }).from(a);
  const found: PersonUser[] = [];
  for (const userId of userIds) {
    const fill = (digit: string) => userId.slice(0, 4) + userId.slice(4).replace(/[^-]/g, digit);
    // Lists the accounts, because the index of ids begins with the account.
    const rows = await on(db)
      .select(COLUMNS)
      .from(u)
      .innerJoin(a, eq(a.account_key, u.account_key))
      .where(
        and(
          inArray(
            u.account_key,
            keys.map(({ key }) => key),
          ),
          sql`${u.user_id} between ${fill('0')}::uuid and ${fill('f')}::uuid`,
        ),
      )
      .orderBy(asc(u.account_key), asc(u.user_key));
    found.push(...rows.filter((row) => row.user_id === userId));
  }
  return found;
}

/**
 * The ids of the users with this email, ignoring case. As in `history`: current emails count, and past ones only if no
 * current one matches.
 */
export async function idsOfEmail(db: Db, email: PersonSearch): Promise<string[]> {
  const bearers = (versions: SQL) => matchIdentities(db, { versions }, (one) => email.isEmailOf(one));
  const now = await bearers(isNull(i.valid_to));
  const keys = now.length > 0 ? now : await bearers(sql`true`);
  const ids = new Set<string>();
  for (const { account_key, user_key } of keys) {
    const [row] = await on(db)
      .select({ id: u.user_id })
      .from(u)
      .where(and(eq(u.account_key, account_key), eq(u.user_key, user_key)));
    if (row !== undefined) ids.add(row.id);
  }
  return [...ids];
}
