// Questions to the database for a caller who waits: an answer or an error within a few seconds, and never more than one
// question of a kind at a time. Distinguishes a slow database from an unreachable one.
import { databaseError } from '../db/database-errors.ts';
import type { Pool } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import type { Transaction } from '../db/transaction.ts';
import { isOperatorError, OperatorError } from '../errors.ts';

export const DATABASE_WAIT_MS = 3_000;
/**
 * For the pool of probes and scrapes: it neither waits for the connections of the runs nor uses them up. There are two
 * kinds of questions, asked one at a time. One question of each kind may still occupy its connection after its caller
 * gave up. The driver has the longest limit, so that we know what the question waited for.
 */
export const HTTP_POOL = {
  max: 4,
  queryTimeoutMs: DATABASE_WAIT_MS + 1_000,
  connectTimeoutMs: DATABASE_WAIT_MS,
};

/**
 * Throws DATABASE_SLOW if the database accepted the connection and gave no answer in time, another OperatorError for
 * other database errors, and any other error unchanged. The server ends late statements itself; aborting `cut` ends
 * them at once.
 */
export async function askDatabase<T>(
  pool: Pool,
  ms: number,
  ask: (tx: Transaction) => Promise<T>,
  cut?: AbortSignal,
): Promise<T> {
  let isConnected = false;
  const onConnected = () => (isConnected = true);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(ms, isConnected)), ms);
  });
  try {
    const limits = { statementMs: ms, lockMs: ms };
    return await Promise.race([readOnly(pool, limits, ask, { onConnected, ...(cut && { cut }) }), tooLate]);
  } catch (error) {
    const known = isOperatorError(error) ? error : (databaseError(error) ?? error);
    // The message may name who holds a lock. That is for the log, not for a probe that anyone may call.
    throw isSlow(known) ? noAnswer(ms, true, error) : known;
  } finally {
    clearTimeout(timer);
  }
}

/** The database can be reached, but statements do not end in time. */
export function isSlow(error: unknown): boolean {
  return isOperatorError(error) && (error.code === 'DATABASE_SLOW' || error.code === 'DATABASE_BUSY');
}

/**
 * Callers share one answer. This holds for all callers that ask while it is awaited, or within `keepMs` after it.
 * `keepMs` may depend on how long the answer took.
 */
export function shared<T>(
  keepMs: number | ((tookMs: number) => number),
  ask: () => Promise<T>,
): () => Promise<T> {
  let current: Promise<T> | null = null;
  return () => {
    if (current !== null) return current;
    const began = performance.now();
    const asked = ask().finally(() => {
      const ms = typeof keepMs === 'number' ? keepMs : keepMs(performance.now() - began);
      setTimeout(() => {
        current = null;
      }, ms).unref();
    });
    current = asked;
    return asked;
  };
}

function noAnswer(ms: number, isConnected: boolean, cause?: unknown): OperatorError {
  const seconds = `${ms / 1000} s`;
  return new OperatorError({
    code: isConnected ? 'DATABASE_SLOW' : 'DATABASE_UNAVAILABLE',
    happened: isConnected
      ? `The database accepted the connection, but did not answer within ${seconds}`
      : `The database did not answer within ${seconds}`,
    means: 'The state of the data is not known',
    todo: 'Check that the database is running and how busy it is',
    cause,
  });
}
