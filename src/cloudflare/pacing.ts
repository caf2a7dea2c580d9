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
import { createBookings, type Booking } from './bookings.ts';
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

export type PacerOptions = {
  sleep: Sleep;
  /** In ms, best monotonic. */
  now: () => number;
  /** Caps what a header can ask for. */
  maxWaitMs: number;
  /** Null counts nothing, and leaves the pace to the headers. */
  limit: RequestLimit | null;
  /** Of the limit, this is ours. */
  share: number;
};

/** One per client. */
export function createPacer(options: PacerOptions): Pacer {
  const { sleep, now, maxWaitMs, share } = options;
  const bookings = createBookings();
  const stated = createStatedBudgets(maxWaitMs);
  let ceiling = options.limit && { ...options.limit, requests: shareOf(options.limit.requests, share) };
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const delay = (requests: number, time: number): number =>
    Math.max(
      0,
      pausedUntil - time,
      ...delaysOf({ requests, share, ceiling, starts: bookings.starts(), budgets: stated.at(time), time }),
    );

  // Booked at once, so that requests that wait at the same time line up behind each other.
  function book(): Booking {
    const time = now();
    bookings.forget(time - (ceiling?.windowMs ?? 0));
    const booking = bookings.add(time + delay(1, time));
    stated.spend(1);
    return booking;
  }

  function cancel(booking: Booking): void {
    bookings.cancel(booking);
    stated.spend(-1);
  }

  return {
    turn: (signal) =>
      waitForTurn(
        {
          now,
          sleep,
          book,
          cancel,
          depart: (booking) => bookings.depart(booking, now()),
          isPaused: ({ at }) => pausedUntil > at,
        },
        signal,
      ),
    observe(seen) {
      if (seen.length === 0) return;
      // The server cannot have counted those that have not gone yet.
      stated.replace(seen, now(), bookings.waiting());
      if (ceiling !== null) ceiling = asStated(ceiling, seen, share);
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + Math.min(ms, maxWaitMs));
    },
    estimateMs: (requests) => (requests <= 0 ? 0 : delay(requests, now())),
    budgetLeft() {
      const time = now();
      return leftOf(stated.at(time), ceiling && countedBudget(bookings.starts(), ceiling, time));
    },
  };
}

type Waiting = {
  now: () => number;
  sleep: Sleep;
  book: () => Booking;
  cancel: (booking: Booking) => void;
  depart: (booking: Booking) => void;
  /** Whether all requests are held back beyond the time that is booked. */
  isPaused: (booking: Booking) => boolean;
};

/** Returns the milliseconds that it took. */
async function waitForTurn(
  { now, sleep, book, cancel, depart, isPaused }: Waiting,
  signal: AbortSignal,
): Promise<number> {
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
    if (!isPaused(booking)) {
      depart(booking);
      return waited;
    }
    cancel(booking);
  }
}

/** Another limit for the window that is counted here is the one that holds. */
function asStated(ceiling: RequestLimit, seen: readonly Budget[], share: number): RequestLimit {
  const quotas = seen.filter(({ windowMs }) => windowMs === ceiling.windowMs).map(({ quota }) => quota);
  const quota = Math.min(...quotas.filter((q) => q !== null));
  return Number.isFinite(quota) ? { ...ceiling, requests: shareOf(quota, share) } : ceiling;
}

/** What every known limit makes the last of `requests` wait, in ms. */
function delaysOf(facts: {
  requests: number;
  share: number;
  /** Ours alone. */
  ceiling: RequestLimit | null;
  starts: readonly number[];
  budgets: readonly Budget[];
  time: number;
}): number[] {
  const { requests, share, ceiling, starts, budgets, time } = facts;
  const sinceLastMs = time - (starts.at(-1) ?? Number.NEGATIVE_INFINITY);
  const delays = budgets.map((budget) => budgetDelay(budget, { requests, sinceLastMs, share }));
  if (ceiling !== null) {
    const own = countedBudget(starts, ceiling, time);
    // All of the ceiling is ours.
    delays.push(budgetDelay(own, { requests, sinceLastMs, share: 1 }));
    delays.push(windowDelay(starts, ceiling, requests, time));
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
    /** `waiting` requests will still be counted against them. */
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
