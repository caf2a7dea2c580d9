// The ledger of runs: how they ended and why, how well each day was covered, and one run explained.
import { answered, type Answered } from '../../queries/question.ts';
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import { coverage, type CoverageDay } from '../../queries/runs/coverage.ts';
import { findRun } from '../../queries/runs/list-runs.ts';
import { oneRun, runLedger, type LedgerRun, type RunCursor } from '../../queries/runs/run-ledger.ts';
import { runReasons } from '../../queries/runs/run-reasons.ts';
import { runTotals, type RunTotals } from '../../queries/runs/run-totals.ts';
import { minute } from '../../time/when.ts';
import { duration, plural } from '../../words.ts';
import { explainRun, type Fact } from '../runs/explain-run.ts';
import { idsOf, isMany, type Scope } from '../scope.ts';

const DAY = 86_400_000;
/** The number of days that a calendar can show one by one. */
const CALENDAR_DAYS = 400;

export type Runs = {
  /** If there are more rows than requested, one row more than that. */
  ledger: Answered<LedgerRun>;
  /** By run id: why the run is partial. */
  reasons: ReadonlyMap<number, readonly string[]>;
  totals: Answered<RunTotals>;
  /** Null: too many accounts to look at each of their days. */
  coverage: Answered<CoverageDay> | null;
  /** The calendar begins later than the span. */
  isCut: boolean;
};

export type LedgerFilter = {
  status: string | null;
  verdict: string | null;
  after: RunCursor | null;
  most: number;
};

export async function runsOf(db: Db, scope: Scope, filter: LedgerFilter): Promise<Runs> {
  const ids = idsOf(scope);
  const { span, timezone } = scope;
  const first = span.to.getTime() - CALENDAR_DAYS * DAY;
  const ledger = await answered(
    db,
    runLedger(ids, { ...span, ...filter }, { after: filter.after, most: filter.most + 1 }),
  );
  return {
    ledger,
    reasons: await runReasons(
      db,
      ledger.rows.flatMap(({ verdict, run_id }) => (verdict === 'complete' ? [] : [run_id])),
    ),
    totals: await answered(db, runTotals(ids, span)),
    coverage: isMany(scope)
      ? null
      : await answered(
          db,
          coverage(ids, { from: new Date(Math.max(span.from.getTime(), first)), to: span.to, timezone }),
        ),
    isCut: span.from.getTime() < first,
  };
}

export type OneRun = { run: Answered<LedgerRun>; facts: Fact[] };

/** Throws RUN_NOT_FOUND. */
export async function oneRunOf(db: Db, scope: Scope, runId: number): Promise<OneRun> {
  const keys = scope.chosen === null ? undefined : [scope.chosen.account_key];
  const found = await findRun(db, runId, keys);
  if (found === undefined) throw runNotFound(runId);
  return {
    run: await answered(db, oneRun(runId, idsOf(scope))),
    facts: explainRun(found, (at) => minute(at, scope.timezone)),
  };
}

/** "358 of 360 runs were complete, 1 partial, 1 failed." Pure. */
export function runsHeadline({
  run_count,
  complete_count,
  partial_count,
  failed_count,
  abandoned_count,
}: RunTotals): string {
  if (run_count === 0) return 'No run ended in this span.';
  const failed = failed_count + abandoned_count;
  const whole =
    complete_count === run_count
      ? run_count === 1
        ? 'The only run was complete'
        : `All ${plural(run_count, 'run')} were complete`
      : `${complete_count.toLocaleString('en-US')} of ${plural(run_count, 'run')} ${complete_count === 1 ? 'was' : 'were'} complete`;
  const count = (value: number, word: string) =>
    value === 0 ? '' : `, ${value.toLocaleString('en-US')} ${word}`;
  return `${whole}${count(partial_count, 'partial')}${count(failed, 'failed')}.`;
}

/** How long runs take. Pure. */
export function usualDuration({ median_seconds }: RunTotals): string | null {
  return median_seconds === null ? null : `Half of the runs took at most ${duration(median_seconds * 1000)}.`;
}

/** A text that is not a number may be anything, so the error does not repeat it. */
export function runNotFound(runId: number | string): OperatorError {
  return new OperatorError({
    code: 'RUN_NOT_FOUND',
    happened: typeof runId === 'string' ? 'There is no such run' : `There is no finished run ${runId}`,
    means: 'It may still be running, or its number was never used',
    todo: 'Run `zt-risk-sync status` to list the runs',
  });
}
