// What the database knows about an account and a slot of the schedule: all that replicas need to agree on which of them
// runs.
import { eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { accountKeys, snapshots, syncRuns } from '../../db/schema.ts';

export type SlotFacts = {
  /** A run for this very slot has succeeded. */
  isDone: boolean;
  /** Runs for this slot that did not succeed. */
  attempts: number;
  /** Milliseconds since the newest of these attempts ended; null if there is none. */
  sinceAttemptMs: number | null;
  /**
   * Milliseconds since the slot of the newest success. If no slot had triggered it: since it began. Of an import: since
   * the instant of its snapshot. Null: never.
   */
  sinceSuccessMs: number | null;
};

/**
 * All times are by the database's clock. `slot` null: no slot is known, so only the success is looked up. Throws an
 * OperatorError if the database does not answer.
 */
export async function slotFacts(pool: Pool, accountId: string, slot: Date | null): Promise<SlotFacts> {
  const db = drizzle(pool);
  try {
    const [account] = await db
      .select({ key: accountKeys.account_key })
      .from(accountKeys)
      .where(eq(accountKeys.account_id, accountId));
    if (account === undefined)
      return { isDone: false, attempts: 0, sinceAttemptMs: null, sinceSuccessMs: null };
    const { rows } = await db.execute<SlotFacts>(factsOf(account.key, slot));
    return rows[0]!;
  } catch (error) {
    throw databaseError(error) ?? error;
  }
}

// Attempts are looked for among so many newest runs: far more than the back-off grows with. They are not looked for by
// their end: the clock of the database may be behind the clock that fired the slot.
const NEWEST_RUNS = 100;

/** Compares account_key by equality, and reads little, however long the history is. Exported for a test of its plan. */
export function factsOf(key: number, slot: Date | null): SQL {
  const [r, s] = [syncRuns, snapshots];
  const at = sql`${slot?.toISOString() ?? null}::timestamptz`;
  // An import is no look at the account: it is as old as what it brought.
  const observedByImport = sql`select ${s.observed_at} from ${s} where ${r.trigger} = 'import'
                and ${s.account_key} = ${r.account_key} and ${s.snapshot_id} = ${r.snapshot_id}`;
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
           ${msSince(sql`select coalesce(${r.scheduled_for}, (${observedByImport}), ${r.started_at}) from ${r}
             where ${r.account_key} = ${key} and ${r.status} = 'succeeded' order by ${r.run_id} desc limit 1`)} as "sinceSuccessMs"`;
}
