// One run of a claimed account, phase by phase: read the state, walk and compare, verdict, ask the absent, publish. Failing at
// any point leaves the history as it was and a record of why.
import type { ClientUsage, CloudflareClient } from '../cloudflare/client.ts';
import { pagingChanges } from '../cloudflare/paging-changes.ts';
import type { Paging } from '../cloudflare/walk-pages.ts';
import { databaseError } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, isOperatorError, OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { decideAbsence, isUnfinished } from './absence.ts';
import { askAbsent, type Answers } from './ask-absent.ts';
import { clearPending, emptyAnswer, massClear } from './guards.ts';
import { startHeartbeat } from './heartbeat.ts';
import { lastWalk, type LastWalk } from './last-walk.ts';
import { beat, dropLease, leaseLost, type Lease, type LeaseTiming } from './lease.ts';
import { missingRows, readMissing, type MissingUser } from './missing-users.ts';
import { countRows, readChanges, type ChangeCounts, type ChangeInputs } from './publish/changes.ts';
import { publish } from './publish/publish.ts';
import { recordFailure, type RunFacts } from './record-run.ts';
import { randomHashKey } from './state/keyed-hash.ts';
import { readState, total, type AccountState } from './state/read-state.ts';
import { resolveUnknown } from './state/resolve-unknown.ts';
import { createUserTable, type UserTable } from './state/user-table.ts';
import type { Verdict } from './verdict.ts';
import { createChangeLog, type ChangeLog } from './walk/change-log.ts';
import { createComparison } from './walk/compare-records.ts';
import { createQuarantine } from './walk/quarantine.ts';
import { walk, type Walk, type WalkProgress, type WalkSettings } from './walk/walk.ts';

export type RunSettings = WalkSettings & {
  timeBudgetMs: number;
  confirm: 'lookup' | 'walks';
  confirmLookups: number;
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

export type Published = {
  /** Null after a dry run. */
  snapshotId: number | null;
  verdict: Verdict;
  users: number;
  met: number;
  carried: number;
  appeared: number;
  raised: number;
  lowered: number;
  cleared: number;
  returned: number;
  /** Set when the met users were published and the missing ones kept, all or some: the run has failed all the same. */
  guard: OperatorError | null;
};

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
  const { pool } = deps;
  const { lease } = options;
  const { facts, phases } = result;
  // Before the heart beats: what fails from here on must stop it, or it keeps the lease of a run that is over.
  const last = await lastWalk(pool, lease.accountKey);
  warnOfBudget(deps, last);
  const abort = new AbortController();
  const stop = AbortSignal.any([options.signal, abort.signal, budget.over]);
  let progress: WalkProgress | Record<string, never> = {};
  const heart = startHeartbeat(deps, lease, abort, () => progress);
  try {
    const began = performance.now();
    const seen = await look(deps, options, {
      budget,
      usage,
      result,
      last,
      stop,
      onProgress(now) {
        progress = now;
        options.onProgress(now);
      },
    }).finally(() => {
      phases.walkMs = performance.now() - began;
    });
    Object.assign(facts, usage);
    const decided = decide(deps, options, seen);
    result.expectedUnseen = seen.walked.judgement.expectedUnseen;
    // From here on a signal waits: the publish is short, and ends whole or not at all. One that takes too long is rolled back.
    const publishing = performance.now();
    const grace = startGrace(options.signal, deps.timing.graceMs);
    try {
      result.published = options.dryRun
        ? await leaveUnpublished(deps, lease, seen, decided)
        : await publishSeen(deps, options, { seen, decided, facts, cancel: grace.over, heart });
    } finally {
      grace.end();
      phases.publishMs = performance.now() - publishing;
    }
  } finally {
    await heart.stop();
  }
}

/** What a run knows when it has looked: at the account's state, at all pages, and at the records of the absent. */
type Seen = {
  state: AccountState;
  table: UserTable;
  log: ChangeLog;
  walked: Walk;
  missing: MissingUser[];
  answers: Answers;
};

async function look(
  deps: RunDeps,
  options: RunOptions,
  run: {
    budget: ReturnType<typeof startBudget>;
    usage: ClientUsage;
    result: RunResult;
    last: LastWalk | null;
    stop: AbortSignal;
    onProgress(progress: WalkProgress): void;
  },
): Promise<Seen> {
  const { pool, logger, settings } = deps;
  const { lease } = options;
  const { budget, usage, stop } = run;
  const { facts } = run.result;
  const table = createUserTable();
  const log = createChangeLog();
  const key = randomHashKey();
  const { failpoint } = deps;
  const reading = readState(
    { pool, table, key, ...(failpoint ? { onRange: () => failpoint('reading') } : {}) },
    lease,
    options.observedAt,
    stop,
  );
  // Whoever waits for it hears of its failure: until then it is nobody's.
  reading.catch(() => undefined);
  const comparison = createComparison({ table, key, log, whole: reading });
  const walked = await walk(
    {
      client: deps.client,
      comparison,
      table,
      quarantine: createQuarantine(pool, lease),
      checkMemory: () => undefined,
    },
    settings,
    {
      accountId: lease.accountId,
      signal: stop,
      facts,
      usage,
      timeLeft: budget.timeLeft,
      isOutOfTime: budget.isSpent,
      onProgress: (now) => run.onProgress(now),
    },
  ).catch(async (error: unknown) => {
    // It goes on in the background otherwise, into the next run.
    await reading.catch(() => undefined);
    throw error;
  });
  const state = await reading;
  run.result.expectedUnseen = walked.judgement.expectedUnseen;
  if (walked.judgement.verdict === 'partial')
    logger.warn({ reasons: walked.judgement.reasons }, 'walk is partial');
  notePaging(logger, facts, run.last);
  await deps.failpoint?.('walked');
  await resolveUnknown({ pool, table, key }, lease, state);
  const rows = missingRows(table);
  const missing = rows.length === 0 ? [] : await readMissing(pool, lease, table, rows);
  const answers = await askAbsent(deps, {
    lease,
    table,
    missing,
    lastMet: comparison.lastMet(),
    settings,
    unreadable: walked.unreadable > 0,
    isComplete: walked.judgement.verdict === 'complete',
    acceptMassClear: options.acceptMassClear,
    signal: stop,
    endsAsking: budget.isSpent,
    timeLeft: budget.timeLeft,
    usage,
  });
  facts.duplicates = walked.judgement.duplicates;
  facts.lookups = answers.evidence?.asked ?? 0;
  if (answers.evidence !== null) facts.evidence = { ...facts.evidence, lookups: answers.evidence };
  if (stop.aborted && !budget.isSpent(stop.reason)) throw stop.reason;
  await deps.failpoint?.('asked');
  return { state, table, log, walked, missing, answers };
}

