// Decides how fast to ask. The limit is shared with the dashboard, and exceeding it blocks every call for minutes. So
// we trust the headers, and also count every request here (known-limits.ts).
import type { Sleep } from '../retry.ts';
import { budgetDelay, shareOf, type Budget, type RequestLimit } from './budget.ts';
import { createKnownLimits, type BudgetLeft, type KnownLimits } from './known-limits.ts';
import { createPermits, type Permits } from './permits.ts';
import type { SharedBy } from './reservations.ts';

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
  /** The limit is shared with other processes. Absent: this process has it alone. */
  shared?: Pick<SharedBy, 'shared' | 'identity' | 'logger'>;
};

/** One per client. */
export function createPacer(options: PacerOptions): Pacer {
  const { sleep, now, maxWaitMs, share } = options;
  const limit = options.limit && { ...options.limit, requests: shareOf(options.limit.requests, share) };
  const known = createKnownLimits({ limit, share, maxWaitMs });
  const permits: Permits | null =
    options.shared === undefined || limit === null
      ? null
      : createPermits({ ...options.shared, limit: () => known.limit()!, sleep, now });

  /** What others have used delays this process, too. Only an estimate: each permit waits for itself. */
  function sharedDelay(requests: number): number {
    const left = permits?.left() ?? null;
    return left === null ? 0 : budgetDelay(left, { requests, sinceLastMs: 0, share: 1 });
  }

  return {
    turn: (signal) => waitForTurn({ now, sleep, known, permits }, signal),
    observe: (seen) => known.observe(seen, now()),
    pause(ms) {
      known.pause(now() + Math.min(ms, maxWaitMs));
      permits?.block(Math.min(ms, maxWaitMs));
    },
    estimateMs: (requests) =>
      requests <= 0 ? 0 : Math.max(known.delay(requests, now()), sharedDelay(requests)),
    budgetLeft: () => known.left(now()),
    close: async () => permits?.close(),
  };
}

type Waiting = {
  now: () => number;
  sleep: Sleep;
  known: KnownLimits;
  /** Null: nobody shares the limit. */
  permits: Permits | null;
};

/** Waits for a turn, and for those who share the limit. Returns how long that took, in ms. */
async function waitForTurn({ now, sleep, known, permits }: Waiting, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  let waited = 0;
  for (;;) {
    // Booked before the wait, so that waiting requests line up behind each other.
    const booking = known.book(now());
    const wait = Math.ceil(booking.at - now());
    let permitted = 0;
    try {
      if (wait > 0) await sleep(wait, signal);
      if (permits !== null && !known.isPaused(booking.at)) {
        const began = now();
        await permits.take(signal);
        permitted = now() - began;
      }
    } catch (error) {
      known.cancel(booking);
      throw error;
    }
    waited += Math.max(0, wait) + permitted;
    // During the wait, another request may have received a 429.
    if (!known.isPaused(booking.at + permitted)) {
      known.depart(booking, now());
      return waited;
    }
    known.cancel(booking);
  }
}
