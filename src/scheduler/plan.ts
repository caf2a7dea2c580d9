// Whether to sync an account now. Pure: all replicas that look at the same facts get the same answer, and the claim in
// the database settles which replica acts.
import type { SlotFacts } from '../sync/claim/slot-facts.ts';
import { CLOCK_TOLERANCE_MS } from '../time/clock-tolerance.ts';

export type Slot = {
  at: Date;
  /** Time since the slot before it, in milliseconds. */
  intervalMs: number;
  /** Whether the schedule has fired for this slot in this process. If not, the slot was found by looking back. */
  hasFired: boolean;
};

/** `held`: another run is under way. There is nothing to do unless it dies. */
export type Plan = { do: 'run' } | { do: 'rest' } | { do: 'held' } | { do: 'wait'; ms: number };

export type BackOff = { firstMs: number; longestMs: number };
const BACK_OFF: BackOff = { firstMs: 30_000, longestMs: 900_000 };

/**
 * A slot that has fired is run once. A missed slot is run only if the newest success is older than the interval. Of
 * several missed slots, only the newest is run. A failed slot is retried with back-off until the next slot begins.
 */
export function planRun(slot: Slot | null, facts: SlotFacts, limits: BackOff = BACK_OFF): Plan {
  if (slot === null || facts.isDone || facts.isRetired) return { do: 'rest' };
  const sinceSuccessMs = inThePast(facts.sinceSuccessMs);
  const isStale = sinceSuccessMs === null || sinceSuccessMs >= slot.intervalMs;
  if (!slot.hasFired && !isStale) return { do: 'rest' };
  if (facts.isHeld) return { do: 'held' };
  const ms = backOff(facts.attempts, limits) - (inThePast(facts.sinceAttemptMs) ?? Number.POSITIVE_INFINITY);
  return ms > 0 ? { do: 'wait', ms } : { do: 'run' };
}

/** A time in the future comes from a wrong clock: ignore it. */
function inThePast(sinceMs: number | null): number | null {
  return sinceMs !== null && sinceMs < -CLOCK_TOLERANCE_MS ? null : sinceMs;
}

/** The wait after this many failed attempts, in milliseconds: 30 s, doubled each time, at most 15 min. */
function backOff(attempts: number, { firstMs, longestMs }: BackOff): number {
  return attempts === 0 ? 0 : Math.min(longestMs, firstMs * 2 ** (attempts - 1));
}
