// Asks for a page again, always as a whole: "request + read + parse". Decides how often, and how long to wait.
import { setTimeout as timer } from 'node:timers/promises';
import { DelegateBackoff, handleWhen, retry, type IRetryBackoffContext } from 'cockatiel';
import { AttemptFailure, type FailureKind } from './failures.ts';

/** Resolves after `ms`; rejects with signal.reason as soon as the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** All in milliseconds, except the numbers of attempts. */
export type Timing = {
  connectMs: number;
  /** Until the headers arrive: the server builds the page in this time. */
  headersMs: number;
  /** Between two pieces of the body. */
  bodyMs: number;
  /**
   * One attempt, from the first byte sent to the last byte read. This limit stops a body that trickles in. A streamed
   * body gets more time as its bytes arrive.
   */
  pageMs: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  /** How many attempts may fail before the client gives up, for any reason except throttling. */
  maxAttempts: number;
  /** How many of them may be timeouts on our side. Each has cost a minute, and a smaller page may help. */
  maxTimeouts: number;
  /** How many of them may be unreadable answers. */
  maxBadAnswers: number;
  /** Answers that told us to slow down. The limit is so high that the time budget of a run ends it first. */
  maxThrottles: number;
  /** The longest wait that an answer can ask for. A full block lasts up to 5 minutes. */
  maxWaitMs: number;
};

export const DEFAULT_TIMING: Timing = {
  connectMs: 10_000,
  headersMs: 60_000,
  bodyMs: 30_000,
  pageMs: 120_000,
  backoffBaseMs: 2_000,
  backoffCapMs: 60_000,
  maxAttempts: 6,
  maxTimeouts: 3,
  maxBadAnswers: 4,
  // If each answer says to wait for one second, a full block of five minutes causes 300 such answers.
  maxThrottles: 1_000,
  maxWaitMs: 300_000,
};

export const defaultSleep: Sleep = async (ms, signal) => {
  try {
    await timer(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
};

/**
 * Milliseconds to wait before the next attempt. `attempt` counts the failures, from 1. Retry-After decides if it is in
 * the future. If not, and the request was throttled, the reset of the `Ratelimit` header decides. Both are capped.
 * Without both: exponential back-off with full jitter (`random` in [0, 1)).
 */
export function retryDelay(facts: {
  attempt: number;
  throttled: boolean;
  retryAfterMs: number | null;
  resetMs: number | null;
  random: number;
  timing: Pick<Timing, 'backoffBaseMs' | 'backoffCapMs' | 'maxWaitMs'>;
}): number {
  const { timing } = facts;
  const told = [facts.retryAfterMs, facts.throttled ? facts.resetMs : null].find(
    (ms) => ms !== null && ms > 0,
  );
  if (told !== null && told !== undefined) return Math.min(told, timing.maxWaitMs);
  return facts.random * Math.min(timing.backoffCapMs, timing.backoffBaseMs * 2 ** (facts.attempt - 1));
}

/**
 * `Retry-After` in milliseconds: negative for a date in the past, null if missing or unreadable. A date is compared
 * with the `Date` header of the same answer, because the clock on either side may be wrong. Only if that header is
 * missing, the date is compared with `nowMs`.
 */
export function parseRetryAfter(value: string | null, date: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000;
  const until = parseHttpDate(text);
  if (until === null) return null;
  return until - (parseHttpDate(date ?? '') ?? nowMs);
}

export type RetryOptions = {
  signal: AbortSignal;
  timing: Timing;
  sleep: Sleep;
  random: () => number;
  pause: (ms: number) => void;
  onRetry: (failure: AttemptFailure, waitMs: number) => void;
};

/**
 * Runs `attempt` until it succeeds, fails for good, or has no retry left for its kind of failure. Throws the
 * OperatorError of the failure, or anything else that the attempt threw (mostly signal.reason). `pause` holds back
 * every request of the client.
 */
export async function retryWhole<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, timing } = options;
  const allowance = createAllowance(timing);
  const mayRetry = handleWhen((error) => error instanceof AttemptFailure && allowance.isLeft());
  // Cockatiel's own delay can be neither aborted nor replaced. So it gets 0, and each attempt begins with the wait.
  let waitMs = 0;
  const backoff = new DelegateBackoff<IRetryBackoffContext<unknown>>(({ result }) => {
    // `mayRetry` lets nothing else through.
    const { error: failure } = result as { error: AttemptFailure };
    const throttled = failure.kind === 'throttled';
    const attempt = allowance.used(throttled);
    const delay = retryDelay({ ...failure.advice, attempt, throttled, random: options.random(), timing });
    options.onRetry(failure, delay);
    if (throttled) options.pause(delay);
    else waitMs = delay;
    return 0;
  });
  try {
    return await retry(mayRetry, { maxAttempts: Number.POSITIVE_INFINITY, backoff }).execute(async () => {
      if (waitMs > 0) await options.sleep(waitMs, signal);
      waitMs = 0;
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof AttemptFailure) allowance.note(error.kind);
        throw error;
      }
    });
  } catch (error) {
    throw error instanceof AttemptFailure ? error.problem : error;
  }
}

/**
 * The failures that one question may still have. Each kind has a limit, and all kinds together have one, except
 * throttling.
 */
function createAllowance(timing: Timing) {
  const seen = { throttled: 0, unavailable: 0, network: 0, timeout: 0, bad_answer: 0, final: 0 };
  const errors = () => seen.unavailable + seen.network + seen.timeout + seen.bad_answer;
  return {
    note(kind: FailureKind): void {
      seen[kind] += 1;
    },
    used: (throttled: boolean): number => (throttled ? seen.throttled : errors()),
    isLeft: (): boolean =>
      seen.final === 0 &&
      errors() < timing.maxAttempts &&
      seen.timeout < timing.maxTimeouts &&
      seen.bad_answer < timing.maxBadAnswers &&
      seen.throttled < timing.maxThrottles,
  };
}

/** IMF-fixdate, the only form that servers may send today. Date.parse alone accepts almost anything, even "300x". */
function parseHttpDate(text: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text.trim())) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}
