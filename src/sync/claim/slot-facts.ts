// What the database knows of an account and a slot of the schedule: all that replicas need to agree on who does what.
import { eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { accounts, syncRuns } from '../../db/schema.ts';

export type SlotFacts = {
  /** A run for this very slot has succeeded. */
  isDone: boolean;
  /** Runs for this slot that ended otherwise. */
  attempts: number;
  /** Milliseconds since the newest of them ended; null when there is none. */
  sinceAttemptMs: number | null;
  /** Milliseconds since the slot of the newest success, or since it began where no slot had triggered it; null: never. */
  sinceSuccessMs: number | null;
};

/** Throws an OperatorError when the database does not answer. By its clock throughout. `slot` null: no slot is known, only the success is. */
export async function slotFacts(pool: Pool, accountId: string, slot: Date | null): Promise<SlotFacts> {
  const db = drizzle(pool);
  try {
    const [account] = await db
      .select({ key: accounts.account_key })
      .from(accounts)
      .where(eq(accounts.account_id, accountId));
    if (account === undefined)
      return { isDone: false, attempts: 0, sinceAttemptMs: null, sinceSuccessMs: null };
    const { rows } = await db.execute<SlotFacts>(factsOf(account.key, slot));
    return rows[0]!;
  } catch (error) {
    throw databaseError(error) ?? error;
  }
}

// Attempts are looked for among the newest runs: far more of them than the back-off grows by. Not by when they ended: the
// database's clock may be behind the one that the slot fired by.
const NEWEST_RUNS = 100;

/** Names the account by equality, and reads as little however long the history is. Exported for a test of its plan. */
export function factsOf(key: number, slot: Date | null): SQL {
  const r = syncRuns;
  const at = sql`${slot?.toISOString() ?? null}::timestamptz`;
  const msSince = (instant: SQL) => sql`extract(epoch from now() - (${instant}))::float8 * 1000`;
  return sql`
    with attempts as (
      select run_id, finished_at from (
        select ${r.run_id} as run_id, ${r.finished_at} as finished_at, ${r.scheduled_for} as scheduled_for, ${r.status} as status
          from ${r} where ${r.account_key} = ${key} order by ${r.run_id} desc limit ${NEWEST_RUNS}) newest
       where scheduled_for = ${at} and status <> 'succeeded')
    select exists (select from ${r} where ${r.account_key} = ${key} and ${r.scheduled_for} = ${at}
                      and ${r.status} = 'succeeded') as "isDone",
           (select count(*)::integer from attempts) as attempts,
           ${msSince(sql`select finished_at from attempts order by run_id desc limit 1`)} as "sinceAttemptMs",
           ${msSince(sql`select coalesce(${r.scheduled_for}, ${r.started_at}) from ${r}
             where ${r.account_key} = ${key} and ${r.status} = 'succeeded' order by ${r.run_id} desc limit 1`)} as "sinceSuccessMs"`;
}
