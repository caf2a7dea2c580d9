// Errors that a person can act on: a stable code, what happened, what it means, what to do, and the exit code.
// Imports nothing, so that every folder can throw them.

/** Exit codes of the command line (from sysexits.h where one fits). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 64,
  tryLater: 75,
  permission: 77,
  configuration: 78,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * Every code, and the exit code of a command that fails with it. Both are a contract: docs/runbook.md explains each
 * code, and sync_runs.error_code stores it. A code read from the database is plain text, because another version may
 * have written it.
 */
export const ERRORS = {
  UNEXPECTED: EXIT.failed,
  DATABASE_ERROR: EXIT.failed,
  EMPTY_ANSWER: EXIT.failed,
  MASS_CLEAR: EXIT.failed,
  TOO_MANY_REJECTED: EXIT.failed,
  PAGING_UNUSABLE: EXIT.failed,
  PAGING_ENDLESS: EXIT.failed,
  PAGE_REFUSED: EXIT.failed,
  REQUEST_REFUSED: EXIT.failed,
  LOOKUPS_REFUSED: EXIT.failed,
  BODY_TOO_LARGE: EXIT.failed,
  STATE_BROKEN: EXIT.failed,
  ACCOUNT_UNKNOWN: EXIT.failed,
  ACCOUNT_AMBIGUOUS: EXIT.failed,
  BEFORE_HISTORY: EXIT.failed,
  BEYOND_RETENTION: EXIT.failed,
  SNAPSHOT_NOT_FOUND: EXIT.failed,
  USER_NOT_FOUND: EXIT.failed,
  USER_AMBIGUOUS: EXIT.failed,
  RECORD_NOT_FOUND: EXIT.failed,
  RECORD_AMBIGUOUS: EXIT.failed,
  RUN_NOT_FOUND: EXIT.failed,
  EMBEDDED_INITDB: EXIT.failed,
  EMBEDDED_START: EXIT.failed,
  EMBEDDED_STOP: EXIT.failed,
  EMBEDDED_NOT_RUNNING: EXIT.failed,
  OUTPUT_FAILED: EXIT.failed,
  FEED_WENT_BACK: EXIT.failed,
  FEED_STATE_BROKEN: EXIT.failed,
  IMPORT_UNREADABLE: EXIT.failed,
  IMPORT_NOT_SUMMARY: EXIT.failed,
  IMPORT_PAGES_TWICE: EXIT.failed,
  IMPORT_OUT_OF_ORDER: EXIT.failed,
  HISTORY_EMPTY: EXIT.failed,
  HISTORY_DIFFERS: EXIT.failed,
  BACKUP_UNREADABLE: EXIT.failed,
  BACKUP_DAMAGED: EXIT.failed,
  PUBLICATION_TAKEN: EXIT.failed,

  ACCOUNT_NOT_CONFIGURED: EXIT.usage,
  FAULTS_UNKNOWN: EXIT.usage,
  TIME_IN_FUTURE: EXIT.usage,
  TIMES_SWAPPED: EXIT.usage,
  SNAPSHOTS_UNRELATED: EXIT.usage,
  SNAPSHOT_AMBIGUOUS: EXIT.usage,
  SEARCH_NEEDS_IDENTITIES: EXIT.usage,
  AS_OF_CLEARED: EXIT.usage,
  IDENTITIES_NOT_ASKED: EXIT.usage,
  EXPORT_OPTIONS: EXIT.usage,
  WATERMARK_UNKNOWN: EXIT.usage,
  WATERMARK_AMBIGUOUS: EXIT.usage,
  FUTURE_INSTANT: EXIT.usage,
  SCOPE_INVALID: EXIT.usage,
  TIMEZONE_UNKNOWN: EXIT.usage,
  IMPORT_OPTIONS: EXIT.usage,
  IMPORT_TIME_UNKNOWN: EXIT.usage,
  COPY_TARGET: EXIT.usage,
  BACKUP_EXISTS: EXIT.usage,
  CURSOR_INVALID: EXIT.usage,
  PERSON_UNCLEAR: EXIT.usage,

  ACCOUNTS_INCOMPLETE: EXIT.tryLater,
  RATE_LIMITED: EXIT.tryLater,
  CLOUDFLARE_UNAVAILABLE: EXIT.tryLater,
  BAD_ANSWER: EXIT.tryLater,
  NETWORK: EXIT.tryLater,
  CLEAR_PENDING: EXIT.tryLater,
  TIME_BUDGET: EXIT.tryLater,
  INTERRUPTED: EXIT.tryLater,
  LEASE_LOST: EXIT.tryLater,
  STATE_MOVED: EXIT.tryLater,
  COMMIT_UNKNOWN: EXIT.tryLater,
  CLOCK_BACKWARDS: EXIT.tryLater,
  DATABASE_UNAVAILABLE: EXIT.tryLater,
  DATABASE_NODE_AWAY: EXIT.tryLater,
  DATABASE_FULL: EXIT.tryLater,
  DATABASE_READ_ONLY: EXIT.tryLater,
  DATABASE_BUSY: EXIT.tryLater,
  DATABASE_SLOW: EXIT.tryLater,
  READERS_BUSY: EXIT.tryLater,
  EMBEDDED_LOCKED: EXIT.tryLater,
  FEED_LOCKED: EXIT.tryLater,
  IMPORT_BUSY: EXIT.tryLater,
  PUBLICATION_IN_USE: EXIT.tryLater,

  ACCOUNTS_NOT_LISTED: EXIT.permission,
  AUTHENTICATION_FAILED: EXIT.permission,
  PERMISSION_DENIED: EXIT.permission,
  ADDRESS_REFUSED: EXIT.permission,
  CHALLENGED: EXIT.permission,
  BLOCKED: EXIT.permission,
  IDENTITIES_DENIED: EXIT.permission,
  ROLES_DENIED: EXIT.permission,
  ROLES_MISSING: EXIT.configuration,
  PUBLICATION_DENIED: EXIT.permission,
  DATABASE_PERMISSION: EXIT.permission,

  CONFIGURATION: EXIT.configuration,
  ACCOUNT_FILE_UNUSABLE: EXIT.configuration,
  MEMORY_TOO_SMALL: EXIT.configuration,
  NODE_TOO_OLD: EXIT.configuration,
  ACCOUNT_NOT_FOUND: EXIT.configuration,
  ACCOUNT_RETIRED: EXIT.configuration,
  NOT_IN_PLAN: EXIT.configuration,
  KEY_FORMAT: EXIT.configuration,
  PAGE_SIZE_REFUSED: EXIT.configuration,
  ENDPOINT_NOT_FOUND: EXIT.configuration,
  REDIRECTED: EXIT.configuration,
  CERTIFICATE_REFUSED: EXIT.configuration,
  PROXY_REFUSED: EXIT.configuration,
  PROXY_UNUSABLE: EXIT.configuration,
  DATABASE_REFUSED: EXIT.configuration,
  DATABASE_TLS: EXIT.configuration,
  DATABASE_ENCODING: EXIT.configuration,
  DATABASE_BEHIND: EXIT.configuration,
  DATABASE_NEWER: EXIT.configuration,
  CITUS_MISSING: EXIT.configuration,
  CITUS_NODE: EXIT.configuration,
  NOT_DISTRIBUTED: EXIT.configuration,
  HISTORY_DISTRIBUTED: EXIT.configuration,
  MIGRATION_CHANGED: EXIT.configuration,
  HISTORY_COPIED: EXIT.configuration,
  HISTORY_INCOMPLETE: EXIT.configuration,
  HISTORY_EXISTS: EXIT.configuration,
  BACKUP_VERSION: EXIT.configuration,
  WAL_LEVEL: EXIT.configuration,
  IDENTITY_MODE: EXIT.configuration,
  PII_KEY_NEEDED: EXIT.configuration,
  RETENTION_UNSET: EXIT.configuration,
  HTTP_PORT_TAKEN: EXIT.configuration,
  HTTP_ADDRESS_UNUSABLE: EXIT.configuration,
  EMBEDDED_MISSING: EXIT.configuration,
  EMBEDDED_ACCOUNT: EXIT.configuration,
  EMBEDDED_FOLDER: EXIT.configuration,
  EMBEDDED_PASSWORD: EXIT.configuration,
  EMBEDDED_IMPOSTOR: EXIT.configuration,
  PSQL_MISSING: EXIT.configuration,

  // Never leaves the client: there, "the user does not exist" is an answer, not an error.
  USER_UNKNOWN: EXIT.failed,
} as const satisfies Record<string, ExitCode>;
export type ErrorCode = keyof typeof ERRORS;

