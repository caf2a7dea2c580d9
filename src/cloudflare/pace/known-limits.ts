// Keeps the known request limits: what the headers stated, what was counted here, and how long a 429 blocks requests.
// Says when the next request may be sent. Has no clock and never waits: pacing.ts does.
import { createBookings, type Booking } from './bookings.ts';
import {
  budgetDelay,
  countedBudget,
  shareOf,
  tightestBudget,
  windowDelay,
  type Budget,
  type RequestLimit,
} from './budget.ts';

/**
 * How many requests may still be sent. 'header': as the headers say, with the dashboard's requests included. 'own':
 * without headers, what is left of our own share of the limit. `resetMs`: the time until the header's window ends, or
 * until our oldest request leaves our own window.
 */
export type BudgetLeft = Pick<Budget, 'remaining' | 'quota' | 'resetMs'> & { source: 'header' | 'own' };

/** Times and waits in ms. */
export type KnownLimits = {
  /** Books the next request for the time at which it may go. */
  book(time: number): Booking;
  cancel(booking: Booking): void;
  /** The request is sent now. */
  depart(booking: Booking, time: number): void;
  /** Stores the budgets that an answer brought. */
  observe(budgets: readonly Budget[], time: number): void;
  /** Holds back every request until then. */
  pause(until: number): void;
  /** Whether every request is held back beyond this time. */
  isPaused(time: number): boolean;
  /** How long the last of this many more requests waits. */
  delay(requests: number, time: number): number;
  /** Our share of the limit that is counted; null: nothing is counted. */
  limit(): RequestLimit | null;
  /** Null if nothing is known and nothing is counted. */
  left(time: number): BudgetLeft | null;
};

/** `limit`: already reduced to our share. `maxWaitMs` caps the wait that a header can ask for. */
export function createKnownLimits(options: {
  limit: RequestLimit | null;
  share: number;
  maxWaitMs: number;
}): KnownLimits {
  const { share, maxWaitMs } = options;
  const bookings = createBookings();
  const stated = createStatedBudgets(maxWaitMs);
  let limit = options.limit;
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const delay = (requests: number, time: number): number =>
    Math.max(
      0,
      pausedUntil - time,
      ...delaysOf({ requests, share, limit, starts: bookings.starts(), budgets: stated.at(time), time }),
    );

  return {
    book(time) {
      bookings.forget(time - (limit?.windowMs ?? 0));
      const booking = bookings.add(time + delay(1, time));
      stated.spend(1);
      return booking;
    },
    cancel(booking) {
      bookings.cancel(booking);
      stated.spend(-1);
    },
    depart: (booking, time) => bookings.depart(booking, time),
    observe(seen, time) {
      if (seen.length === 0) return;
      // The server has not counted requests that have not been sent yet.
      stated.replace(seen, time, bookings.waiting());
      if (limit !== null) limit = asStated(limit, seen, share);
    },
    pause(until) {
      pausedUntil = Math.max(pausedUntil, until);
    },
    isPaused: (time) => pausedUntil > time,
    delay,
    limit: () => limit,
    left: (time) => leftOf(stated.at(time), limit && countedBudget(bookings.starts(), limit, time)),
  };
}

/** If the headers state a different quota for the window that is counted here, their quota is the limit. */
function asStated(limit: RequestLimit, seen: readonly Budget[], share: number): RequestLimit {
  const quotas = seen.filter(({ windowMs }) => windowMs === limit.windowMs).map(({ quota }) => quota);
  const quota = Math.min(...quotas.filter((q) => q !== null));
  return Number.isFinite(quota) ? { ...limit, requests: shareOf(quota, share) } : limit;
}

/** How long each known limit makes the last of `requests` wait, in ms. */
function delaysOf(facts: {
  requests: number;
  share: number;
  /** The limit that we count, already reduced to our share. */
  limit: RequestLimit | null;
  starts: readonly number[];
  budgets: readonly Budget[];
  time: number;
}): number[] {
  const { requests, share, limit, starts, budgets, time } = facts;
  const sinceLastMs = time - (starts.at(-1) ?? Number.NEGATIVE_INFINITY);
  const delays = budgets.map((budget) => budgetDelay(budget, { requests, sinceLastMs, share }));
  if (limit !== null) {
    const own = countedBudget(starts, limit, time);
    // The limit is already our share.
    delays.push(budgetDelay(own, { requests, sinceLastMs, share: 1 }));
    delays.push(windowDelay(starts, limit, requests, time));
  }
  return delays;
}

function leftOf(stated: readonly Budget[], counted: Budget | null): BudgetLeft | null {
  const told = tightestBudget(stated.filter(({ resetMs }) => resetMs > 0));
  const left = told ?? counted;
  if (left === null) return null;
  const { remaining, quota, resetMs } = left;
  return { remaining: Math.max(0, remaining), quota, resetMs, source: told ? 'header' : 'own' };
}

/** The budgets that the newest answer stated, counted down until the next one. */
function createStatedBudgets(maxWaitMs: number) {
  let budgets: (Omit<Budget, 'resetMs'> & { resetAt: number })[] = [];
  return {
    /** `waiting`: requests that the server has not counted yet. */
    replace(seen: readonly Budget[], time: number, waiting: number): void {
      budgets = seen.map(({ resetMs, ...budget }) => ({
        ...budget,
        remaining: budget.remaining - waiting,
        resetAt: time + Math.min(resetMs, maxWaitMs),
      }));
    },
    spend(requests: number): void {
      for (const budget of budgets) budget.remaining -= requests;
    },
    at: (time: number): Budget[] =>
      budgets.map(({ resetAt, ...budget }) => ({ ...budget, resetMs: resetAt - time })),
  };
}
