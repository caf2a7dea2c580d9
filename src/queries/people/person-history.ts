// Everything that the history holds of one user, oldest first. Times are ISO 8601, to the microsecond.
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { lookups as k, userActivity as c, userIdentities as i, userLevels as l } from '../../db/schema.ts';
import { fieldsFrom } from '../../db/sql/user-columns.ts';
import { exactTime, exactTimeOrNull } from './person-users.ts';

type User = { account_key: number; user_key: number };

export function personIdentities(db: Db, user: User) {
  return on(db)
    .select({
      valid_from: exactTime(i.valid_from),
      valid_to: exactTimeOrNull(i.valid_to),
      ...fieldsFrom(i, 'identity'),
    })
    .from(i)
    .where(and(eq(i.account_key, user.account_key), eq(i.user_key, user.user_key)))
    .orderBy(asc(i.valid_from));
}

export function personLevels(db: Db, user: User) {
  return on(db)
    .select({
      valid_from: exactTime(l.valid_from),
      valid_to: exactTimeOrNull(l.valid_to),
      max_risk_level: l.max_risk_level,
      previous_level: l.previous_level,
      change: l.change,
      end_reason: l.end_reason,
      absent_since: exactTimeOrNull(l.absent_since),
      last_reset_time: exactTimeOrNull(l.last_reset_time),
    })
    .from(l)
    .where(and(eq(l.account_key, user.account_key), eq(l.user_key, user.user_key)))
    .orderBy(asc(l.valid_from));
}

export type PersonActivity = { observed_at: string; event_count: number; last_event: string };

// Ten years of hourly changes are 87,600 rows.
const BATCH = 5_000;

export async function* personActivity(db: Db, user: User): AsyncGenerator<PersonActivity> {
  let after = '-infinity';
  for (;;) {
    const rows = await on(db)
      .select({
        observed_at: exactTime(c.observed_at),
        event_count: c.event_count,
        last_event: exactTime(c.last_event),
      })
      .from(c)
      .where(
        and(
          eq(c.account_key, user.account_key),
          eq(c.user_key, user.user_key),
          gt(c.observed_at, sql`${after}::timestamptz`),
        ),
      )
      .orderBy(asc(c.observed_at))
      .limit(BATCH);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = last.observed_at;
  }
}

/** What the user's own record said at the last lookup. */
export async function personLookup(db: Db, user: User) {
  const [row] = await on(db)
    .select({
      asked_at: exactTime(k.asked_at),
      outcome: k.outcome,
      run_id: k.run_id,
      level_at: exactTimeOrNull(k.level_at),
    })
    .from(k)
    .where(and(eq(k.account_key, user.account_key), eq(k.user_key, user.user_key)));
  return row ?? null;
}
