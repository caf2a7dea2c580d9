// How the runs of a span ended, and how long they took.
import { sql } from 'drizzle-orm';
import { ofLiving, type Question } from '../question.ts';

export type RunTotals = {
  run_count: number;
  complete_count: number;
  partial_count: number;
  failed_count: number;
  abandoned_count: number;
  /** The median of the runs that succeeded. */
  median_seconds: number | null;
};

/** One row. A run that published and then failed counts as published. */
export function runTotals(
  accountIds: readonly string[] | null,
  { from, to }: { from: Date; to: Date },
): Question<RunTotals> {
  return {
    statement: sql`
      select count(*)::int as run_count,
             (count(*) filter (where verdict = 'complete'))::int as complete_count,
             (count(*) filter (where verdict = 'partial'))::int as partial_count,
             (count(*) filter (where verdict is null and status = 'failed'))::int as failed_count,
             (count(*) filter (where verdict is null and status = 'abandoned'))::int as abandoned_count,
             percentile_cont(0.5) within group (order by duration_seconds) filter (where status = 'succeeded')
               as median_seconds
        from risk_bi.sync_runs
       where finished_at >= ${from.toISOString()}::timestamptz and finished_at < ${to.toISOString()}::timestamptz
         and ${ofLiving(accountIds)}`,
  };
}