type Decided = { verdict: Verdict; guard: OperatorError | null; inputs: ChangeInputs };

/** Throws EMPTY_ANSWER. */
function decide(deps: RunDeps, options: RunOptions, seen: Seen): Decided {
  const { state, table, log, walked, missing, answers } = seen;
  const outcomes = [...answers.byRow.values()].map(({ outcome }) => outcome);
  const facts = {
    lease: options.lease,
    verdict: walked.judgement.verdict,
    records: walked.records,
    unreadable: walked.unreadable,
    present: state.present,
    missing: missing.length,
    asked: outcomes.length,
    stillThere: outcomes.filter((outcome) => outcome === 'level').length,
    gone: outcomes.filter((outcome) => outcome !== 'level' && outcome !== 'unreadable').length,
    confirmation: answers.confirmation,
    acceptMassClear: options.acceptMassClear,
    maxClearedRatio: deps.settings.maxClearedRatio,
    dryRun: options.dryRun,
  };
  const decision = decideAbsence(facts);
  if (decision === 'empty_answer') throw emptyAnswer(facts);
  const isMass = decision === 'mass_clear';
  return {
    verdict: isMass ? 'partial' : facts.verdict,
    guard: isMass ? massClear(facts) : isUnfinished(facts, decision) ? clearPending(facts) : null,
    inputs: { state, table, log, missing, answers: answers.byRow, decision },
  };
}

/** A dry run: the changes are counted, and the lease is given back. */
async function leaveUnpublished(
  { pool }: RunDeps,
  lease: Lease,
  { table }: Seen,
  { verdict, guard, inputs }: Decided,
): Promise<Published> {
  const { counts, rows } = readChanges(lease.accountKey, inputs);
  for (const _ of rows);
  await dropLease(pool, lease);
  return describe(null, counts, table, { verdict, guard });
}

async function publishSeen(
  deps: RunDeps,
  { lease, observedAt }: RunOptions,
  run: {
    seen: Seen;
    decided: Decided;
    facts: RunFacts;
    cancel: AbortSignal;
    heart: { stop(): Promise<void> };
  },
): Promise<Published> {
  const { state, table, walked } = run.seen;
  const { verdict, guard, inputs } = run.decided;
  const { failpoint } = deps;
  const { snapshotId, counts } = await publish(
    deps.pool,
    {
      lease,
      state,
      observedAt,
      verdict,
      expectedUnseen: walked.judgement.expectedUnseen,
      met: table.counts().acceptedAll,
      readChanges: () => readChanges(lease.accountKey, inputs),
      changeCount: countRows(inputs),
      facts: run.facts,
      guard,
    },
    { cancel: run.cancel, beforeFence: () => run.heart.stop(), ...(failpoint ? { failpoint } : {}) },
  );
  return describe(snapshotId, counts, table, { verdict, guard });
}

function describe(
  snapshotId: number | null,
  counts: ChangeCounts,
  table: UserTable,
  { verdict, guard }: Pick<Decided, 'verdict' | 'guard'>,
): Published {
  const { appeared, raised, lowered, cleared, returned } = counts;
  const { users } = total(counts.sums);
  const met = table.counts().acceptedAll;
  const changes = { appeared, raised, lowered, cleared, returned };
  return { snapshotId, verdict, users, met, carried: users - met, ...changes, guard };
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
  const is = facts.evidence['paging'] as Paging | undefined;
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
    exit: EXIT.failed,
    happened: `Something unforeseen happened (${error instanceof Error ? error.name : typeof error})`,
    means: 'Nothing was published; the last snapshot stays as it is',
    todo: 'This is a defect: run again with LOG_LEVEL=debug and report the stack trace',
    cause: error,
  });
}

function outOfTime(ms: number): OperatorError {
  return new OperatorError({
    code: 'TIME_BUDGET',
    exit: EXIT.tryLater,
    happened: `The walk was not done after ${Math.round(ms / 1000)} seconds`,
    means: 'Nothing was published',
    todo: 'Raise SYNC_TIME_BUDGET, or SYNC_PER_PAGE if pages are small; the budget of requests may be used up by the dashboard',
  });
}
