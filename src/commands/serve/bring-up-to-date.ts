// Brings the database to the schema of this version before the first run, however long that takes.
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError } from '../../db/database-errors.ts';
import { migrate, requireMigrated } from '../../db/migrate.ts';
import { createRoles } from '../../db/roles.ts';
import { EXIT, isOperatorError } from '../../errors.ts';
import type { Parts } from './parts.ts';

/**
 * Waits for a database that is unreachable, or that a newer release has migrated. Both may pass, and /readyz reports
 * them. Returns false if a signal arrives first. Throws errors that a person must fix.
 */
export async function bringUpToDate(
  { io, pool, isEmbedded, logger }: Parts,
  mayMigrate: boolean,
): Promise<boolean> {
  for (let attempt = 1; !io.signal.aborted; attempt += 1) {
    try {
      if (!mayMigrate) await requireMigrated(pool);
      else {
        const { applied } = await migrate(pool);
        if (applied > 0) logger.info({ applied }, 'database migrated');
      }
      // Pages read as these roles, and on the embedded server nobody else creates them.
      if (isEmbedded) await createRoles(pool);
      return true;
    } catch (thrown) {
      const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
      if (error === undefined || (error.exit !== EXIT.tryLater && error.code !== 'DATABASE_NEWER'))
        throw thrown;
      const { code, happened, todo } = error;
      logger.error({ error_code: code, problem: happened, todo }, 'waiting for the database');
      const ms = Math.min(30_000, 1_000 * 2 ** (attempt - 1));
      await sleep(ms, undefined, { signal: io.signal }).catch(() => undefined);
    }
  }
  return false;
}
