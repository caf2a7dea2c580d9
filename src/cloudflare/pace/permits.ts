// Hands out permits to send requests, in the order in which they are asked for. Permits are reserved in chunks out of
// the limit that all replicas share (`SharedBudget`, handed in). If that cannot be reached, few requests go without.
import { defaultSleep, type Sleep } from '../retry.ts';
import type { Logger } from '../../logger.ts';
import type { Budget, RequestLimit } from './budget.ts';
import { delayAlone, FIRST_CHUNK, nextChunk } from './permit-rules.ts';

export type Reserved = {
  count: number;
  /** From the answer until the requests may go. */
  waitMs: number;
  /** From then on, so long they may go. */
  lifeMs: number;
  /** Where to give back what is not used. */
  slice: number;
  /** By all replicas, in the window. */
  used: number;
  /** Until the oldest of them leaves the window. */
  resetMs: number;
};

/** Each rejects if it cannot be told within a few seconds. */
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
  /** Holds back every replica. */
  block(of: { identity: string; windowMs: number; ms: number }): Promise<void>;
};

export type Permits = {
  /** Resolves when one request may go. One that does not go then still counts. Rejects with signal.reason. */
  take(signal: AbortSignal): Promise<void>;
  block(ms: number): void;
  /** What the database said last; null before. */
  left(): Budget | null;
  /** Gives back what is not used. */
  close(): Promise<void>;
};

export type PermitsOptions = {
  shared: SharedBudget;
  /** Names the credentials without telling them. They may change. */
  identity: () => string;
  /** Our share of the limit. */
  limit: () => RequestLimit;
  sleep?: Sleep;
  now: () => number;
  logger: Pick<Logger, 'info' | 'warn'>;
};

/** After a failure, requests go without permits for this time. */
const AWAY_MS = 5_000;
/** Without a request for this time, unused permits are given back. */
const IDLE_MS = 2_000;

type Chunk = {
  left: number;
  from: number;
  until: number;
  of: { identity: string; windowMs: number; slice: number };
};
type Waiter = { go: () => void };

