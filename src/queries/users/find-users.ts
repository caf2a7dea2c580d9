// Users with a given email, or with an id in a range, over all accounts: their current state, without email and name.
import { and, asc, between, eq, inArray, isNull, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, userIdentities, users } from '../../db/schema.ts';
import { matchIdentities } from './match-identities.ts';
import type { PersonSearch } from './person-search.ts';

export type FoundUser = {
  account_id: string;
  label: string | null;
  account_key: number;
  user_key: number;
  user_id: string;
  max_risk_level: string | null;
  level_since: string | null;
  event_count: number;
  /** To the microsecond, ISO 8601. */
  last_event: string;
  first_seen_at: string;
  identity_since: string;
  absent_since: string | null;
  cleared_at: string | null;
  /** Set if the person was erased: the id is then a random one. */
  erased_at: string | null;
};

/** A longer list is of no use. */
export const MOST_FOUND = 100;

/**
 * At most MOST_FOUND users. An email is compared with current emails, and with past ones only if no current one
 * matches. That needs the grant on user_identities.
 */
export async function findUsers(
  db: Db,
  by: { idRange: readonly [string, string] } | { email: PersonSearch },
  accountKeys?: readonly number[],
): Promise<FoundUser[]> {
  if ('idRange' in by) return read(db, between(users.user_id, ...by.idRange), accountKeys);
  const bearers = async (versions: SQL) =>
    matchIdentities(db, { accountKeys, versions }, (one) => by.email.isEmailOf(one));
  const now = await bearers(isNull(userIdentities.valid_to));
  const found = now.length > 0 ? now : await bearers(sql`true`);
  if (found.length === 0) return [];
  const [accountsOf, keys] = [found.map((one) => one.account_key), found.map((one) => one.user_key)];
  const named = sql`(${users.account_key}, ${users.user_key}) in (
    select * from unnest(${sql.param(accountsOf)}::integer[], ${sql.param(keys)}::integer[]))`;
  return read(db, named, accountKeys);
}

async function read(db: Db, condition: SQL, accountKeys?: readonly number[]): Promise<FoundUser[]> {
  return on(db)
    .select({
      account_id: accounts.account_id,
      label: accounts.label,
      account_key: users.account_key,
      user_key: users.user_key,
      user_id: users.user_id,
      max_risk_level: users.max_risk_level,
      level_since: users.level_since,
      event_count: users.event_count,
      last_event: sql<string>`to_char(${users.last_event} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
      first_seen_at: users.first_seen_at,
      identity_since: users.identity_since,
      absent_since: users.absent_since,
      cleared_at: users.cleared_at,
      erased_at: users.erased_at,
    })
    .from(users)
    .innerJoin(accounts, eq(accounts.account_key, users.account_key))
    .where(
      and(condition, accountKeys === undefined ? undefined : inArray(users.account_key, [...accountKeys])),
    )
    .orderBy(asc(users.account_key), asc(users.user_key))
    .limit(MOST_FOUND);
}
