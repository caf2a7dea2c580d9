// Opens the database for commands. Commands that only read the history also work with a role for readers.
import { readConfig, type Config } from '../../config.ts';
import { openDatabase, openLogger, type Io } from '../../context.ts';
import { databaseExists, demoDatabase } from '../../db/create-database.ts';
import { databaseError } from '../../db/database-errors.ts';
import { requireMigrated } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { isOperatorError } from '../../errors.ts';
import { readLabels } from './accounts.ts';
import { howToRun } from './how-to-run.ts';

export async function withHistory(
  io: Io,
  work: (pool: Pool, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'leave');
  try {
    const isEmbedded = config.databaseUrl === null;
    try {
      await requireMigratedIfTold(database.pool);
    } catch (error) {
      if (isEmbedded && isOperatorError(error) && error.code === 'DATABASE_BEHIND')
        await nameDemo(io, database.pool);
      throw error;
    }
    if (isEmbedded) await nameDemo(io, database.pool);
    await work(database.pool, config);
  } finally {
    await database.close();
  }
}

/** A role for readers may not see which migrations were applied. The command then continues without this check. */
async function requireMigratedIfTold(pool: Pool): Promise<void> {
  try {
    await requireMigrated(pool);
  } catch (error) {
    if (databaseError(error)?.code !== 'DATABASE_PERMISSION') throw error;
  }
}

/**
 * People look for the demo's history here. The message names it, but the command never reads it unasked: fiction must
 * not pass for data.
 */
async function nameDemo(io: Io, pool: Pool): Promise<void> {
  if ((await readLabels(pool)).length > 0 || !(await databaseExists(pool, demoDatabase))) return;
  const { quiet } = howToRun(io.source);
  io.stderr.write(
    `There is no history here. The history of the demo is in a database of its own:\n  export DATABASE_URL="$(${quiet} database url --demo)"\n`,
  );
}

/** For commands that write, or that read the worker's own tables: the schema must be the one of this version. */
export async function withDatabase(
  io: Io,
  work: (pool: Pool, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'refuse');
  try {
    await work(database.pool, config);
  } finally {
    await database.close();
  }
}
