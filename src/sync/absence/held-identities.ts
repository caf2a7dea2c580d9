// Email and name as the history holds them, for the few users who are looked up. They tell whether a record belongs to
// the right person. They stay in memory for one round of lookups, and are never a parameter of a statement.
import { drizzle } from 'drizzle-orm/node-postgres';
import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { identityModes, userIdentities } from '../../db/schema.ts';
import type { PiiPolicy } from '../../pii-policy.ts';
import type { Lease } from '../claim/lease.ts';
import type { HeldIdentity } from './absence.ts';
import { brokenIdentities } from '../state/state-errors.ts';
import type { MissingUser } from './missing-users.ts';

/** By row of the user table. Throws STATE_BROKEN if a user has no current identity. */
export async function readIdentities(
  pool: Pool,
  lease: Lease,
  users: readonly MissingUser[],
  pii: Pick<PiiPolicy, 'canCompare'>,
): Promise<ReadonlyMap<number, HeldIdentity>> {
  const [i, m] = [userIdentities, identityModes];
  const isOlder = sql<boolean>`coalesce(${i.valid_from} < (select ${m.since} from ${m} where ${m.account_key} = ${lease.accountKey}), false)`;
  const keys = users.map(({ userKey }) => userKey);
  const rows = await readAgain(() =>
    drizzle(pool)
      .select({ userKey: i.user_key, email: i.email, name: i.name, isOlder })
      .from(i)
      .where(
        and(
          eq(i.account_key, lease.accountKey),
          sql`${i.user_key} = any (${sql.param(keys)}::integer[])`,
          isNull(i.valid_to),
        ),
      ),
  );
  const byKey = new Map(
    rows.map(({ userKey, email, name, isOlder: older }) => [
      userKey,
      { email, name, isUnknown: !pii.canCompare({ email, name }, older) },
    ]),
  );
  if (byKey.size < users.length) throw brokenIdentities(lease, users.length - byKey.size);
  return new Map(users.map(({ row, userKey }) => [row, byKey.get(userKey) as HeldIdentity]));
}
