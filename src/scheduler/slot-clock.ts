// The newest slot that has begun: the schedule fired for it, or it is found by looking back. Notices when the clock was
// set back.
import { CLOCK_TOLERANCE_MS } from '../time/clock-tolerance.ts';
import { slotsBefore } from '../time/slots.ts';
import type { Slot } from './plan.ts';

export type SlotClock = {
  /** The schedule has fired for this slot. */
  fire(slot: Date): void;
  current(): Slot | null;
};

/**
 * `onSetBack` is called when the clock was set back: a timer that waits for a time of day would then wait for that time
 * again.
 */
export function createSlotClock(
  { schedule, timezone }: { schedule: string; timezone: string },
  onSetBack: (ms: number) => void,
): SlotClock {
  let fired: Date | null = null;
  const setBackMs = createSetBackMeter();
  // Looking back takes 0.2 s for a yearly schedule. So it is done once, and each later look continues where the last
  // one ended.
  let known: { until: number; slots: Date[] } = { until: Number.POSITIVE_INFINITY, slots: [] };

  /** The newest two slots that have begun, by the clock. */
  function slotsUntil(now: number): Date[] {
    const wentBack = now < known.until;
    const since = wentBack ? undefined : new Date(known.until);
    const begun = slotsBefore(schedule, timezone, new Date(now), 2, since);
    known = { until: now, slots: [...begun, ...(wentBack ? [] : known.slots)].slice(0, 2) };
    return known.slots;
  }

  return {
    fire(slot) {
      fired = slot;
    },
    current() {
      const now = Date.now();
      const back = setBackMs(now);
      if (back > CLOCK_TOLERANCE_MS) {
        fired = null;
        onSetBack(back);
      }
      return newestSlot(slotsUntil(now), fired);
    },
  };
}

function newestSlot([at, before]: readonly Date[], fired: Date | null): Slot | null {
  // If the clock was set back a little, the slot that has fired still counts.
  if (fired !== null && (at === undefined || fired > at)) return { at: fired, intervalMs: 0, hasFired: true };
  if (at === undefined) return null;
  const intervalMs = before === undefined ? 0 : at.getTime() - before.getTime();
  return { at, intervalMs, hasFired: at.getTime() === fired?.getTime() };
}

/** How far the wall clock was set back since the last call; negative if it was set forward. */
function createSetBackMeter(): (now: number) => number {
  // How far the wall clock is ahead of the monotonic clock, which cannot be set.
  let aheadMs = Date.now() - performance.now();
  return (now) => {
    const setBackMs = aheadMs - (now - performance.now());
    aheadMs -= setBackMs;
    return setBackMs;
  };
}
