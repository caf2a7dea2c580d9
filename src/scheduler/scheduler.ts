// Keeps the accounts synced. node-cron says when a slot begins, the plan says for which accounts, and the claim in the
// database says which replica runs. One loop looks at all accounts, starts runs and rests. Each account has its own
// rest, so a failing account does not hold up the others.
import { createTask, type ScheduledTask } from 'node-cron';
import pLimit from 'p-limit';
import type { Logger } from '../logger.ts';
import type { OperatorError } from '../errors.ts';
import type { FactsOfAccounts } from '../sync/claim/slot-facts.ts';
import type { SyncOutcome, SyncRequest } from '../sync/request-sync.ts';
import { createAlarm } from './alarm.ts';
import { keepSynced, type Accounts, type LoopDeps, type LoopTiming } from './keep-synced.ts';
import type { BackOff } from './plan.ts';
import { createRequests, type RunStart } from './requests.ts';
import { createSlotClock } from './slot-clock.ts';

export type SchedulerDeps = {
  schedule: string;
  timezone: string;
  accounts: Accounts;
  /** Accounts synced side by side. */
  atOnce: number;
  logger: Logger;
  facts: (accountIds: readonly string[], slot: Date | null) => Promise<FactsOfAccounts>;
  run: (request: SyncRequest) => Promise<SyncOutcome>;
  timing?: Partial<SchedulerTiming>;
  backOff?: BackOff;
};

export type SchedulerTiming = LoopTiming & {
  /** After this time a caller over HTTP gets the answer "queued". */
  queuedMs: number;
};

const TIMING: SchedulerTiming = {
  lookMs: 60_000,
  heldMs: 5_000,
  firstTroubleMs: 5_000,
  longestTroubleMs: 60_000,
  gatherMs: 500,
  freshMs: 1_000,
  queuedMs: 2_000,
};

export type Scheduler = {
  start(): void;
  /** Looks at the accounts now, because the list of them has changed. */
  wake(): void;
  /** A run outside the schedule. Resolves with how it began; rejects with the reason if it could not begin. */
  request(accountId: string): Promise<RunStart>;
  nextSlot(): Date | null;
  /** Starts no more runs, aborts those under way, and resolves when all of them have ended. */
  stop(reason: OperatorError): Promise<void>;
};

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { logger } = deps;
  const timing = { ...TIMING, ...deps.timing };
  const limit = pLimit(deps.atOnce);
  const stopping = new AbortController();
  const { signal } = stopping;
  const alarm = createAlarm();
  const slots = createSlotClock(deps, (setBackMs) => {
    logger.warn({ set_back_ms: Math.round(setBackMs) }, 'the clock was set back, the schedule starts again');
    void task.stop();
    void task.start();
  });
  const task = scheduleSlots(deps, {
    onSlot(slot) {
      slots.fire(slot);
      alarm.wake();
    },
    onMissed: () => alarm.wake(),
  });
  const shared = {
    logger,
    signal,
    run: (request: Omit<SyncRequest, 'signal'>) => runUntil(signal, deps.run, request),
    inTurn: <T>(work: () => Promise<T>) => limit(work),
  };
  const loop: LoopDeps = {
    ...shared,
    timing,
    backOff: deps.backOff,
    atOnce: deps.atOnce,
    accounts: deps.accounts,
    alarm,
    currentSlot: () => slots.current(),
    facts: deps.facts,
  };
  const requests = createRequests({ ...shared, queuedMs: timing.queuedMs });
  let loopEnds = Promise.resolve();
  return {
    start() {
      void task.start();
      loopEnds = keepSynced(loop);
    },
    wake: () => alarm.wake(),
    request: (accountId) => requests.add(accountId),
    nextSlot: () => task.getNextRun(),
    async stop(reason) {
      stopping.abort(reason);
      await task.destroy();
      alarm.wake();
      await Promise.allSettled([loopEnds, requests.settled()]);
    },
  };
}

/** The task of node-cron, not started yet. */
function scheduleSlots(
  { schedule, timezone, logger }: Pick<SchedulerDeps, 'schedule' | 'timezone' | 'logger'>,
  on: { onSlot: (slot: Date) => void; onMissed: () => void },
): ScheduledTask {
  const note = (message: string | Error) =>
    logger.warn(
      { cause: message instanceof Error ? message.message : message },
      'the schedule reports a problem',
    );
  const task = createTask(schedule, ({ date }) => on.onSlot(date), {
    timezone,
    suppressMissedWarning: true,
    logger: { info: () => undefined, debug: () => undefined, warn: note, error: note },
  });
  task.on('execution:missed', ({ date }) => {
    logger.warn({ slot: date.toISOString() }, 'a slot of the schedule was missed, checking what is due');
    on.onMissed();
  });
  return task;
}

/**
 * Each run has its own signal. Listeners that a run leaves on it are freed with the run, not at the end of the process.
 */
async function runUntil(
  signal: AbortSignal,
  run: SchedulerDeps['run'],
  request: Omit<SyncRequest, 'signal'>,
): Promise<SyncOutcome> {
  const own = new AbortController();
  const onStop = () => own.abort(signal.reason);
  if (signal.aborted) onStop();
  signal.addEventListener('abort', onStop, { once: true });
  try {
    return await run({ ...request, signal: own.signal });
  } finally {
    signal.removeEventListener('abort', onStop);
  }
}
