// Users with a given id or email, over all accounts: their current state, without email and name.
import { and, asc, eq, exists, isNull, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { accounts, userIdentities, users } from '../../db/schema.ts';

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
};

/**
 * At most ten users. An email is compared with current emails, and only when none matches with past ones. That needs
 * the grant on user_identities.
 */
export async function findUsers(
  pool: Pool,
  by: { userId: string } | { email: string },
  accountId?: string,
): Promise<FoundUser[]> {
  if ('userId' in by) return read(pool, eq(users.user_id, by.userId), accountId);
  const i = userIdentities;
  const bears = (...more: SQL[]) =>
    exists(
      drizzle(pool)
        .select({ one: sql`1` })
        .from(i)
        .where(
          and(
            eq(i.account_key, users.account_key),
            eq(i.user_key, users.user_key),
            sql`lower(${i.email}) = lower(${by.email})`,
            ...more,
          ),
        ),
    );
  const now = await read(pool, bears(isNull(i.valid_to)), accountId);
  return now.length > 0 ? now : read(pool, bears(), accountId);
}

async function read(pool: Pool, condition: SQL, accountId?: string): Promise<FoundUser[]> {
  return drizzle(pool)
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
    })
    .from(users)
    .innerJoin(accounts, eq(accounts.account_key, users.account_key))
    .where(and(condition, accountId === undefined ? undefined : eq(accounts.account_id, accountId)))
    .orderBy(asc(users.account_key), asc(users.user_key))
    .limit(10);
}
