// How fast to ask. The limit is shared with the dashboard, and overdrawing it blocks every call for minutes: headers are
// believed, and beside them every request is counted here.
import {
  budgetDelay,
  countedBudget,
  shareOf,
  tightestBudget,
  windowDelay,
  type Budget,
  type RequestLimit,
} from './budget.ts';
import type { Sleep } from './retry.ts';

/**
 * What may still be asked: as the headers say, the dashboard's part included ('header'), or else of our own share of the
 * limit ('own'). `resetMs`: until the header's window ends, or our oldest request leaves ours.
 */
export type BudgetLeft = Pick<Budget, 'remaining' | 'quota' | 'resetMs'> & { source: 'header' | 'own' };

export type Pacer = {
  /** Waits until the next request may go. Resolves with the wait in ms; rejects with signal.reason. */
  turn(signal: AbortSignal): Promise<number>;
  /** Takes the budgets that an answer brought. */
  observe(budgets: readonly Budget[]): void;
  /** Holds back every request of the client. */
  pause(ms: number): void;
  /** How long that many further requests take at least, in ms. */
  estimateMs(requests: number): number;
  /** Null when nothing is known and nothing counted. */
  budgetLeft(): BudgetLeft | null;
};

/** When a request went, or will go. */
type Booking = { at: number; gone: boolean };

/**
 * One per client. `share` of the limit is ours; `limit` null counts nothing and leaves the pace to the headers. `maxWaitMs` caps
 * what a header can ask for; `now` in ms, best monotonic.
 */
export function createPacer(options: {
  sleep: Sleep;
  now: () => number;
  maxWaitMs: number;
  limit: RequestLimit | null;
  share: number;
}): Pacer {
  const { sleep, now, maxWaitMs, share } = options;
  let ceiling = options.limit && { ...options.limit, requests: shareOf(options.limit.requests, share) };
  let budgets: (Omit<Budget, 'resetMs'> & { resetAt: number })[] = [];
  /** Ascending. */
  const bookings: Booking[] = [];
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const stated = (time: number): Budget[] =>
    budgets.map(({ resetAt, ...budget }) => ({ ...budget, resetMs: resetAt - time }));

  function delay(requests: number, time: number): number {
    const starts = bookings.map(({ at }) => at);
    const sinceLastMs = time - (starts.at(-1) ?? Number.NEGATIVE_INFINITY);
    const delays = stated(time).map((budget) => budgetDelay(budget, { requests, sinceLastMs, share }));
    if (ceiling !== null) {
      const own = countedBudget(starts, ceiling, time);
      // All of the ceiling is ours.
      delays.push(budgetDelay(own, { requests, sinceLastMs, share: 1 }));
      delays.push(windowDelay(starts, ceiling, requests, time));
    }
    return Math.max(0, pausedUntil - time, ...delays);
  }

  // Booked at once, so that requests that wait at the same time line up behind each other.
  function book(): Booking {
    const time = now();
    const horizon = time - (ceiling?.windowMs ?? 0);
    while (bookings.length > 1 && bookings[0]!.gone && bookings[0]!.at <= horizon) bookings.shift();
    const last = bookings.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
    const booking = { at: Math.max(time + delay(1, time), last), gone: false };
    bookings.push(booking);
    for (const budget of budgets) budget.remaining -= 1;
    return booking;
  }

  function cancel(booking: Booking): void {
    bookings.splice(bookings.lastIndexOf(booking), 1);
    for (const budget of budgets) budget.remaining += 1;
  }

  /** A timer may have been late: what counts is when the request goes. Nobody behind it goes earlier. */
  function depart(booking: Booking): void {
    booking.gone = true;
    const at = Math.max(booking.at, now());
    for (let i = bookings.lastIndexOf(booking); i < bookings.length && bookings[i]!.at < at; i++)
      bookings[i]!.at = at;
  }

  return {
    async turn(signal) {
      signal.throwIfAborted();
      let waited = 0;
      for (;;) {
        const booking = book();
        const wait = Math.ceil(booking.at - now());
        try {
          if (wait > 0) await sleep(wait, signal);
        } catch (error) {
          cancel(booking);
          throw error;
        }
        waited += Math.max(0, wait);
        // A 429 may have come for somebody else meanwhile.
        if (pausedUntil <= booking.at) {
          depart(booking);
          return waited;
        }
        cancel(booking);
      }
    },
    observe(seen) {
      if (seen.length === 0) return;
      const time = now();
      // The server cannot have counted those that have not gone yet.
      const waiting = bookings.filter(({ gone }) => !gone).length;
      budgets = seen.map(({ resetMs, ...budget }) => ({
        ...budget,
        remaining: budget.remaining - waiting,
        resetAt: time + Math.min(resetMs, maxWaitMs),
      }));
      // Another limit for the window that is counted here is the one that holds.
      const quotas = seen.filter(({ windowMs }) => windowMs === ceiling?.windowMs).map(({ quota }) => quota);
      const quota = Math.min(...quotas.filter((q) => q !== null));
      if (ceiling !== null && Number.isFinite(quota))
        ceiling = { ...ceiling, requests: shareOf(quota, share) };
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + Math.min(ms, maxWaitMs));
    },
    estimateMs: (requests) => (requests <= 0 ? 0 : delay(requests, now())),
    budgetLeft() {
      const time = now();
      const told = tightestBudget(stated(time).filter(({ resetMs }) => resetMs > 0));
      const left =
        told ??
        (ceiling &&
          countedBudget(
            bookings.map(({ at }) => at),
            ceiling,
            time,
          ));
      if (left === null) return null;
      const { remaining, quota, resetMs } = left;
      return { remaining: Math.max(0, remaining), quota, resetMs, source: told ? 'header' : 'own' };
    },
  };
}
