// What a database error means for a person. Its own message is never shown: it may quote a value.
import { OperatorError, type ErrorCode } from '../errors.ts';
import { rootCause } from '../logger.ts';

/** Between attempts of what passes, in milliseconds: a restart of Postgres takes seconds. */
export const RESTART_PAUSES_MS = [500, 1_000, 2_000, 4_000];

type Meaning = { code: ErrorCode; happened: string; todo: string };

const TRY_LATER = 'Once it answers again, the next run succeeds; nothing has to be repaired';
const UNAVAILABLE: Meaning = {
  code: 'DATABASE_UNAVAILABLE',
  happened: 'The database does not answer',
  todo: 'Check that it runs and that DATABASE_URL names the right host and port. Once it answers, run the command again',
};

const BY_SQLSTATE: [RegExp, Meaning][] = [
  [
    /^(57P|08)/,
    { ...UNAVAILABLE, happened: 'The database is starting up, stopping, or has closed the connection' },
  ],
  [
    /^53300$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_FULL',
      happened: 'The database has no connection left',
      todo: TRY_LATER,
    },
  ],
  [
    /^53/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_FULL',
      happened: 'The database is out of disk or memory',
      todo: `Give it room. ${TRY_LATER}`,
    },
  ],
  [
    /^25006$/,
    {
      code: 'DATABASE_READ_ONLY',
      happened: 'The database is read-only',
      todo: 'DATABASE_URL names a standby, or a failover is under way: name the primary',
    },
  ],
  [
    /^(28|3D000)/,
    {
      code: 'DATABASE_REFUSED',
      happened: 'The database refused the user, the password or the database name',
      todo: 'Check DATABASE_URL',
    },
  ],
  [
    /^42501$/,
    {
      code: 'DATABASE_PERMISSION',
      happened: 'The database user lacks a permission',
      todo: "The worker needs CREATE on the database, and ownership of the schemas risk, risk_internal and risk_bi. A login for readers lacks that on purpose: use the worker's for this command",
    },
  ],
  [
    /^55P03$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_BUSY',
      happened: 'Waited too long for a lock in the database',
      todo: TRY_LATER,
    },
  ],
  [
    /^40(001|P01)$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_BUSY',
      happened: 'Other transactions of the database stood in the way, again and again',
      todo: TRY_LATER,
    },
  ],
  [
    /^57014$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_SLOW',
      happened: 'A statement took longer than it may',
      todo: TRY_LATER,
    },
  ],
];

// What the driver and its pool say without a code.
const NO_ANSWER = /^(Connection terminated|timeout e|Client has|Query read)/;

/** The OperatorError for a database error; undefined when `error` is none. */
export function databaseError(error: unknown): OperatorError | undefined {
  const root = rootCause(error);
  if (!(root instanceof Error) || root instanceof OperatorError) return undefined;
  const { code, table, constraint } = root as { code?: unknown; table?: string; constraint?: string };
  const text = typeof code === 'string' ? code : '';
  let meaning = BY_SQLSTATE.find(([pattern]) => pattern.test(text))?.[1];
  if (meaning === undefined && (/^E[A-Z_]+$/.test(text) || NO_ANSWER.test(root.message))) {
    meaning = { ...UNAVAILABLE, happened: `The database does not answer${text === '' ? '' : ` (${text})`}` };
  }
  if (meaning === undefined && /^[0-9A-Z]{5}$/.test(text)) {
    const where = [table && `table ${table}`, constraint && `constraint ${constraint}`]
      .filter(Boolean)
      .join(', ');
    meaning = {
      code: 'DATABASE_ERROR',
      happened: `The database refused a statement (SQLSTATE ${text}${where === '' ? '' : `, ${where}`})`,
      todo: 'This is a defect: report it with these words',
    };
  }
  if (meaning === undefined) return undefined;
  return new OperatorError({
    ...meaning,
    means: 'Nothing was published; the last snapshot stays as it is',
    cause: error,
  });
}

/**
 * The connection went away, or no new one is to be had as while Postgres restarts: what was under way was rolled back, or (at
 * COMMIT) may have happened.
 */
export function isConnectionLoss(error: unknown): boolean {
  const root = rootCause(error);
  if (!(root instanceof Error) || root instanceof OperatorError) return false;
  return (
    /^(08|57P|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT)/.test(sqlstateOf(root)) ||
    NO_ANSWER.test(root.message) ||
    isHostAway(root)
  );
}

/**
 * No way leads to the host, or its name is not known, as that of a container while it restarts. To whoever never had a
 * connection it is a wrong DATABASE_URL.
 */
export function isHostAway(error: unknown): boolean {
  return /^(ENOTFOUND|EAI_AGAIN|E(HOST|NET)(UNREACH|DOWN))$/.test(sqlstateOf(rootCause(error)));
}

/** The transaction was rolled back through no fault of its own and may be tried again: deadlock, serialization, lock, connection. */
export function isPassing(error: unknown): boolean {
  return /^(40P01|40001|55P03)$/.test(sqlstateOf(rootCause(error))) || isConnectionLoss(error);
}

/** A row with that key is there already. */
export function isDuplicateKey(error: unknown): boolean {
  return sqlstateOf(rootCause(error)) === '23505';
}

function sqlstateOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
