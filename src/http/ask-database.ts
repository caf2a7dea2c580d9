// A question to the database that somebody waits for: an answer or an error within a few seconds, and never more than one
// of a kind under way, however many ask.
import { databaseError } from '../db/database-errors.ts';
import { isOperatorError, OperatorError } from '../errors.ts';

export const DATABASE_WAIT_MS = 3_000;
/** For the pool that answers probes and scrapes: it neither waits for the connections of the runs nor takes them. */
export const HTTP_POOL = { max: 2, queryTimeoutMs: DATABASE_WAIT_MS, connectTimeoutMs: DATABASE_WAIT_MS };

/** Throws an OperatorError for what a database may do, and anything else as it is. The work itself goes on to its own limits. */
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

/** Whoever asks while an answer is awaited gets the same one, and for `keepMs` after it, too. */
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
    means: 'What it holds is not known',
    todo: 'Check that it runs and how busy it is',
  });
}
