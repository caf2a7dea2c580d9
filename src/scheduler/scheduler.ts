// Keeps the accounts synced: node-cron says when a slot begins, the plan says for whom, the claim in the database says which
// replica. Each account has a loop of its own that looks, acts and rests, so that one that fails holds up no other.
import { setTimeout as sleep } from 'node:timers/promises';
import { createTask, type ScheduledTask } from 'node-cron';
import pLimit from 'p-limit';
import { errorFields, withLogFields, type Logger } from '../logger.ts';
import { isOperatorError, type OperatorError } from '../errors.ts';
import { CLOCK_TOLERANCE_MS } from '../time/clock-tolerance.ts';
import { slotsBefore } from '../time/slots.ts';
import type { SlotFacts } from '../sync/claim/slot-facts.ts';
import type { SyncOutcome, SyncRequest } from '../sync/request-sync.ts';
import { planRun, type BackOff, type Slot } from './plan.ts';

export type SchedulerDeps = {
  schedule: string;
  timezone: string;
  accountIds: readonly string[];
  /** Accounts synced side by side. */
  atOnce: number;
  logger: Logger;
  facts: (accountId: string, slot: Date | null) => Promise<SlotFacts>;
  run: (request: SyncRequest) => Promise<SyncOutcome>;
  timing?: Partial<SchedulerTiming>;
  backOff?: BackOff;
};

export type SchedulerTiming = {
  /** How often an account that needs nothing is looked at: a slot whose trigger was lost is found by it. */
  lookMs: number;
  /** How often one that another process is syncing is looked at: that process may die. */
  heldMs: number;
  firstTroubleMs: number;
  longestTroubleMs: number;
  /** A caller over HTTP is told "queued" after it, rather than kept waiting. */
  queuedMs: number;
};

const TIMING: SchedulerTiming = {
  lookMs: 60_000,
  heldMs: 5_000,
  firstTroubleMs: 5_000,
  longestTroubleMs: 60_000,
  queuedMs: 2_000,
};

export type RunStart =
  | { status: 'started'; run_id: number }
  | { status: 'already_running'; run_id: number; since: string; host: string }
  /** Others are ahead of it. */
  | { status: 'queued' };

