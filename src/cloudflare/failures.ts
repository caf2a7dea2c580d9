// How one attempt at a page can fail: the bare fact (ExchangeError), and what is to be done about it (AttemptFailure).
import type { OperatorError } from '../errors.ts';

export type FailureKind = 'throttled' | 'unavailable' | 'network' | 'timeout' | 'bad_answer' | 'final';

/** What the answer's headers said about waiting; null where they said nothing. */
export type WaitAdvice = { retryAfterMs: number | null; resetMs: number | null };

/** One attempt failed. `problem` is what a person hears if it was the last one. */
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

/** The bare fact behind an OperatorError, as its cause. Libraries' own errors are not kept: they may quote what was sent. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  /** ENOTFOUND, UND_ERR_HEADERS_TIMEOUT, HTTP_524 and the like. */
  readonly code: string;
  readonly status: number | null;

  constructor(code: string, status: number | null = null) {
    super(status === null ? 'no whole answer' : `status ${status}`);
    this.code = code;
    this.status = status;
  }

  static from(error: unknown): ExchangeError {
    if (error instanceof ExchangeError) return error;
    // undici: 407 from the proxy comes in two shapes, neither with a code of its own.
    const message = error instanceof Error ? error.message : '';
    if (/\b407\b/.test(message) && /proxy/i.test(message)) return new ExchangeError('PROXY_407');
    for (let current = error; current instanceof Error; current = current.cause) {
      const code = (current as { code?: unknown }).code;
      if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return new ExchangeError(code);
    }
    return new ExchangeError('UNKNOWN');
  }
}
