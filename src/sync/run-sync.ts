// One run of a claimed account, phase by phase: look, decide, publish. Failing at any point leaves the history as it was and a
// record of why.
import type { ClientUsage, CloudflareClient } from '../cloudflare/client.ts';
import { pagingChanges } from '../cloudflare/paging-changes.ts';
import { databaseError } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { decide } from './decide.ts';
import { startHeartbeat } from './claim/heartbeat.ts';
import { lastWalk, type LastWalk } from './walk/last-walk.ts';
import { beat, leaseLost, type Lease, type LeaseTiming } from './claim/lease.ts';
import { look, type LookDeps } from './look.ts';
import { leaveUnpublished, publishSeen, type Published } from './publish-seen.ts';
import { recordFailure, type RunFacts } from './record-run.ts';
import type { WalkProgress } from './walk/walk.ts';

export type RunSettings = LookDeps['settings'] & {
  timeBudgetMs: number;
  maxClearedRatio: number;
};

export type RunDeps = {
  pool: Pool;
  client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> &
    Partial<Pick<CloudflareClient, 'estimateMs'>>;
  logger: Logger;
  settings: RunSettings;
  timing: LeaseTiming;
  /** Named instants at which tests kill the process; nothing in production. */
  failpoint?: (name: Failpoint) => Promise<void>;
};

type Failpoint =
  | 'claimed'
  | 'reading'
  | 'walked'
  | 'asked'
  | 'copying'
  | 'copied'
  | 'publishing'
  | 'published';

export type RunOptions = {
  lease: Lease;
  observedAt: string;
  dryRun: boolean;
  acceptMassClear: boolean;
  signal: AbortSignal;
  onProgress: (progress: WalkProgress) => void;
};

export type RunResult = {
  published: Published | null;
  facts: RunFacts;
  expectedUnseen: number | null;
  error: OperatorError | null;
  phases: { walkMs: number; publishMs: number };
};

/** Never throws for what a run may meet: the error is in the result, and recorded. */
export async function runSync(deps: RunDeps, options: RunOptions): Promise<RunResult> {
  const { lease } = options;
  const usage: ClientUsage = { requests: 0, retries: 0, bytes: 0 };
  const facts: RunFacts = {
    passes: 0,
    pages: 0,
    requests: 0,
    retries: 0,
    bytes: 0,
    usersMet: 0,
    duplicates: 0,
    rejected: 0,
    totalFirst: null,
    totalLast: null,
    lookups: 0,
    evidence: {},
  };
  const result: RunResult = {
    published: null,
    facts,
    expectedUnseen: null,
    error: null,
    phases: { walkMs: 0, publishMs: 0 },
  };
  const budget = startBudget(deps.settings.timeBudgetMs);
  try {
    await deps.failpoint?.('claimed');
    await walkAndPublish(deps, options, budget, usage, result);
    result.error = result.published?.guard ?? null;
    await deps.failpoint?.('published');
  } catch (error) {
    Object.assign(facts, usage);
    result.error = await findCause(deps.pool, lease, explain(error));
    await recordFailure(deps.pool, lease, facts, result.error, options.dryRun).catch((failure: unknown) => {
      // The lease runs out by itself, and the next run records this one as abandoned.
      deps.logger.warn({ err: failure }, 'could not record the failed run');
    });
  } finally {
    budget.end();
  }
  return result;
}

