// Whether an account is to be synced now. Pure: every replica that looks at the same facts comes to the same answer, and the
// claim in the database settles who acts on it.
import type { SlotFacts } from '../sync/claim/slot-facts.ts';
import { CLOCK_TOLERANCE_MS } from '../time/clock-tolerance.ts';

export type Slot = {
  at: Date;
  /** Time since the slot before it, in milliseconds. */
  intervalMs: number;
  /** The schedule has fired for it in this process; otherwise it was found on looking back. */
  hasFired: boolean;
};

export type Plan = { do: 'run' } | { do: 'rest' } | { do: 'wait'; ms: number };

export type BackOff = { firstMs: number; longestMs: number };
const BACK_OFF: BackOff = { firstMs: 30_000, longestMs: 900_000 };

/**
 * A slot that has fired is run once. One that was missed is made up for when the newest success is older than the interval, and
 * then only the newest: many missed slots are one run. A failed one is tried again with back-off until the next slot comes.
 */
export function planRun(slot: Slot | null, facts: SlotFacts, limits: BackOff = BACK_OFF): Plan {
  if (slot === null || facts.isDone) return { do: 'rest' };
  const sinceSuccessMs = inThePast(facts.sinceSuccessMs);
  const isStale = sinceSuccessMs === null || sinceSuccessMs >= slot.intervalMs;
  if (!slot.hasFired && !isStale) return { do: 'rest' };
  const ms = backOff(facts.attempts, limits) - (inThePast(facts.sinceAttemptMs) ?? Number.POSITIVE_INFINITY);
  return ms > 0 ? { do: 'wait', ms } : { do: 'run' };
}

/** A time in the future comes from a wrong clock: ignore it. */
function inThePast(sinceMs: number | null): number | null {
  return sinceMs !== null && sinceMs < -CLOCK_TOLERANCE_MS ? null : sinceMs;
}

/** After so many failed attempts, in milliseconds: 30 s, doubled each time, 15 min at most. */
function backOff(attempts: number, { firstMs, longestMs }: BackOff): number {
  return attempts === 0 ? 0 : Math.min(longestMs, firstMs * 2 ** (attempts - 1));
}
