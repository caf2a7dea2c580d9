// Estimates how long a walk still takes, from the pages done so far and the time they took. Pure. Gives no estimate
// without enough data, and ignores small changes.

export type TimeLeft = {
  /** When counting began, and how many pages were done then. */
  from: { at: number; done: number };
  done: number;
  endsAt: number | null;
};

const MIN_DONE = 5;
const MIN_MS = 3_000;
const TRIFLE_MS = 5_000;
const TRIFLE = 0.2;

/**
 * `leastMs` is the least time that the rest takes at any pace. Times are in ms, on any one clock. Counting restarts if
 * fewer pages are done than before, because another pass has begun.
 */
export function nextTimeLeft(
  before: TimeLeft | null,
  seen: { at: number; done: number; total: number | null; leastMs: number },
): TimeLeft {
  const { at, done, total, leastMs } = seen;
  if (before === null || done < before.done) return { from: { at, done }, done, endsAt: null };
  const { from, endsAt } = before;
  const elapsed = at - from.at;
  const sofar = done - from.done;
  if (total === null || sofar < MIN_DONE || elapsed < MIN_MS) return { from, done, endsAt: null };
  const left = Math.max(leastMs, (elapsed / sofar) * Math.max(0, total - done));
  const isTrifle = endsAt !== null && Math.abs(at + left - endsAt) <= Math.max(TRIFLE_MS, left * TRIFLE);
  return { from, done, endsAt: isTrifle ? endsAt : at + left };
}

/** "about 2 min left". Null if it is not known. */
export function timeLeftText({ endsAt }: TimeLeft, at: number): string | null {
  if (endsAt === null) return null;
  const seconds = (endsAt - at) / 1000;
  if (seconds <= 10) return 'a few seconds left';
  if (seconds <= 90) return `about ${Math.ceil(seconds / 10) * 10} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `about ${minutes} min left`;
  return `about ${Math.round(minutes / 30) / 2} h left`;
}
