// The outcome of one slot of the schedule: for each account, its newest finished run.
import { and, desc, eq, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, syncRuns } from '../../db/schema.ts';

export type SlotRun = {
  account_id: string;
  run_id: number;
  status: string;
  error_code: string | null;
  host: string;
};

/**
 * Accounts without a run for the slot are left out. A run ends after its slot begins: the condition on finished_at lets
 * an index find the runs.
 */
export async function slotRuns(db: Db, slot: Date): Promise<SlotRun[]> {
  const at = slot.toISOString();
  return on(db)
    .selectDistinctOn([syncRuns.account_key], {
      account_id: accounts.account_id,
      run_id: syncRuns.run_id,
      status: syncRuns.status,
      error_code: syncRuns.error_code,
      host: syncRuns.host,
    })
    .from(syncRuns)
    .innerJoin(accounts, eq(accounts.account_key, syncRuns.account_key))
    .where(
      and(
        sql`${syncRuns.finished_at} >= ${at}::timestamptz`,
        sql`${syncRuns.scheduled_for} = ${at}::timestamptz`,
      ),
    )
    .orderBy(syncRuns.account_key, desc(syncRuns.run_id));
}
