// The present users that the walk has not met, in the order in which they are asked about.
import { and, desc, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { lookups, snapshots, users } from '../../db/schema.ts';
import type { Lease } from '../claim/lease.ts';
import { stateMoved } from '../state/state-errors.ts';
import type { UserTable } from '../state/user-table.ts';

export type MissingUser = {
  /** Of the user table. */
  row: number;
  userKey: number;
  /** Complete walks before this one that lacked the user without one that met them; counted up to `UP_TO`. */
  completeWalks: number;
  /** Whether the newest complete walk lacked the user, and their own record has not said since that they are there. */
  absentTwice: boolean;
};

const UP_TO = 9;
const AT_ONCE = 5_000;

/** Rows of present users that no record spoke of. */
export function missingRows(table: UserTable): number[] {
  const rows: number[] = [];
  for (let row = 0; row < table.size(); row++)
    if (table.level(row) !== 0 && !table.wasMet(row)) rows.push(row);
  return rows;
}

/**
 * First those who have not been asked since they became absent, longest absent first; then the others, the one asked longest
 * ago first: records that insist on a level for ever must not use up the budget of those after them.
 */
export async function readMissing(
  pool: Pool,
  lease: Lease,
  table: UserTable,
  rows: readonly number[],
): Promise<MissingUser[]> {
  const [u, l, s] = [users, lookups, snapshots];
  const micros = (column: { getSQL(): ReturnType<typeof sql> }) =>
    sql<number | null>`(extract(epoch from ${column}) * 1000000)::float8`;
  const complete = await readAgain(() =>
    drizzle(pool)
      .select({ at: micros(s.observed_at), text: sql<string>`${s.observed_at}::text` })
      .from(s)
      .where(and(eq(s.account_key, lease.accountKey), eq(s.verdict, 'complete')))
      .orderBy(desc(s.observed_at))
      .limit(UP_TO),
  );
  const newest = complete[0]?.text ?? null;
  const found: (MissingUser & { askedAt: number; absentSince: number })[] = [];
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const byKey = new Map(rows.slice(from, from + AT_ONCE).map((row) => [table.key(row), row]));
    // Keys are named one by one: a join with what was met would be a nested loop where statistics are missing.
    const asked = await readAgain(() =>
      drizzle(pool)
        .select({
          userKey: u.user_key,
          absentSince: micros(u.absent_since),
          askedAt: micros(l.asked_at),
          absentTwice: sql<boolean>`coalesce(${u.absent_since} <= ${newest}::timestamptz and not coalesce(${l.level_at} >= ${newest}::timestamptz, false), false)`,
        })
        .from(u)
        .leftJoin(l, and(eq(l.account_key, lease.accountKey), eq(l.user_key, u.user_key)))
        .where(
          and(
            eq(u.account_key, lease.accountKey),
            sql`${u.user_key} = any (${sql.param([...byKey.keys()])}::integer[])`,
            sql`${u.max_risk_level} is not null`,
          ),
        ),
    );
    if (asked.length !== byKey.size) throw stateMoved(lease, 'while the pages were read');
    for (const { userKey, absentSince, askedAt, absentTwice } of asked) {
      const since = absentSince ?? Number.POSITIVE_INFINITY;
      found.push({
        row: byKey.get(userKey) as number,
        userKey,
        absentTwice,
        completeWalks: complete.filter(({ at }) => (at as number) >= since).length,
        absentSince: since,
        // An answer from before this absence is none.
        askedAt: askedAt !== null && askedAt >= since ? askedAt : Number.NEGATIVE_INFINITY,
      });
    }
  }
  return found.sort(
    (a, b) => compare(a.askedAt, b.askedAt) || compare(a.absentSince, b.absentSince) || a.userKey - b.userKey,
  );
}

/** Also of infinities, whose difference is no number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
