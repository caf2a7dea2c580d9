// The answer to the last lookup of one user. Needs the right to read risk_internal.
import { and, eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { lookups } from '../../db/schema.ts';

export type LastLookup = { run_id: number; asked_at: string; outcome: string };

export async function lastLookup(
  db: Db,
  user: { account_key: number; user_key: number },
): Promise<LastLookup | null> {
  const [row] = await on(db)
    .select({ run_id: lookups.run_id, asked_at: lookups.asked_at, outcome: lookups.outcome })
    .from(lookups)
    .where(and(eq(lookups.account_key, user.account_key), eq(lookups.user_key, user.user_key)));
  return row ?? null;
}
