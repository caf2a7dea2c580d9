// Reserves permits from the limit that all replicas share, and gives back unused ones. Asks one question at a time, and
// remembers the newest answer and whether the limit can be reached.
import type { Logger } from '../../logger.ts';
import type { Budget, RequestLimit } from './budget.ts';
import type { LastKnown } from './permit-rules.ts';
import type { Chunk } from './permit-stock.ts';

export type Reserved = {
  count: number;
  /** From the answer until the requests may be sent. */
  waitMs: number;
  /** How long they may be sent from then on. */
  lifeMs: number;
  /** Where to give back what is not used. */
  slice: number;
  /** Requests of all replicas in the window. */
  used: number;
  /** Until the oldest of them leaves the window. */
  resetMs: number;
};

/** Each rejects if the database does not answer within a few seconds. */
export type SharedBudget = {
  /** `want`: granted only while plenty is left. `unreserved`: sent without a permit since the last answer. */
  reserve(ask: {
    identity: string;
    windowMs: number;
    limit: number;
    need: number;
    want: number;
    unreserved: number;
    /** Null: there is no such budget yet. */
  }): Promise<Reserved | null>;
  giveBack(of: { identity: string; windowMs: number; slice: number; count: number }): Promise<void>;
  /** Blocks the requests of every replica. */
  block(of: { identity: string; windowMs: number; ms: number }): Promise<void>;
};

export type SharedBy = {
  shared: SharedBudget;
  /** Names the credentials without revealing them. They may change. */
  identity: () => string;
  /** Our share of the limit. */
  limit: () => RequestLimit;
  now: () => number;
  logger: Pick<Logger, 'info' | 'warn'>;
};

export type Reservations = {
  /** Asks, unless a question is under way. Resolves when the question is answered or has failed. */
  ask(): Promise<void>;
  isAsking(): boolean;
  /** When to try again, if the shared limit could not be reached. Null: it was reached. */
  awayUntil(): number | null;
  /** One request was sent without a permit. The next question reports it. */
  noteUnreserved(): void;
  giveBack(chunks: readonly Chunk[]): void;
  block(ms: number): void;
  lastKnown(): LastKnown | null;
  /** Whether requests need not wait for their time, as far as is known. */
  isPlenty(): boolean;
  /** The newest answer of the database. Null before the first one. */
  left(): Budget | null;
  /** Resolves when the question is answered. */
  answered(): Promise<void>;
  /** Resolves when everything is given back. */
  settled(): Promise<void>;
};

type BudgetAnswer = { used: number; resetAt: number; at: number; limit: RequestLimit };

type BudgetAsker = {
  /** `need`: waits now. `want`: would be used soon. */
  wanted: () => { need: number; want: number };
  onChunk: (chunk: Chunk) => void;
  /** A question is answered, or has failed. */
  onAnswered: () => void;
};

export function createReservations(by: SharedBy, { wanted, onChunk, onAnswered }: BudgetAsker): Reservations {
  const { shared, identity, limit, now } = by;
  const reach = createReach(by);
  const returns = createReturns(shared);
  let asking: Promise<void> | null = null;
  let last: BudgetAnswer | null = null;
  let unreserved = 0;

  async function reserve(): Promise<void> {
    const asked = limit();
    const of = { identity: identity(), windowMs: asked.windowMs };
    const reported = unreserved;
    const began = now();
    try {
      const got = await shared.reserve({
        ...of,
        limit: asked.requests,
        ...wanted(),
        unreserved: reported,
      });
      if (got === null) return reach.notYet();
      const at = now();
      unreserved -= reported;
      last = { used: got.used, resetAt: at + got.resetMs, at, limit: asked };
      // The database's time lies between the question and the answer. Either end of the life errs on the safe side.
      const until = began + got.waitMs + got.lifeMs;
      onChunk({ left: got.count, from: at + got.waitMs, until, of: { ...of, slice: got.slice } });
      reach.found();
    } catch (error) {
      reach.lost(error);
    } finally {
      asking = null;
      onAnswered();
    }
  }

  return {
    ask: () => (asking ??= reserve()),
    isAsking: () => asking !== null,
    awayUntil: () => reach.awayUntil(),
    noteUnreserved() {
      unreserved += 1;
    },
    giveBack(chunks) {
      // If the database does not learn of it, they count until they leave the window.
      if (reach.awayUntil() === null) chunks.forEach((chunk) => returns.add(chunk));
    },
    block(ms) {
      void shared.block({ identity: identity(), windowMs: limit().windowMs, ms }).catch(() => undefined);
    },
    lastKnown: () => last && { used: last.used, agoMs: now() - last.at },
    isPlenty: () => last !== null && last.used < last.limit.requests * 0.8,
    left: () => last && leftOf(last, now()),
    answered: () => asking ?? Promise.resolve(),
    settled: () => returns.settled(),
  };
}

/** After a failure, requests are sent without permits for this time. */
const AWAY_MS = 5_000;

/** Whether the shared limit can be reached. Each change is logged once. */
function createReach({ now, logger }: Pick<SharedBy, 'now' | 'logger'>) {
  let away: { retryAt: number; isTold: boolean } | null = null;
  return {
    awayUntil: () => away?.retryAt ?? null,
    found(): void {
      if (away?.isTold === true) logger.info('the shared request budget is reached again');
      away = null;
    },
    lost(error: unknown): void {
      if (away?.isTold !== true)
        logger.warn(
          { err: error },
          'the shared request budget cannot be reached: few requests go without it',
        );
      away = { retryAt: now() + AWAY_MS, isTold: true };
    },
    /** The database answers, but has no such budget yet. That is not logged. */
    notYet(): void {
      away = { retryAt: now() + AWAY_MS, isTold: away?.isTold ?? false };
    },
  };
}

/** Gives back what was not used. */
function createReturns(shared: SharedBudget) {
  let settling: Promise<unknown> = Promise.resolve();
  return {
    add({ left, of }: Chunk): void {
      if (left === 0) return;
      const given = shared.giveBack({ ...of, count: left }).catch(() => undefined);
      settling = Promise.all([settling, given]);
    },
    settled: async () => void (await settling),
  };
}

/** What is left of the limit by now. */
export function leftOf({ used, resetAt, limit: { requests, windowMs } }: BudgetAnswer, now: number): Budget {
  const resetMs = Math.max(0, resetAt - now);
  return {
    remaining: resetMs === 0 ? requests : Math.max(0, requests - used),
    resetMs,
    quota: requests,
    windowMs,
  };
}
