// A lock around start and stop, so that processes that start at the same time launch one server. It saves work and
// allows a clear message. The data is safe without it: the cluster appears by one rename, and PostgreSQL locks the
// cluster itself.
import { OperatorError } from '../../errors.ts';
import { withFileLock } from '../../host/file-lock.ts';

/** Runs `work` while holding the lock. Throws EMBEDDED_LOCKED if another process holds it for longer than `waitMs`. */
export function withEmbeddedLock<T>(file: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  return withFileLock(file, waitMs, (who) => lockedError(file, who), work);
}

function lockedError(file: string, who: string): OperatorError {
  return new OperatorError({
    code: 'EMBEDDED_LOCKED',
    happened: `The embedded Postgres is locked: ${who} has been starting or stopping it for too long`,
    means: 'Nothing was changed',
    todo: `Try again. If that process hangs, end it (the lock is ${file})`,
  });
}
