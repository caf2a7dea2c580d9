// How many requests to reserve at once, and how many may go without a reservation while the database is away. Pure;
// permits.ts acts on it.
import type { RequestLimit } from './budget.ts';

export const FIRST_CHUNK = 4;
const LARGEST_CHUNK = 64;
/** A quarter: with up to four replicas, all of them together keep to the limit. */
const PART_ALONE = 1 / 4;

/** A chunk that was used up makes the next one twice as large. One that was not begins again. */
export function nextChunk(chunk: number, wasUsedUp: boolean): number {
  return wasUsedUp ? Math.min(LARGEST_CHUNK, chunk * 2) : FIRST_CHUNK;
}

/** What the database said last: so many requests of all replicas were in the window, `agoMs` ago. */
export type LastKnown = { used: number; agoMs: number };

/**
 * Requests without a reservation that one process may have in any window. What was left when the database last answered
 * is shared with others who cannot reach it. What was used leaves the window as time passes. At least one, because
 * otherwise no request would ever be sent.
 */
export function allowedAlone({ requests, windowMs }: RequestLimit, last: LastKnown | null): number {
  const used = last === null ? 0 : last.used * Math.max(0, 1 - last.agoMs / windowMs);
  return Math.max(1, Math.floor((requests - used) * PART_ALONE));
}

/** Milliseconds until another one may go. `sent`: when those without a reservation went, ascending. */
export function delayAlone(
  sent: readonly number[],
  limit: RequestLimit,
  last: LastKnown | null,
  now: number,
): number {
  const allowed = allowedAlone(limit, last);
  const inWindow = sent.filter((at) => at > now - limit.windowMs);
  if (inWindow.length < allowed) return 0;
  const leaves = inWindow[inWindow.length - allowed]! + limit.windowMs - now;
  // Meanwhile, more may be allowed.
  return Math.min(leaves, limit.windowMs / 60);
}
