// Decides how fast to ask. The limit is shared with the dashboard, and exceeding it blocks every call for minutes. So
// the headers are believed, and every request is counted here as well.
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
import { createPermits, type Permits } from './permits.ts';
import type { SharedBy } from './reservations.ts';
import type { Sleep } from '../retry.ts';

/**
 * How many requests may still go. 'header': as the headers say, with the dashboard's requests included. 'own': without
 * headers, what is left of our own share of the limit. `resetMs`: the time until the header's window ends, or until our
 * oldest request leaves our own window.
 */
export type BudgetLeft = Pick<Budget, 'remaining' | 'quota' | 'resetMs'> & { source: 'header' | 'own' };

export type Pacer = {
  /** Waits until the next request may go. Resolves with the wait in ms; rejects with signal.reason. */
  turn(signal: AbortSignal): Promise<number>;
  /** Stores the budgets that an answer brought. */
  observe(budgets: readonly Budget[]): void;
  /** Holds back every request of the client for `ms`. */
  pause(ms: number): void;
  /** The least time that this many more requests take, in ms. */
  estimateMs(requests: number): number;
  /** Null if nothing is known and nothing is counted. */
  budgetLeft(): BudgetLeft | null;
  /** Gives back what was reserved and not used. */
  close(): Promise<void>;
};

export type PacerOptions = {
  sleep: Sleep;
  /** In ms, if possible monotonic. */
  now: () => number;
  /** Caps the wait that a header can ask for. */
  maxWaitMs: number;
  /** Null: nothing is counted, and only the headers set the pace. */
  limit: RequestLimit | null;
  /** Our share of the limit. */
  share: number;
  /** The limit is shared with other processes. Absent: this one has it alone. */
  shared?: Pick<SharedBy, 'shared' | 'identity' | 'logger'>;
};

/** One per client. */
export function createPacer(options: PacerOptions): Pacer {
  const { sleep, now, maxWaitMs, share } = options;
  const bookings = createBookings();
  const stated = createStatedBudgets(maxWaitMs);
  let ceiling = options.limit && { ...options.limit, requests: shareOf(options.limit.requests, share) };
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const permits: Permits | null =
    options.shared === undefined || ceiling === null
      ? null
      : createPermits({ ...options.shared, limit: () => ceiling!, sleep, now });

  const delay = (requests: number, time: number): number =>
    Math.max(
      0,
      pausedUntil - time,
      ...delaysOf({ requests, share, ceiling, starts: bookings.starts(), budgets: stated.at(time), time }),
    );

  /** What others have used delays this process, too. Only an estimate: each permit waits for itself. */
  function sharedDelay(requests: number): number {
    const left = permits?.left() ?? null;
    return left === null ? 0 : budgetDelay(left, { requests, sinceLastMs: 0, share: 1 });
  }

  // Booked before the wait, so that waiting requests line up behind each other.
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
          isPaused: (at) => pausedUntil > at,
          permit: permits === null ? null : (own) => permits.take(own),
        },
        signal,
      ),
    observe(seen) {
      if (seen.length === 0) return;
      // The server has not counted requests that have not gone yet.
      stated.replace(seen, now(), bookings.waiting());
      if (ceiling !== null) ceiling = asStated(ceiling, seen, share);
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, now() + Math.min(ms, maxWaitMs));
      permits?.block(Math.min(ms, maxWaitMs));
    },
    estimateMs: (requests) => (requests <= 0 ? 0 : Math.max(delay(requests, now()), sharedDelay(requests))),
    budgetLeft() {
      const time = now();
      return leftOf(stated.at(time), ceiling && countedBudget(bookings.starts(), ceiling, time));
    },
    close: async () => permits?.close(),
  };
}

type Waiting = {
  now: () => number;
  sleep: Sleep;
  book: () => Booking;
  cancel: (booking: Booking) => void;
  depart: (booking: Booking) => void;
  /** Whether every request is held back beyond this time. */
  isPaused: (at: number) => boolean;
  /** Waits for those who share the limit. Null: nobody does. */
  permit: ((signal: AbortSignal) => Promise<void>) | null;
};

/** Waits for a turn. Returns how long that took, in ms. */
async function waitForTurn(
  { now, sleep, book, cancel, depart, isPaused, permit }: Waiting,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  let waited = 0;
  for (;;) {
    const booking = book();
    const wait = Math.ceil(booking.at - now());
    let permitted = 0;
    try {
      if (wait > 0) await sleep(wait, signal);
      if (permit !== null && !isPaused(booking.at)) {
        const began = now();
        await permit(signal);
        permitted = now() - began;
      }
    } catch (error) {
      cancel(booking);
      throw error;
    }
    waited += Math.max(0, wait) + permitted;
    // Another request may have received a 429 meanwhile.
    if (!isPaused(booking.at + permitted)) {
      depart(booking);
      return waited;
    }
    cancel(booking);
  }
}

/** If the headers state a different quota for the window that is counted here, their quota is the limit. */
function asStated(ceiling: RequestLimit, seen: readonly Budget[], share: number): RequestLimit {
  const quotas = seen.filter(({ windowMs }) => windowMs === ceiling.windowMs).map(({ quota }) => quota);
  const quota = Math.min(...quotas.filter((q) => q !== null));
  return Number.isFinite(quota) ? { ...ceiling, requests: shareOf(quota, share) } : ceiling;
}

/** How long each known limit makes the last of `requests` wait, in ms. */
function delaysOf(facts: {
  requests: number;
  share: number;
  /** The limit that we count, already reduced to our share. */
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
    // The ceiling is already our share of the limit.
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
