// One run of a claimed account, phase by phase: look, decide, publish. A run that fails at any point leaves the history
// as it was, and records the reason.
import type { CloudflareClient } from '../cloudflare/client.ts';
import { pagingChanges } from '../cloudflare/paging/paging-changes.ts';
import { firstSizeOf, sizeToKeep } from '../cloudflare/paging/remembered-size.ts';
import { orAborted } from '../cloudflare/or-aborted.ts';
import { databaseError } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { decide, type Decided } from './decide.ts';
import { startHeartbeat } from './claim/heartbeat.ts';
import { lastWalk, type LastWalk } from './walk/last-walk.ts';
import { beat, leaseLost, type Lease, type LeaseTiming } from './claim/lease.ts';
import { look, type LookDeps, type Seen } from './look.ts';
import type { PublishHooks } from './publish/publish.ts';
import { leaveUnpublished, publishSeen, type Published } from './publish-seen.ts';
import { recordFailure, type RunFacts } from './record-run.ts';
import { startGrace } from '../time/grace.ts';
import type { TimeBudget } from './time-budget.ts';
import { createTally, type Phases, type Tally } from './tally.ts';
import type { WalkProgress } from './walk/walk.ts';

export type RunSettings = LookDeps['settings'] & {
  timeBudgetMs: number;
  maxClearedRatio: number;
};

export type RunDeps = {
  pool: Pool;
  client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> &
    Partial<Pick<CloudflareClient, 'estimateMs'>>;
  /** The source of the pages, if not the client. */
  readPages?: NonNullable<LookDeps['readPages']>;
  logger: Logger;
  settings: RunSettings;
  timing: LeaseTiming;
  /** Named points at which tests kill the process; nothing in production. */
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
  /** The signal of this run. Its time began before the claim. */
  budget: TimeBudget;
  observedAt: string;
  dryRun: boolean;
  acceptMassClear: boolean;
  signal: AbortSignal;
  /** More statements for the transaction of the publish. */
  alongside?: PublishHooks['alongside'];
  onProgress: (progress: WalkProgress) => void;
};

export type RunResult = {
  published: Published | null;
  facts: RunFacts;
  expectedUnseen: number | null;
  error: OperatorError | null;
  phases: Phases;
};

const RECORD_GRACE_MS = 10_000;

/** Does not throw the errors that a run may meet: they are recorded, and are in the result. */
export async function runSync(deps: RunDeps, options: RunOptions): Promise<RunResult> {
  const { lease } = options;
  const tally = createTally();
  let published: Published | null = null;
  let error: OperatorError | null;
  try {
    await deps.failpoint?.('claimed');
    published = await lookAndPublish(deps, options, tally);
    error = published.guard;
    await deps.failpoint?.('published');
  } catch (thrown) {
    error = await findCause(deps.pool, lease, explain(thrown));
    // This may wait for another account's publish, but not for long when the run was told to stop, or is out of time.
    const grace = startGrace(AbortSignal.any([options.signal, options.budget.over]), RECORD_GRACE_MS);
    await recordFailure(deps.pool, lease, tally.facts(), error, options.dryRun, grace.over)
      .catch((failure: unknown) => {
        // The lease expires on its own, and the next run records this run as abandoned.
        deps.logger.warn({ err: failure }, 'could not record the failed run');
      })
      .finally(() => grace.end());
  }
  const facts = tally.facts();
  return { published, facts, expectedUnseen: tally.expectedUnseen(), error, phases: tally.phases() };
}

/** Look, decide, publish, with heartbeats until the publish locks the lease. */
async function lookAndPublish(deps: RunDeps, options: RunOptions, tally: Tally): Promise<Published> {
  const { budget } = options;
  const abort = new AbortController();
  const over = AbortSignal.any([options.signal, abort.signal, budget.over]);
  const stop = AbortSignal.any([over, budget.lookOver]);
  let progress: WalkProgress | Record<string, never> = {};
  const heart = startHeartbeat(deps, options.lease, abort, () => progress);
  const onProgress = (now: WalkProgress) => {
    progress = now;
    options.onProgress(now);
  };
  try {
    const seen = await tally.time('walkMs', () =>
      lookFor(deps, { ...options, stop, over, onProgress }, tally),
    );
    const decided = decide(seen, { ...options, maxClearedRatio: deps.settings.maxClearedRatio });
    return await tally.time('publishMs', () =>
      publishOrCount(deps, options, { seen, decided, facts: tally.facts(), beforeFence: () => heart.stop() }),
    );
  } finally {
    await heart.stop();
  }
}

async function lookFor(
  deps: RunDeps,
  run: RunOptions & { stop: AbortSignal; over: AbortSignal },
  tally: Tally,
): Promise<Seen> {
  const last = await orAborted(lastWalk(deps.pool, run.lease.accountKey), run.over);
  warnOfBudget(deps, last);
  const firstSize = firstSizeOf(last?.pageSize ?? null, run.observedAt);
  return look(deps, {
    ...run,
    firstSize,
    tally,
    timeLeft: run.budget.timeLeft,
    isOutOfTime: run.budget.isSpent,
    onWalked({ judgement, perPage }) {
      const { verdict, reasons, expectedUnseen } = judgement;
      tally.noteUnseen(expectedUnseen);
      if (verdict === 'partial') deps.logger.warn({ reasons }, 'walk is partial');
      notePaging(deps.logger, tally, last);
      if (deps.settings.perPage !== 'auto') return;
      const kept = sizeToKeep(perPage, firstSize, last?.pageSize ?? null, run.observedAt);
      if (kept !== null) tally.addEvidence({ page_size: kept });
    },
  });
}

/**
 * From here on, a signal does not stop the run at once: the publish is short, and is all or nothing. A publish that
 * takes too long after a signal is rolled back. A publish that outlasts the time of the run is rolled back as well. A
 * publish that still waits for others gives up sooner. A dry run only counts.
 */
async function publishOrCount(
  deps: RunDeps,
  options: RunOptions,
  made: { seen: Seen; decided: Decided; facts: RunFacts; beforeFence: () => Promise<void> },
): Promise<Published> {
  const grace = startGrace(options.signal, deps.timing.graceMs);
  try {
    const cancel = AbortSignal.any([grace.over, options.budget.over]);
    const onWait = (heldBy: string) =>
      deps.logger.info({ held_by: heldBy }, "waiting for another account's publish");
    const run = { ...options, ...made, cancel, endWait: options.signal, onWait };
    return options.dryRun ? await leaveUnpublished(deps.pool, run) : await publishSeen(deps, run);
  } finally {
    grace.end();
  }
}

/**
 * If there is an earlier walk, warns before the first request. The estimate assumes the same number of pages, and the
 * pace that is left now.
 */
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

/**
 * If a server begins to handle paging differently, it may hide a part of the account. People should look before that
 * does harm.
 */
function notePaging(logger: Logger, tally: Tally, last: LastWalk | null): void {
  const is = tally.facts().evidence.paging;
  if (last === null || is === undefined) return;
  const changed = pagingChanges(last.paging, is);
  if (changed.length === 0) return;
  tally.addEvidence({ paging_changed: changed });
  logger.warn(
    { changed, was: last.paging, is, since_run_id: last.runId },
    'the server handles paging differently than before',
  );
}

/**
 * These errors mean nothing if another run has taken the account over, because the state that was read is then
 * outdated. The fence would notice that, but only later.
 */
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
