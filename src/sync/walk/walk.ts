// The walk of one run: its passes over all pages. Every record is compared as it arrives. Knows no database.
import type { CountUse } from '../../cloudflare/usage.ts';
import type { Pass, ReadPages } from '../../cloudflare/paging/pass.ts';
import { isOperatorError, OperatorError } from '../../errors.ts';
import type { MetCounts, UserTable } from '../state/user-table.ts';
import {
  judgeWalk,
  needsAnotherPass,
  tooManyRejected,
  type Judgement,
  type PassFacts,
  type PassOverlap,
} from './verdict.ts';
import type { Comparison, PageOutcome } from './compare-records.ts';
import { createWalkCounter, type WalkCounter, type WalkCounts } from './count-walk.ts';
import type { Quarantine } from './quarantine.ts';

export type WalkSettings = { perPage: 'auto' | number; concurrency: number; maxPasses: number };

export type WalkProgress = { pass: number; pages: number; expectedPages: number | null; records: number };

/** The counts cover everything that was read, even in a pass that did not end. */
export type Walk = {
  judgement: Judgement;
  records: number;
  unreadable: number;
  /** What the newest pass stated at its end. */
  total: number | null;
  /** The page size with which the newest pass was read. */
  perPage: number;
};

export type WalkDeps = {
  readPages: ReadPages<PageOutcome>;
  comparison: Pick<Comparison, 'openReader' | 'take'>;
  table: Pick<UserTable, 'beginReading' | 'counts'>;
  quarantine: Quarantine;
  /** Throws if the process lacks the memory for what is kept. */
  checkMemory: () => void;
};

export type WalkRun = {
  accountId: string;
  /** The page size with which SYNC_PER_PAGE=auto begins: a size that worked before, or the largest one. */
  firstSize: number;
  signal: AbortSignal;
  countUse: CountUse;
  /** Called after every step with what is known so far. A failed walk is recorded with the last report. */
  report: (counts: WalkCounts) => void;
  /** Milliseconds left of the time budget. */
  timeLeft(): number;
  /** Whether an abort came from the time budget. If so, everything that was read before still counts. */
  isOutOfTime(error: unknown): boolean;
  onProgress: (progress: WalkProgress) => void;
};

/** Another pass takes about as long as the last one. If less time is left, its requests would be wasted. */
const ROOM_FOR_A_PASS = 1.2;

/** Throws what `readPages` throws, and TOO_MANY_REJECTED. Rejected records are written even if the walk fails. */
export async function walk(deps: WalkDeps, settings: WalkSettings, run: WalkRun): Promise<Walk> {
  let walked: Walk;
  try {
    walked = await readPasses(deps, settings, run);
  } catch (error) {
    // Throw the error that ended the walk, not an error of this write.
    await deps.quarantine.end().catch(() => undefined);
    throw error;
  }
  await deps.quarantine.end();
  return walked;
}

async function readPasses(deps: WalkDeps, settings: WalkSettings, run: WalkRun): Promise<Walk> {
  const { table } = deps;
  const counter = createWalkCounter(run.report);
  const readPass = createPassReader(deps, settings, run, counter);
  const passes: PassFacts[] = [];
  let perPage = run.firstSize;
  let judgement: Judgement | null = null;
  for (;;) {
    const read = await readPass(passes.length + 1).catch((error: unknown) => {
      if (judgement !== null && run.isOutOfTime(error)) return null;
      // Pages of records without readable users all look alike: their records are the cause, not the paging.
      if (isOperatorError(error) && error.code === 'PAGING_UNUSABLE')
        refuseManyRejected(counter.reading(), table.counts());
      throw error;
    });
    if (read === null) {
      refuseManyRejected(counter.reading(), table.counts());
      judgement = doubt(judgement!, 'the time budget ended during another pass');
      break;
    }
    passes.push(read.facts);
    perPage = read.pass.askedPerPage;
    const overlap = passes.length > 1 ? overlapOf(table.counts()) : null;
    const all = { passes, met: table.counts().anyAll, overlap };
    judgement = judgeWalk(all);
    counter.endPass({ ...read, overlap, judgement });
    refuseManyRejected(read.facts, table.counts());
    if (!needsAnotherPass(all, judgement, settings.maxPasses)) break;
    if (run.timeLeft() < read.ms * ROOM_FOR_A_PASS) {
      judgement = doubt(judgement, 'the time budget left no time for another pass');
      break;
    }
  }
  counter.endWalk({ reasons: judgement.reasons });
  return { judgement, ...counter.all(), perPage, total: passes.at(-1)?.totalLast ?? null };
}

