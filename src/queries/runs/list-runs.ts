// Finished runs of accounts, newest first, or one of them.
import { and, desc, eq, inArray, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, syncRuns } from '../../db/schema.ts';

export type Run = typeof syncRuns.$inferSelect & { account_id: string };

/** At most this number for each account, in one statement for all of them. By account id. */
export async function newestRuns(
  db: Db,
  accountKeys: readonly number[],
  limit: number,
): Promise<Map<string, Run[]>> {
  const ofAccount = on(db)
    .select()
    .from(syncRuns)
    .where(eq(syncRuns.account_key, accounts.account_key))
    .orderBy(desc(syncRuns.run_id))
    .limit(limit)
    .as('runs');
  const rows = await on(db)
    .select()
    .from(accounts)
    .crossJoinLateral(ofAccount)
    .where(sql`${accounts.account_key} = any(${sql.param(accountKeys)}::integer[])`)
    .orderBy(desc(ofAccount.run_id));
  const found = new Map<string, Run[]>();
  for (const { accounts: account, runs: run } of rows) {
    const runs = found.get(account.account_id) ?? [];
    runs.push({ ...run, account_id: account.account_id });
    found.set(account.account_id, runs);
  }
  return found;
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
