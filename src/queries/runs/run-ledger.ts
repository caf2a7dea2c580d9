// Finished runs over accounts and a span of time, the newest first. A run belongs to the span in which it ended.
import { sql, type SQL } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

export type LedgerRun = {
  run_id: number;
  account_id: string;
  account_label: string;
  trigger: string;
  /** The slot of the schedule; null: started by hand. */
  scheduled_for: string | null;
  status: string;
  /** Null: nothing was published. */
  verdict: string | null;
  started_at: string;
  finished_at: string;
  duration_seconds: number;
  passes: number;
  pages: number;
  requests: number;
  retries: number;
  users_met: number;
  rejected: number;
  expected_unseen: number | null;
  error_code: string | null;
  /** What happened, what it means and what to do. */
  error_message: string | null;
  snapshot_id: number | null;
};

export type RunFilter = {
  from: Date;
  to: Date;
  status: string | null;
  verdict: string | null;
};

export type RunCursor = readonly [finishedAt: string, runId: number];

/** `after` is the last row that was read. */
export function runLedger(
  accountIds: readonly string[] | null,
  { from, to, status, verdict }: RunFilter,
  { after, most }: { after: RunCursor | null; most: number },
): Question<LedgerRun> {
  const wanted: SQL[] = [ofLiving(accountIds)];
  if (status !== null) wanted.push(sql`status = ${status}::text`);
  if (verdict !== null) wanted.push(sql`verdict = ${verdict}::text`);
  if (after !== null)
    wanted.push(sql`(finished_at, run_id) < (${after[0]}::timestamptz, ${after[1]}::bigint)`);
  return {
    statement: sql`
      select ${LEDGER_COLUMNS}
        from risk_bi.sync_runs
       where finished_at >= ${from.toISOString()}::timestamptz and finished_at < ${to.toISOString()}::timestamptz
         and ${sql.join(wanted, sql` and `)}
       order by finished_at desc, run_id desc
       limit ${most}::int`,
  };
}

export function oneRun(runId: number, accountIds: readonly string[] | null): Question<LedgerRun> {
  const whose = accountIds === null ? sql`true` : ofLiving(accountIds);
  return {
    statement: sql`
      select ${LEDGER_COLUMNS}
        from risk_bi.sync_runs
       where run_id = ${runId}::bigint and ${whose}`,
  };
}

const LEDGER_COLUMNS = sql`run_id::float8 as run_id, account_id, account_label, trigger, scheduled_for, status, verdict,
             started_at, finished_at, duration_seconds, passes, pages, requests, retries, users_met, rejected,
             expected_unseen, error_code, error_message, snapshot_id::float8 as snapshot_id`;
