// Finished runs, newest first; or one of them whole.
import { and, desc, eq, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../db/pool.ts';
import { accounts, syncRuns } from '../db/schema.ts';

export type Run = typeof syncRuns.$inferSelect & { account_id: string };

export async function listRuns(
  pool: Pool,
  filter: { accountId?: string; runId?: number; limit: number },
): Promise<Run[]> {
  const conditions: SQL[] = [];
  if (filter.accountId !== undefined) conditions.push(eq(accounts.account_id, filter.accountId));
  if (filter.runId !== undefined) conditions.push(eq(syncRuns.run_id, filter.runId));
  const rows = await drizzle(pool)
    .select()
    .from(syncRuns)
    .innerJoin(accounts, eq(accounts.account_key, syncRuns.account_key))
    .where(and(...conditions))
    .orderBy(desc(syncRuns.run_id))
    .limit(filter.limit);
  return rows.map((row) => ({ ...row.sync_runs, account_id: row.accounts.account_id }));
}
