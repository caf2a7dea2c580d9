// What the database knows of an account and a slot of the schedule: all that replicas need to agree on who does what.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { accounts, syncRuns } from '../db/schema.ts';

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
  const at = slot?.toISOString() ?? null;
  const r = syncRuns;
  const { rows } = await drizzle(pool)
    .execute<{
      is_done: boolean;
      attempts: number;
      since_attempt: number | null;
      since_success: number | null;
    }>(sql`
    select exists (select from ${r} where ${r.account_key} = a.account_key and ${r.scheduled_for} = ${at}::timestamptz
                      and ${r.status} = 'succeeded') as is_done,
           f.attempts, extract(epoch from now() - f.ended)::float8 * 1000 as since_attempt,
           extract(epoch from now() - s.at)::float8 * 1000 as since_success
      from ${accounts} a
      left join lateral (
        select coalesce(${r.scheduled_for}, ${r.started_at}) as at from ${r}
         where ${r.account_key} = a.account_key and ${r.status} = 'succeeded' order by ${r.run_id} desc limit 1) s on true
      left join lateral (
        select count(*)::integer as attempts, max(${r.finished_at}) as ended from ${r}
         where ${r.account_key} = a.account_key and ${r.scheduled_for} = ${at}::timestamptz and ${r.status} <> 'succeeded') f on true
     where a.account_id = ${accountId}`)
    .catch((error: unknown) => {
      throw databaseError(error) ?? error;
    });
  const [row] = rows;
  return {
    isDone: row?.is_done ?? false,
    attempts: row?.attempts ?? 0,
    sinceAttemptMs: row?.since_attempt ?? null,
    sinceSuccessMs: row?.since_success ?? null,
  };
}
