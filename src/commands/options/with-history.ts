// What the commands that ask the history have in common: a database that a role for readers may read.
import { readConfig, type Config } from '../../config.ts';
import { openDatabase, openLogger, type Io } from '../../context.ts';
import { databaseError } from '../../db/database-errors.ts';
import { requireMigrated } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';

export async function withHistory(
  io: Io,
  work: (pool: Pool, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'leave');
  try {
    await requireMigratedIfTold(database.pool);
    await work(database.pool, config);
  } finally {
    await database.close();
  }
}

/** A role for reading may not see which migrations were applied: then the history itself must do. */
async function requireMigratedIfTold(pool: Pool): Promise<void> {
  try {
    await requireMigrated(pool);
  } catch (error) {
    if (databaseError(error)?.code !== 'DATABASE_PERMISSION') throw error;
  }
}

/** For commands that write, or that read what the worker keeps for itself: the schema must be that of this version. */
export async function withDatabase(io: Io, work: (pool: Pool) => Promise<void>): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'refuse');
  try {
    await work(database.pool);
  } finally {
    await database.close();
  }
}