export function createPermits(options: PermitsOptions): Permits {
  const { shared, now, logger } = options;
  const queue: Waiter[] = [];
  let chunks: Chunk[] = [];
  let chunk = FIRST_CHUNK;
  let serving = false;
  let closed = false;
  let waitingForIdle = false;
  let lastAt = 0;
  let asking: Promise<void> | null = null;
  let last: { used: number; resetAt: number; at: number; limit: RequestLimit } | null = null;
  let away: { retryAt: number; isTold: boolean } | null = null;
  let alone: number[] = [];
  let unreported = 0;
  let settling: Promise<unknown> = Promise.resolve();
  const rest = createRest(options.sleep ?? defaultSleep);
  const idle = createRest(options.sleep ?? defaultSleep);

  async function ask(): Promise<void> {
    const limit = options.limit();
    const of = { identity: options.identity(), windowMs: limit.windowMs };
    const reporting = unreported;
    const began = now();
    try {
      const got = await shared.reserve({
        ...of,
        limit: limit.requests,
        need: Math.max(1, queue.length),
        want: Math.max(chunk, queue.length),
        unreserved: reporting,
      });
      if (got === null) {
        away = { retryAt: now() + AWAY_MS, isTold: away?.isTold ?? false };
        return;
      }
      const at = now();
      unreported -= reporting;
      last = { used: got.used, resetAt: at + got.resetMs, at, limit };
      // The database's time lies between the question and the answer. Either end of the life errs on the safe side.
      const until = began + got.waitMs + got.lifeMs;
      chunks.push({ left: got.count, from: at + got.waitMs, until, of: { ...of, slice: got.slice } });
      if (away?.isTold === true) logger.info('the shared request budget is reached again');
      away = null;
    } catch (error) {
      if (away?.isTold !== true)
        logger.warn(
          { err: error },
          'the shared request budget cannot be reached: few requests go without it',
        );
      away = { retryAt: now() + AWAY_MS, isTold: true };
    } finally {
      asking = null;
      rest.end();
    }
  }
  const askOnce = () => (asking ??= ask());

  /** Permits whose time is over are worth nothing here, but others may have them. */
  function dropExpired(): void {
    const time = now();
    const expired = chunks.filter(({ until }) => until <= time);
    if (expired.length === 0) return;
    chunks = chunks.filter(({ until }) => until > time);
    chunk = nextChunk(chunk, false);
    for (const one of expired) giveBack(one);
  }

  function giveBack({ left, of }: Chunk): void {
    // Not told, they count until they leave the window.
    if (left === 0 || away !== null) return;
    const given = shared.giveBack({ ...of, count: left }).catch(() => undefined);
    settling = Promise.all([settling, given]);
  }

  function spend(first: Chunk): void {
    first.left -= 1;
    queue.shift()!.go();
    if (first.left > 0) return;
    chunks.shift();
    chunk = nextChunk(chunk, true);
  }

  /** Before the last permits are gone, so that nobody waits for the round trip. Not while every permit has its time. */
  function askAhead(): void {
    const [first] = chunks;
    const isPlenty = last !== null && last.used < last.limit.requests * 0.8;
    if (chunks.length === 1 && isPlenty && chunk > FIRST_CHUNK && first!.left <= chunk / 4 && away === null)
      void askOnce();
  }

  function goAlone(): number {
    const time = now();
    const limit = options.limit();
    alone = alone.filter((at) => at > time - limit.windowMs);
    const known = last && { used: last.used, agoMs: time - last.at };
    const delay = delayAlone(alone, limit, known, time);
    if (delay > 0) return delay;
    alone.push(time);
    unreported += 1;
    queue.shift()!.go();
    return 0;
  }

  async function step(): Promise<void> {
    dropExpired();
    const [first] = chunks;
    if (first !== undefined) {
      const wait = first.from - now();
      if (wait > 0) return rest.take(wait);
      spend(first);
      return askAhead();
    }
    if (away === null) return askOnce();
    if (now() >= away.retryAt) void askOnce();
    const wait = goAlone();
    if (wait > 0) await rest.take(asking === null ? Math.min(wait, Math.max(1, away.retryAt - now())) : wait);
  }

  async function serve(): Promise<void> {
    if (serving) return;
    serving = true;
    while (queue.length > 0) await step();
    serving = false;
    lastAt = now();
    void untilIdle();
  }

  /** One timer for many requests, because a timer for each would cost more than a permit. */
  async function untilIdle(): Promise<void> {
    if (waitingForIdle) return;
    waitingForIdle = true;
    for (let left = IDLE_MS; left > 0 && !closed; left = lastAt + IDLE_MS - now()) await idle.take(left);
    waitingForIdle = false;
    if (!serving) giveAllBack();
  }

  function giveAllBack(): void {
    const unused = chunks;
    chunks = [];
    if (unused.length > 0) chunk = FIRST_CHUNK;
    for (const one of unused) giveBack(one);
  }

  return {
    take: (signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const leave = () => {
          queue.splice(queue.indexOf(waiter), 1);
          if (queue.length === 0) rest.end();
          reject(signal.reason as Error);
        };
        const waiter = {
          go() {
            signal.removeEventListener('abort', leave);
            resolve();
          },
        };
        signal.addEventListener('abort', leave, { once: true });
        queue.push(waiter);
        void serve();
      }),
    block(ms) {
      const of = { identity: options.identity(), windowMs: options.limit().windowMs };
      void shared.block({ ...of, ms }).catch(() => undefined);
    },
    left() {
      if (last === null) return null;
      const { used, resetAt, limit } = last;
      const resetMs = Math.max(0, resetAt - now());
      return {
        remaining: resetMs === 0 ? limit.requests : Math.max(0, limit.requests - used),
        resetMs,
        quota: limit.requests,
        windowMs: limit.windowMs,
      };
    },
    async close() {
      closed = true;
      idle.end();
      await asking;
      giveAllBack();
      await settling;
    },
  };
}

/** A sleep that can be ended early. One at a time. */
function createRest(sleep: Sleep): { take(ms: number): Promise<void>; end(): void } {
  let ending: AbortController | null = null;
  return {
    async take(ms) {
      const mine = new AbortController();
      ending = mine;
      const ended = new Promise<void>((resolve) => {
        mine.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race([sleep(ms, mine.signal).catch(() => undefined), ended]);
      if (ending === mine) ending = null;
    },
    end() {
      ending?.abort();
      ending = null;
    },
  };
}
