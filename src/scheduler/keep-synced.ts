// The loop of one account: looks, acts, and rests until there may be something to do. After an error it rests longer.
import type { Logger } from '../logger.ts';
import type { SlotFacts } from '../sync/claim/slot-facts.ts';
import type { SyncOutcome, SyncRequest } from '../sync/request-sync.ts';
import type { Alarm } from './alarm.ts';
import { planRun, type BackOff, type Slot } from './plan.ts';
import { troubleFields } from './trouble.ts';

export type LoopTiming = {
  /** How often an account with nothing to do is looked at. This finds a slot whose trigger was lost. */
  lookMs: number;
  /** How often an account is looked at while another process syncs it: that process may die. */
  heldMs: number;
  firstTroubleMs: number;
  longestTroubleMs: number;
};

export type LoopDeps = {
  timing: LoopTiming;
  backOff: BackOff | undefined;
  logger: Pick<Logger, 'error' | 'isLevelEnabled'>;
  signal: AbortSignal;
  alarm: Pick<Alarm, 'rings' | 'rest'>;
  currentSlot: () => Slot | null;
  facts: (accountId: string, slot: Date | null) => Promise<SlotFacts>;
  run: (request: Omit<SyncRequest, 'signal'>) => Promise<SyncOutcome>;
  /** Waits until there is room for another account. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
};

/** Resolves when `signal` is aborted and no run is under way. */
export async function keepSynced(deps: LoopDeps, accountId: string): Promise<void> {
  const { signal, alarm } = deps;
  const trouble = createTrouble(deps);
  while (!signal.aborted) {
    const ringsBefore = alarm.rings();
    let pauseMs: number;
    try {
      pauseMs = await deps.inTurn(() => look(deps, accountId));
      trouble.over();
    } catch (error) {
      if (signal.aborted) return;
      pauseMs = trouble.met(error);
    }
    // If a slot fired meanwhile, do not rest.
    if (alarm.rings() === ringsBefore) await alarm.rest(jittered(pauseMs));
  }
}

/** Looks at one account, runs it if it is due, and returns how long to rest, in milliseconds. */
async function look(deps: LoopDeps, accountId: string): Promise<number> {
  const { timing } = deps;
  if (deps.signal.aborted) return 0;
  const slot = deps.currentSlot();
  const plan = planRun(slot, await deps.facts(accountId, slot?.at ?? null), deps.backOff);
  if (plan.do === 'wait') return Math.min(plan.ms, timing.lookMs);
  if (plan.do === 'rest' || slot === null) return timing.lookMs;
  const outcome = await deps.run({ accountId, trigger: 'cron', scheduledFor: slot.at });
  if (outcome.kind === 'already_running') return timing.heldMs;
  // After a failed run the account is looked at again at once: the database then says how long to wait.
  return outcome.kind === 'ran' && outcome.result.error !== null ? 0 : timing.lookMs;
}

/**
 * The longer errors last, the more rarely the account is looked at. Each kind of error is logged once: a database that
 * is down for a night is one line, not a thousand. A database that refuses us, such as after a change of the password,
 * is logged each time: a person must act, and no run can be recorded.
 */
function createTrouble({ timing, logger }: Pick<LoopDeps, 'timing' | 'logger'>) {
  let times = 0;
  let lastCode = '';
  return {
    over() {
      times = 0;
      lastCode = '';
    },
    /** Returns how long to rest, in milliseconds. */
    met(error: unknown): number {
      times += 1;
      const fields = troubleFields(error, logger);
      const isLasting = /^DATABASE_(REFUSED|TLS|PERMISSION)$/.test(fields.error_code);
      if (isLasting || fields.error_code !== lastCode)
        logger.error(fields, 'account cannot be synced now, trying again');
      lastCode = fields.error_code;
      return Math.min(timing.longestTroubleMs, timing.firstTroubleMs * 2 ** (times - 1));
    },
  };
}

/** Without it, replicas that started together would always ask together. */
function jittered(ms: number): number {
  return ms * (0.8 + 0.4 * Math.random());
}
