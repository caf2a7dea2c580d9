// Asks for a page again, always as a whole: "request + read + parse". Decides how often and how long to wait.
import { setTimeout as timer } from 'node:timers/promises';
import { DelegateBackoff, handleWhen, retry, type IRetryBackoffContext } from 'cockatiel';
import { AttemptFailure, type FailureKind } from './failures.ts';

/** Resolves after `ms`; rejects with signal.reason as soon as the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** All in milliseconds, except the numbers of attempts. */
export type Timing = {
  connectMs: number;
  /** Until the headers are there; the server builds the page in this time. */
  headersMs: number;
  /** Between two pieces of the body. */
  bodyMs: number;
  /** One attempt from the first byte sent to the last one read: against a body that drips. A large body earns more as it comes. */
  pageMs: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  /** Attempts that may fail before giving up, whatever the reason (throttling aside). */
  maxAttempts: number;
  /** Of them, timeouts on our side: each has cost a minute, and a smaller page may help. */
  maxTimeouts: number;
  /** Of them, answers that could not be read. */
  maxBadAnswers: number;
  /** Answers that told us to slow down. So many that a run's time budget ends it first. */
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
  // Told to wait for a second each time, a full block of five minutes takes 300 of them.
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
 * Milliseconds before attempt number `attempt` + 1 (`attempt` counts the failures, from 1): Retry-After if it is ahead of us, for
 * throttling the reset of the `Ratelimit` header, both capped; else exponential back-off with full jitter (`random` in [0, 1)).
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
 * `Retry-After` in milliseconds (may be negative for a date in the past), null when missing or unreadable. A date is judged by the
 * server's own `Date` header, because either clock may be wrong; by `nowMs` only without one.
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
 * Runs `attempt` until it succeeds, fails for good, or the allowance of its kind of failure is used up. Throws the failure's
 * OperatorError, or whatever else the attempt threw (signal.reason above all). `pause` holds every request of the client.
 */
export async function retryWhole<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, timing } = options;
  const allowance = createAllowance(timing);
  const mayRetry = handleWhen((error) => error instanceof AttemptFailure && allowance.isLeft());
  // Cockatiel's own delay can be neither aborted nor replaced: it is told 0, and the wait is the first thing that an attempt does.
  let waitMs = 0;
  const backoff = new DelegateBackoff<IRetryBackoffContext<unknown>>(({ result }) => {
    const failure = 'error' in result ? result.error : undefined;
    if (!(failure instanceof AttemptFailure)) return 0;
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

/** What one question may still cost: each kind of failure has a limit, and so have all of them but throttling. */
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

/** IMF-fixdate, the one form that servers may send today; Date.parse alone takes almost anything, "300x" included. */
function parseHttpDate(text: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text.trim())) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}
