// How old the history is, and when a whole copy of it was last taken. For the worker's own role: readers may not see
// the clock's row.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, feedClock, snapshots } from '../../db/schema.ts';

/** Null: never. `began_at` null: no account has a snapshot. */
export type LastCopy = { copied_at: Date | null; began_at: Date | null };

export async function lastCopy(db: Db): Promise<LastCopy> {
  const { rows } = await on(db).execute<{ copied_at: string | null; began_at: string | null }>(sql`
    select (select max(${feedClock.copied_at}) from ${feedClock}) as copied_at,
           (select min(first.observed_at) from ${accounts} cross join lateral (
              select ${snapshots.observed_at} as observed_at from ${snapshots}
               where ${snapshots.account_key} = ${accounts.account_key} order by ${snapshots.observed_at} limit 1) first) as began_at`);
  const at = (text: string | null | undefined) => (text == null ? null : new Date(text));
  return { copied_at: at(rows[0]?.copied_at), began_at: at(rows[0]?.began_at) };
}
