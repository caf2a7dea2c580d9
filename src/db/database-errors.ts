// Says in plain words what a database error means. Never shows the error's own message, which may quote a value.
import { beyondRetention, OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import { connectionMeaning, SQLSTATE } from './connection/connection-errors.ts';
import { FULL, TRY_LATER, UNAVAILABLE, type Meaning } from './connection/meanings.ts';
import { describeHolders, endHolders, holdersOf } from './locks/lock-holders.ts';

/** Pauses between attempts after a temporary failure, in milliseconds. A restart of PostgreSQL takes seconds. */
export const RESTART_PAUSES_MS = [500, 1_000, 2_000, 4_000];

const BY_SQLSTATE: [RegExp, Meaning][] = [
  [
    /^53/,
    {
      ...FULL,
      happened: 'The database has no disk space or memory left',
      todo: `Free some, or give it more. ${TRY_LATER}`,
    },
  ],
  [
    /^25006$/,
    {
      code: 'DATABASE_READ_ONLY',
      happened: 'The database is read-only',
      todo: 'DATABASE_URL names a standby, a failover is under way, or default_transaction_read_only is on. Name the primary, wait for the failover, or reset the setting',
    },
  ],
  [
    /^42501$/,
    {
      code: 'DATABASE_PERMISSION',
      happened: 'The database user lacks a permission',
      todo: "The worker needs CREATE on the database, and ownership of the schemas risk, risk_internal and risk_bi. A reader's login does not have these rights, by design: use the worker's login for this command",
    },
  ],
  [
    /^55P03$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_BUSY',
      happened: 'A statement waited too long for a lock in the database',
      todo: TRY_LATER,
    },
  ],
  [
    /^40(001|P01)$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_BUSY',
      happened: 'The transaction was rolled back several times because of other transactions',
      todo: TRY_LATER,
    },
  ],
  [
    /^57014$/,
    {
      ...UNAVAILABLE,
      code: 'DATABASE_SLOW',
      happened: 'A statement exceeded its time limit',
      todo: TRY_LATER,
    },
  ],
];

export const NOTHING_PUBLISHED = 'Nothing was published; the last snapshot stays as it is';

/** The OperatorError for a database error; undefined if `error` is not one. */
export function databaseError(error: unknown): OperatorError | undefined {
  const root = rootCause(error);
  if (!(root instanceof Error) || root instanceof OperatorError) return undefined;
  const { code, table, constraint } = root as { code?: unknown; table?: string; constraint?: string };
  const text = typeof code === 'string' ? code : '';
  if (text === BEYOND_RETENTION) return refusedInstant(error);
  let meaning = connectionMeaning(root) ?? BY_SQLSTATE.find(([pattern]) => pattern.test(text))?.[1];
  if (meaning === undefined && SQLSTATE.test(text)) {
    const where = [table && `table ${table}`, constraint && `constraint ${constraint}`]
      .filter(Boolean)
      .join(', ');
    meaning = {
      code: 'DATABASE_ERROR',
      happened: `The database refused a statement (SQLSTATE ${text}${where === '' ? '' : `, ${where}`})`,
      todo: /^(XX|58|F0)/.test(text)
        ? "This is a fault of the database: read the reason in the server's log"
        : 'This is a defect: report it with this message',
    };
  }
  const holders = holdersOf(error);
  if (holders.length > 0) {
    meaning = {
      code: 'DATABASE_BUSY',
      happened: `A statement waited too long for a lock, held by ${describeHolders(holders)}`,
      todo: `${endHolders(holders)}. The next run succeeds once the lock is free`,
    };
  }
  if (meaning === undefined) return undefined;
  return new OperatorError({
    ...meaning,
    means: NOTHING_PUBLISHED,
    cause: error,
  });
}

/** Functions of risk_bi raise it for an instant whose rows were deleted. */
const BEYOND_RETENTION = 'ZT001';

function refusedInstant(error: unknown): OperatorError {
  const { detail } = rootCause(error) as { detail?: unknown };
  const since = typeof detail === 'string' && /^[\dTZ:.-]{20,30}$/.test(detail) ? detail : null;
  return beyondRetention(since, error);
}

/**
 * Whether the connection is lost, no new one can be made (for example while PostgreSQL restarts), or a node of Citus is
 * unreachable. The work in progress was rolled back. Only a COMMIT may have happened.
 */
export function isConnectionLoss(error: unknown): boolean {
  const root = rootCause(error);
  if (!(root instanceof Error) || root instanceof OperatorError) return false;
  return /^DATABASE_(UNAVAILABLE|NODE_AWAY)$/.test(connectionMeaning(root)?.code ?? '');
}

/**
 * Whether the host cannot be reached or its name is unknown, for example while a container restarts. Before the first
 * connection, this means a wrong DATABASE_URL.
 */
export function isHostAway(error: unknown): boolean {
  return /^(ENOTFOUND|EAI_AGAIN|E(HOST|NET)(UNREACH|DOWN))$/.test(sqlstateOf(rootCause(error)));
}

/**
 * Whether the transaction was rolled back for outside reasons, so that it can be retried: deadlock, serialization
 * failure, lock timeout, lost connection.
 */
export function isPassing(error: unknown): boolean {
  return /^(40P01|40001|55P03)$/.test(sqlstateOf(rootCause(error))) || isConnectionLoss(error);
}

/** Whether a table or its schema does not exist: the database was never migrated. */
export function isMissingTable(error: unknown): boolean {
  return /^(42P01|3F000)$/.test(sqlstateOf(rootCause(error)));
}

/** Whether a row with this key already exists. */
export function isDuplicateKey(error: unknown): boolean {
  return sqlstateOf(rootCause(error)) === '23505';
}

/** Whether a schema or table already exists, or another process is making it at this moment. */
export function isDuplicateObject(error: unknown): boolean {
  return /^(23505|42P06|42P07)$/.test(sqlstateOf(rootCause(error)));
}

/** NOWAIT, and another session holds the lock. */
export function isLockTaken(error: unknown): boolean {
  return sqlstateOf(rootCause(error)) === '55P03';
}

function sqlstateOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
