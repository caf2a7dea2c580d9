// Errors that a person can act on: a stable code, what happened, what it means, what to do, and the exit code.
// Imports nothing, so that every folder may throw them.

/** Exit codes of the command line (sysexits.h where one fits). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 64,
  tryLater: 75,
  permission: 77,
  configuration: 78,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export type OperatorErrorParts = {
  /** Stable, upper snake case; documented in docs/runbook.md and stored in sync_runs.error_code. */
  code: string;
  exit: ExitCode;
  /** What happened, one sentence without a full stop. Never a secret, an email or a name. */
  happened: string;
  /** What it means for the data, one sentence. */
  means: string;
  /** What a person does next. */
  todo: string;
  cause?: unknown;
};

/** The one error class that carries a message for people. Anything else that escapes is a defect. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: string;
  readonly exit: ExitCode;
  readonly happened: string;
  readonly means: string;
  readonly todo: string;

  constructor(parts: OperatorErrorParts) {
    super(`${parts.happened}. ${parts.means}. ${parts.todo}.`, { cause: parts.cause });
    this.code = parts.code;
    this.exit = parts.exit;
    this.happened = parts.happened;
    this.means = parts.means;
    this.todo = parts.todo;
  }
}

export function isOperatorError(error: unknown): error is OperatorError {
  return error instanceof OperatorError;
}

// A chain of causes may close into a ring.
const MOST_CAUSES = 10;

/** Where an error and its causes came from, for developers: names and places. No message, because one may quote anything. */
export function stackOf(error: unknown): string {
  const parts: string[] = [];
  let cause = error;
  while (cause instanceof Error && parts.length < MOST_CAUSES) {
    const name = parts.length === 0 ? cause.name : `caused by ${cause.name}`;
    parts.push([name, ...framesOf(cause)].join('\n'));
    cause = cause.cause;
  }
  return parts.join('\n');
}

/** A message may have several lines, and one of them may look like a place. */
function framesOf({ stack = '', message }: Error): string[] {
  const start = stack.indexOf(message);
  if (start < 0) return [];
  const lines = stack.slice(start + message.length).split('\n');
  return lines.filter((line) => /^\s+at /.test(line));
}

/** Over several accounts the gravest that occurred decides: 78, 77, 1, 75, 0. */
export function worstExit(codes: readonly ExitCode[]): ExitCode {
  const order: ExitCode[] = [EXIT.configuration, EXIT.usage, EXIT.permission, EXIT.failed, EXIT.tryLater];
  return order.find((code) => codes.includes(code)) ?? EXIT.done;
}
