// The present users that the walk has not met, in the order in which they are looked up.
import { and, desc, eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Erased, Erasure } from '../../db/erased/read-erased.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { lookups, snapshots, users } from '../../db/schema.ts';
import type { Lease } from '../claim/lease.ts';
import { stateMoved } from '../state/state-errors.ts';
import type { UserTable } from '../state/user-table.ts';

export type MissingUser = {
  /** The row in the user table. */
  row: number;
  userKey: number;
  /** Complete walks before this one that did not meet the user, since the user became absent; at most `UP_TO`. */
  completeWalks: number;
  /** Whether the newest complete walk did not meet the user, and the user's record has shown no level since. */
  absentTwice: boolean;
  /** Set for the user of an erased person. We cannot look them up. */
  erasure?: Erasure;
};

const UP_TO = 9;
const AT_ONCE = 5_000;

/** Rows of present users who had no record. */
export function missingRows(table: UserTable): number[] {
  const rows: number[] = [];
  for (let row = 0; row < table.size(); row++)
    if (table.level(row) !== 0 && !table.wasMet(row)) rows.push(row);
  return rows;
}

/**
 * Users who have not been asked since they became absent are first, longest absent first. Then the others follow, the
 * one asked longest ago first. So records that always show a level cannot use up the budget of the users after them.
 */
export async function readMissing(
  pool: Pool,
  lease: Lease,
  table: UserTable,
  rows: readonly number[],
  erased: Pick<Erased, 'erasureOf'>,
): Promise<MissingUser[]> {
  const complete = await completeWalks(pool, lease);
  const found: Ordered[] = [];
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const byKey = new Map(rows.slice(from, from + AT_ONCE).map((row) => [table.key(row), row]));
    const absences = await readAbsences(pool, lease, [...byKey.keys()], complete[0]?.text ?? null);
    if (absences.length !== byKey.size) throw stateMoved(lease, 'while the pages were read');
    for (const absence of absences) {
      const row = byKey.get(absence.userKey) as number;
      const erasure = erased.erasureOf(table.userId(row));
      found.push({ ...describe(row, absence, complete), ...(erasure === null ? {} : { erasure }) });
    }
  }
  return found.sort(
    (a, b) => compare(a.askedAt, b.askedAt) || compare(a.absentSince, b.absentSince) || a.userKey - b.userKey,
  );
}

/** Times in microseconds since 1970; infinite if there is none. */
type Ordered = MissingUser & { askedAt: number; absentSince: number };
type CompleteWalk = { at: number | null; text: string };

const micros = (column: { getSQL(): SQL }) =>
  sql<number | null>`(extract(epoch from ${column}) * 1000000)::float8`;

/** The newest complete walks. */
function completeWalks(pool: Pool, { accountKey }: Lease): Promise<CompleteWalk[]> {
  const s = snapshots;
  return readAgain(() =>
    drizzle(pool)
      .select({ at: micros(s.observed_at), text: sql<string>`${s.observed_at}::text` })
      .from(s)
      .where(and(eq(s.account_key, accountKey), eq(s.verdict, 'complete')))
      .orderBy(desc(s.observed_at))
      .limit(UP_TO),
  );
}

type Absence = {
  userKey: number;
  absentSince: number | null;
  askedAt: number | null;
  absentTwice: boolean;
};

/**
 * `newest`: when the newest complete walk was observed. The query lists the keys. A join with the met users would
 * become a nested loop if statistics are missing.
 */
function readAbsences(
  pool: Pool,
  { accountKey }: Lease,
  keys: readonly number[],
  newest: string | null,
): Promise<Absence[]> {
  const [u, l] = [users, lookups];
  return readAgain(() =>
    drizzle(pool)
      .select({
        userKey: u.user_key,
        absentSince: micros(u.absent_since),
        askedAt: micros(l.asked_at),
        absentTwice: sql<boolean>`coalesce(${u.absent_since} <= ${newest}::timestamptz and not coalesce(${l.level_at} >= ${newest}::timestamptz, false), false)`,
      })
      .from(u)
      .leftJoin(l, and(eq(l.account_key, accountKey), eq(l.user_key, u.user_key)))
      .where(
        and(
          eq(u.account_key, accountKey),
          sql`${u.user_key} = any (${sql.param([...keys])}::integer[])`,
          sql`${u.max_risk_level} is not null`,
        ),
      ),
  );
}

function describe(
  row: number,
  { userKey, absentSince, askedAt, absentTwice }: Absence,
  complete: readonly CompleteWalk[],
): Ordered {
  const since = absentSince ?? Number.POSITIVE_INFINITY;
  return {
    row,
    userKey,
    absentTwice,
    completeWalks: complete.filter(({ at }) => (at as number) >= since).length,
    absentSince: since,
    // Ignore an answer from before this absence.
    askedAt: askedAt !== null && askedAt >= since ? askedAt : Number.NEGATIVE_INFINITY,
  };
}

/** Also compares infinities: their difference is NaN. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
