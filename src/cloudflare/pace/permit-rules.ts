// How many requests to reserve at once, and how many may be sent without a reservation while the database is
// unreachable. Pure; permits.ts acts on it.
import type { RequestLimit } from './budget.ts';

export const FIRST_CHUNK = 4;
const LARGEST_CHUNK = 64;
/** A quarter: up to four replicas together keep to the limit. */
const PART_ALONE = 1 / 4;

/** If a chunk was used up, the next one is twice as large. If it was not, the next one has the first size again. */
export function nextChunk(chunk: number, wasUsedUp: boolean): number {
  return wasUsedUp ? Math.min(LARGEST_CHUNK, chunk * 2) : FIRST_CHUNK;
}

/** The last answer of the database: all replicas had `used` requests in the window, `agoMs` ago. */
export type LastKnown = { used: number; agoMs: number };

/**
 * How many requests one process may send without a reservation in any window. What was left when the database last
 * answered is shared with other replicas that cannot reach it. Used requests leave the window as time passes. At least
 * one, because otherwise no request would ever be sent.
 */
export function allowedAlone({ requests, windowMs }: RequestLimit, last: LastKnown | null): number {
  const used = last === null ? 0 : last.used * Math.max(0, 1 - last.agoMs / windowMs);
  return Math.max(1, Math.floor((requests - used) * PART_ALONE));
}

/**
 * Milliseconds until another request without a reservation may be sent. `sent`: when such requests were sent,
 * ascending.
 */
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
  // Look again soon: more may be allowed before then.
  return Math.min(leaves, limit.windowMs / 60);
}