async function walkAndPublish(
  deps: RunDeps,
  options: RunOptions,
  budget: ReturnType<typeof startBudget>,
  usage: ClientUsage,
  result: RunResult,
): Promise<void> {
  const { pool, logger } = deps;
  const { lease } = options;
  const { facts, phases } = result;
  const abort = new AbortController();
  const stop = AbortSignal.any([options.signal, abort.signal, budget.over]);
  let progress: WalkProgress | Record<string, never> = {};
  const heart = startHeartbeat(deps, lease, abort, () => progress);
  try {
    const began = performance.now();
    const last = await lastWalk(pool, lease.accountKey);
    warnOfBudget(deps, last);
    const looking = look(deps, {
      ...options,
      facts,
      usage,
      stop,
      timeLeft: budget.timeLeft,
      isOutOfTime: budget.isSpent,
      onProgress(now) {
        progress = now;
        options.onProgress(now);
      },
      onWalked({ judgement }) {
        result.expectedUnseen = judgement.expectedUnseen;
        if (judgement.verdict === 'partial') logger.warn({ reasons: judgement.reasons }, 'walk is partial');
        notePaging(logger, facts, last);
      },
    });
    const seen = await looking.finally(() => {
      phases.walkMs = performance.now() - began;
    });
    Object.assign(facts, usage);
    const { dryRun } = options;
    const decided = decide(seen, { ...options, maxClearedRatio: deps.settings.maxClearedRatio });
    // From here on a signal waits: the publish is short, and ends whole or not at all. One that takes too long is rolled back.
    const publishing = performance.now();
    const grace = startGrace(options.signal, deps.timing.graceMs);
    try {
      const run = { ...options, seen, decided, facts, cancel: grace.over, beforeFence: () => heart.stop() };
      result.published = dryRun ? await leaveUnpublished(pool, run) : await publishSeen(deps, run);
    } finally {
      grace.end();
      phases.publishMs = performance.now() - publishing;
    }
  } finally {
    await heart.stop();
  }
}

/** Before the first request, where it can be told: as many pages as the last time, at the pace that is left now. */
function warnOfBudget({ client, logger, settings }: RunDeps, last: LastWalk | null): void {
  if (last === null) return;
  const pages = Math.ceil(last.pages / Math.max(1, last.passes));
  const leastMs = client.estimateMs?.(pages) ?? 0;
  if (leastMs <= settings.timeBudgetMs) return;
  logger.warn(
    { pages, at_least_s: Math.round(leastMs / 1000), budget_s: Math.round(settings.timeBudgetMs / 1000) },
    'the walk cannot end within SYNC_TIME_BUDGET',
  );
}

/** A server that begins to treat paging otherwise may hide part of the account: worth a look before it does harm. */
function notePaging(logger: Logger, facts: RunFacts, last: LastWalk | null): void {
  const is = facts.evidence.paging;
  if (last === null || is === undefined) return;
  const changed = pagingChanges(last.paging, is);
  if (changed.length === 0) return;
  facts.evidence = { ...facts.evidence, paging_changed: changed };
  logger.warn(
    { changed, was: last.paging, is, since_run_id: last.runId },
    'the server treats paging otherwise than before',
  );
}

/** One for all walks of a run. */
function startBudget(ms: number) {
  const over = new AbortController();
  const spent = outOfTime(ms);
  const endsAt = performance.now() + ms;
  const timer = setTimeout(() => over.abort(spent), ms);
  return {
    over: over.signal,
    timeLeft: () => endsAt - performance.now(),
    /** Whether an abort came from here. */
    isSpent: (error: unknown) => error === spent,
    end: () => clearTimeout(timer),
  };
}

/** `over` is aborted when `signal` was, that many milliseconds ago. */
function startGrace(signal: AbortSignal, ms: number): { over: AbortSignal; end(): void } {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => over.abort(signal.reason), ms);
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return {
    over: over.signal,
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', begin);
    },
  };
}

/** What is decided on the state that was read is void once another run has the account: the fence comes only afterwards. */
async function findCause(pool: Pool, lease: Lease, error: OperatorError): Promise<OperatorError> {
  if (error.code !== 'STATE_MOVED' && error.code !== 'EMPTY_ANSWER') return error;
  return (await beat(pool, lease).catch(() => true)) ? error : leaseLost(lease);
}

function explain(error: unknown): OperatorError {
  if (isOperatorError(error)) return error;
  return databaseError(error) ?? unexpected(error);
}

function unexpected(error: unknown): OperatorError {
  return new OperatorError({
    code: 'UNEXPECTED',
    happened: `Something unforeseen happened (${error instanceof Error ? error.name : typeof error})`,
    means: 'Nothing was published; the last snapshot stays as it is',
    todo: 'This is a defect: run again with LOG_LEVEL=debug and report the stack trace',
    cause: error,
  });
}

function outOfTime(ms: number): OperatorError {
  return new OperatorError({
    code: 'TIME_BUDGET',
    happened: `The walk was not done after ${Math.round(ms / 1000)} seconds`,
    means: 'Nothing was published',
    todo: 'Raise SYNC_TIME_BUDGET, or SYNC_PER_PAGE if pages are small; the budget of requests may be used up by the dashboard',
  });
}
