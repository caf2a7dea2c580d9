// Questions to the database that somebody waits for: an answer or an error within a few seconds, and never more than
// one question of a kind at a time.
import { databaseError } from '../db/database-errors.ts';
import { isOperatorError, OperatorError } from '../errors.ts';

export const DATABASE_WAIT_MS = 3_000;
/** For the pool of probes and scrapes: it neither waits for the connections of the runs nor uses them up. */
export const HTTP_POOL = { max: 2, queryTimeoutMs: DATABASE_WAIT_MS, connectTimeoutMs: DATABASE_WAIT_MS };

/**
 * Throws an OperatorError for database errors, and any other error unchanged. A timeout does not stop the work, which
 * goes on to its own limits.
 */
export async function answerWithin<T>(ms: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(ms)), ms);
  });
  try {
    return await Promise.race([work(), tooLate]);
  } catch (error) {
    throw isOperatorError(error) ? error : (databaseError(error) ?? error);
  } finally {
    clearTimeout(timer);
  }
}

/** Callers share one answer: all that ask while it is awaited, or within `keepMs` after it. */
export function shared<T>(keepMs: number, ask: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | null = null;
  return () => {
    if (current !== null) return current;
    const asked = ask().finally(() => {
      setTimeout(() => {
        current = null;
      }, keepMs).unref();
    });
    current = asked;
    return asked;
  };
}

function noAnswer(ms: number): OperatorError {
  return new OperatorError({
    code: 'DATABASE_UNAVAILABLE',
    happened: `The database did not answer within ${ms / 1000} s`,
    means: 'The state of the data is not known',
    todo: 'Check that the database is running and how busy it is',
  });
}