type ReadPass = (number: number) => Promise<{ pass: Pass; facts: PassFacts; ms: number }>;

/** Reads all pages once. Every answer is counted and takes effect, and its rejected records go to the quarantine. */
function createPassReader(
  { readPages, comparison, table, quarantine, checkMemory }: WalkDeps,
  settings: WalkSettings,
  run: WalkRun,
  counter: WalkCounter,
): ReadPass {
  const { accountId, signal, countUse, onProgress } = run;
  let { firstSize } = run;
  let began = 0;

  function beginReading(): void {
    counter.beginReading();
    table.beginReading();
    began = performance.now();
  }

  return async (number) => {
    counter.beginPass(number);
    beginReading();
    const pass = await readPages({
      accountId,
      signal,
      countUse,
      openReader: comparison.openReader,
      perPage: settings.perPage,
      firstSize,
      concurrency: settings.concurrency,
      accept: async (_page, outcome, isRepeat) => {
        if (!isRepeat) counter.countPage(outcome);
        comparison.take(outcome);
        checkMemory();
        const unkept = await quarantine.add(outcome);
        if (!isRepeat) counter.countUnkept(unkept);
      },
      restart: (perPage) => {
        firstSize = perPage;
        beginReading();
      },
      countMet: () => table.counts().anyThis,
      onPage: (progress) => {
        counter.noteProgress(progress, table.counts().acceptedAll);
        const { pages, expected, records } = progress;
        onProgress({ pass: number, pages, expectedPages: expected, records });
      },
    });
    counter.notePages(pass);
    const { totalFirst, totalLast, totalsMoved, oneResponse, doubts = [] } = pass;
    const met = table.counts().anyThis;
    const facts = { ...counter.reading(), met, totalFirst, totalLast, totalsMoved, oneResponse, doubts };
    return { pass, facts, ms: performance.now() - began };
  };
}

/** The same judgement with one more reason to call the walk partial. */
function doubt(judgement: Judgement, reason: string): Judgement {
  return { ...judgement, reasons: [...judgement.reasons, reason] };
}

/**
 * Counts accepted records only. A rejected record shows that its user was met, but says nothing about the users that a
 * pass misses.
 */
function overlapOf({ acceptedThis, acceptedAll, acceptedBoth }: Readonly<MetCounts>): PassOverlap {
  return {
    onlyEarlier: acceptedAll - acceptedThis,
    onlyThis: acceptedThis - acceptedBoth,
    both: acceptedBoth,
  };
}

function refuseManyRejected(
  counts: Pick<PassFacts, 'records' | 'rejected' | 'unreadable'>,
  { anyThis: met, acceptedThis: accepted }: Readonly<MetCounts>,
): void {
  if (!tooManyRejected({ ...counts, met, accepted })) return;
  const { records, rejected } = counts;
  throw new OperatorError({
    code: 'TOO_MANY_REJECTED',
    happened: `${rejected} of ${records} records could not be accepted (users with an accepted record: ${accepted})`,
    means:
      'The API has changed or answers wrongly, so nothing was published; the first 10,000 are kept in risk_internal.rejected_records',
    todo: 'Look at the reasons with `zt-risk-sync rejected list`, and look for a newer release of zt-risk-sync',
  });
}
