// How one attempt at a page can fail: the plain fact (ExchangeError), and what to do about it (AttemptFailure).
import type { OperatorError } from '../errors.ts';

export type FailureKind = 'throttled' | 'unavailable' | 'network' | 'timeout' | 'bad_answer' | 'final';

/** What the headers of the answer said about waiting; null if they said nothing. */
export type WaitAdvice = { retryAfterMs: number | null; resetMs: number | null };

/** One attempt failed. `problem` is the error that people see if this was the last attempt. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure';
  readonly kind: FailureKind;
  readonly problem: OperatorError;
  readonly advice: WaitAdvice;

  constructor(kind: FailureKind, problem: OperatorError, advice?: WaitAdvice) {
    super(problem.code);
    this.kind = kind;
    this.problem = problem;
    this.advice = advice ?? { retryAfterMs: null, resetMs: null };
  }
}

/**
 * The plain fact behind an OperatorError, kept as its cause. Errors of libraries are not kept: they may quote the
 * request.
 */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  /** ENOTFOUND, UND_ERR_HEADERS_TIMEOUT, HTTP_524 and the like. */
  readonly code: string;
  readonly status: number | null;
  /** A clean quotation of what the server said. Null if there is nothing to quote. */
  readonly said: string | null;

  constructor(code: string, status: number | null = null, said: string | null = null) {
    super(status === null ? 'no complete answer' : `status ${status}`);
    this.code = code;
    this.status = status;
    this.said = said;
  }

  static from(error: unknown): ExchangeError {
    if (error instanceof ExchangeError) return error;
    // undici reports a 407 from the proxy in two forms, and neither has its own code.
    const message = error instanceof Error ? error.message : '';
    if (/\b407\b/.test(message) && /proxy/i.test(message)) return new ExchangeError('PROXY_407');
    for (let current = error; current instanceof Error; current = current.cause) {
      const code = (current as { code?: unknown }).code;
      if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return new ExchangeError(code);
    }
    return new ExchangeError('UNKNOWN');
  }
}