export type OperatorErrorParts = {
  code: ErrorCode;
  /** What happened, one sentence without a full stop. Never a secret, an email or a name. */
  happened: string;
  /** What it means for the data, one sentence. */
  means: string;
  /** What a person does next. */
  todo: string;
  cause?: unknown;
};

/** The only error class with a message for people. Any other error that escapes is a defect. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: ErrorCode;
  readonly exit: ExitCode;
  readonly happened: string;
  readonly means: string;
  readonly todo: string;

  constructor(parts: OperatorErrorParts) {
    super(`${parts.happened}. ${parts.means}. ${parts.todo}.`, { cause: parts.cause });
    this.code = parts.code;
    this.exit = ERRORS[parts.code];
    this.happened = parts.happened;
    this.means = parts.means;
    this.todo = parts.todo;
  }
}

/** `since`: the history is whole from this instant on. Null: not known. */
export function beyondRetention(since: string | null, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'BEYOND_RETENTION',
    happened: `The history is whole since ${since ?? 'a later instant'}, and an earlier instant was asked for`,
    means: 'Older rows were deleted on purpose (RETENTION_…), so an answer would lack some of them',
    todo: `Ask for ${since ?? 'a later instant'} or later. Trends and counts of snapshots reach back further`,
    cause,
  });
}

export function isOperatorError(error: unknown): error is OperatorError {
  return error instanceof OperatorError;
}

// A chain of causes can be a cycle.
const MOST_CAUSES = 10;

/**
 * Where an error and its causes were thrown, for developers: only names and places. A message may quote anything, so
 * none is included.
 */
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

/**
 * Starts after the message, because the message may have several lines, and one of them may look like a stack frame.
 */
function framesOf({ stack = '', message }: Error): string[] {
  const start = stack.indexOf(message);
  if (start < 0) return [];
  const lines = stack.slice(start + message.length).split('\n');
  return lines.filter((line) => /^\s+at /.test(line));
}

/** For several accounts, the most serious exit code decides, in the order 78, 64, 77, 1, 75, 0. */
export function worstExit(codes: readonly ExitCode[]): ExitCode {
  const order: ExitCode[] = [EXIT.configuration, EXIT.usage, EXIT.permission, EXIT.failed, EXIT.tryLater];
  return order.find((code) => codes.includes(code)) ?? EXIT.done;
}
