// Finished runs of an account, newest first; or one of them.
import { and, desc, eq, inArray, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, syncRuns } from '../../db/schema.ts';

export type Run = typeof syncRuns.$inferSelect & { account_id: string };

export async function listRuns(db: Db, accountId: string, limit: number): Promise<Run[]> {
  return readRuns(db, eq(accounts.account_id, accountId), limit);
}

export async function findRun(
  db: Db,
  runId: number,
  accountKeys: readonly number[] | undefined,
): Promise<Run | undefined> {
  const isRun = eq(syncRuns.run_id, runId);
  const [run] = await readRuns(
    db,
    accountKeys === undefined ? isRun : and(isRun, inArray(accounts.account_key, [...accountKeys])),
    1,
  );
  return run;
}

async function readRuns(db: Db, condition: SQL | undefined, limit: number): Promise<Run[]> {
  const rows = await on(db)
    .select()
    .from(syncRuns)
    .innerJoin(accounts, eq(accounts.account_key, syncRuns.account_key))
    .where(condition)
    .orderBy(desc(syncRuns.run_id))
    .limit(limit);
  return rows.map((row) => ({ ...row.sync_runs, account_id: row.accounts.account_id }));
}