export type Scheduler = {
  start(): void;
  /** A run outside the schedule. Says how it began; rejects with what kept it from beginning. */
  request(accountId: string): Promise<RunStart>;
  nextSlot(): Date | null;
  /** Triggers nothing more, aborts what runs, and resolves when all of it has ended. */
  stop(reason: OperatorError): Promise<void>;
};

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { schedule, timezone, logger } = deps;
  const timing = { ...TIMING, ...deps.timing };
  const limit = pLimit(deps.atOnce);
  const stopping = new AbortController();
  const { signal } = stopping;
  const requested = new Map<string, Promise<unknown>>();
  const loops: Promise<void>[] = [];
  const sleepers = new Set<() => void>();
  let wakes = 0;
  let fired: Date | null = null;
  const task: ScheduledTask = createTask(schedule, ({ date }) => wake(date), {
    timezone,
    suppressMissedWarning: true,
    logger: { info: () => undefined, debug: () => undefined, warn: note, error: note },
  });
  task.on('execution:missed', ({ date }) => {
    logger.warn({ slot: date.toISOString() }, 'a slot of the schedule was missed, looking what is due');
    wake(null);
  });

  function note(message: string | Error): void {
    logger.warn(
      { cause: message instanceof Error ? message.message : message },
      'the schedule is in trouble',
    );
  }

  function wake(slot: Date | null): void {
    if (slot !== null) fired = slot;
    wakes += 1;
    for (const end of sleepers) end();
  }

  /** Until `wake`. No AbortSignal.any: in a year of minutes, too much would gather on the one that lives as long. */
  function rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        sleepers.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      sleepers.add(end);
    });
  }

  async function keepSynced(accountId: string): Promise<void> {
    let trouble = 0;
    let lastTrouble = '';
    while (!signal.aborted) {
      const wakesBefore = wakes;
      let pauseMs: number;
      try {
        pauseMs = await limit(() => look(accountId));
        trouble = 0;
        lastTrouble = '';
      } catch (error) {
        if (signal.aborted) return;
        trouble += 1;
        pauseMs = Math.min(timing.longestTroubleMs, timing.firstTroubleMs * 2 ** (trouble - 1));
        const fields = troubleFields(error, logger);
        // Once for each kind of trouble: a database that is away for a night is one line, not a thousand.
        if (fields.error_code !== lastTrouble)
          logger.error(fields, 'account cannot be synced now, trying again');
        lastTrouble = fields.error_code;
      }
      // A slot that fired meanwhile must not be slept through.
      if (wakes === wakesBefore) await rest(jittered(pauseMs));
    }
  }

  /** Each run has a signal of its own: what it leaves on it goes with it, and not with the process. */
  async function run(request: Omit<SyncRequest, 'signal'>): Promise<SyncOutcome> {
    const own = new AbortController();
    const onStop = () => own.abort(signal.reason);
    if (signal.aborted) onStop();
    signal.addEventListener('abort', onStop, { once: true });
    try {
      return await deps.run({ ...request, signal: own.signal });
    } finally {
      signal.removeEventListener('abort', onStop);
    }
  }

  /** Looks at one account, runs it when it is due, and says how long to rest. */
  async function look(accountId: string): Promise<number> {
    if (signal.aborted) return 0;
    const slot = currentSlot();
    const plan = planRun(slot, await deps.facts(accountId, slot?.at ?? null), deps.backOff);
    if (plan.do === 'wait') return Math.min(plan.ms, timing.lookMs);
    if (plan.do === 'rest' || slot === null) return timing.lookMs;
    const outcome = await run({ accountId, trigger: 'cron', scheduledFor: slot.at });
    if (outcome.kind === 'already_running') return timing.heldMs;
    // What failed is looked at again at once: the database says how long to wait.
    return outcome.kind === 'ran' && outcome.result.error !== null ? 0 : timing.lookMs;
  }

  // How far the wall clock is ahead of the one that nobody sets.
  let wallAheadMs = Date.now() - performance.now();

  /** Whoever has waited for a time would wait for it again: node-cron, and the slot that has fired. */
  function heedClock(now: number): void {
    const setBackMs = wallAheadMs - (now - performance.now());
    wallAheadMs -= setBackMs;
    if (setBackMs <= CLOCK_TOLERANCE_MS) return;
    logger.warn({ set_back_ms: Math.round(setBackMs) }, 'the clock was set back, the schedule begins anew');
    fired = null;
    void task.stop();
    void task.start();
  }

  // Looking back takes 0.2 s for a yearly schedule: done once, and then from where the last look ended.
  let known: { until: number; slots: Date[] } = { until: Number.POSITIVE_INFINITY, slots: [] };

  /** The newest slot that has begun. */
  function currentSlot(): Slot | null {
    const now = Date.now();
    heedClock(now);
    const wentBack = now < known.until;
    const since = wentBack ? undefined : new Date(known.until);
    const begun = slotsBefore(schedule, timezone, new Date(now), 2, since);
    known = { until: now, slots: [...begun, ...(wentBack ? [] : known.slots)].slice(0, 2) };
    const [at, before] = known.slots;
    // A clock that was set back a little does not undo the slot that has fired.
    if (fired !== null && (at === undefined || fired > at))
      return { at: fired, intervalMs: 0, hasFired: true };
    if (at === undefined) return null;
    const intervalMs = before === undefined ? 0 : at.getTime() - before.getTime();
    return { at, intervalMs, hasFired: at.getTime() === fired?.getTime() };
  }

  return {
    start() {
      void task.start();
      for (const accountId of deps.accountIds)
        loops.push(withLogFields({ account_id: accountId }, () => keepSynced(accountId)));
    },
    async request(accountId) {
      if (requested.has(accountId)) return { status: 'queued' };
      const { promise: claimed, resolve } = Promise.withResolvers<RunStart>();
      const running = limit(async () => {
        const outcome = await run({
          accountId,
          trigger: 'http',
          onClaimed: (lease) => resolve({ status: 'started', run_id: lease.runId }),
        });
        if (outcome.kind === 'already_running') {
          const { runId, startedAt, host } = outcome.holder;
          resolve({ status: 'already_running', run_id: runId, since: startedAt.toISOString(), host });
        }
      });
      requested.set(accountId, running);
      let isAnswered = false;
      const over = () => requested.delete(accountId);
      running.then(over, (error: unknown) => {
        over();
        // Being told to stop is no trouble.
        const level = signal.aborted ? 'warn' : 'error';
        if (isAnswered)
          logger[level]({ account_id: accountId, ...troubleFields(error, logger) }, 'requested run failed');
      });
      const ahead = new AbortController();
      try {
        const queued = sleep(timing.queuedMs, { status: 'queued' } as const, { signal: ahead.signal });
        queued.catch(() => undefined);
        return await Promise.race([claimed, queued, running.then(() => claimed)]);
      } finally {
        isAnswered = true;
        ahead.abort();
      }
    },
    nextSlot: () => task.getNextRun(),
    async stop(reason) {
      stopping.abort(reason);
      await task.destroy();
      wake(null);
      await Promise.allSettled([...loops, ...requested.values()]);
    },
  };
}

function troubleFields(error: unknown, logger: Pick<Logger, 'isLevelEnabled'>) {
  return isOperatorError(error)
    ? { error_code: error.code, problem: error.happened }
    : { error_code: 'UNEXPECTED', ...errorFields(error, logger.isLevelEnabled('debug')) };
}

/** Replicas that were started together would otherwise ask together for ever. */
function jittered(ms: number): number {
  return ms * (0.8 + 0.4 * Math.random());
}
