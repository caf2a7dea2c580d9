// `migrate`: bring the database up to this version, or say how far it is.
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { checkMigrations, migrate, requireMigrated } from '../db/migrate.ts';
import { plural } from './print.ts';

export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .description(
      'apply the migrations of this version, under a lock; any number of processes may do so at once',
    )
    .option('--check', 'change nothing; exit 78 when the database is behind', false)
    .action(async (options: { check: boolean }) => {
      const config = readConfig(io.source);
      const database = await openDatabase(io, config, openLogger(io, config), 'leave');
      try {
        if (options.check) {
          await requireMigrated(database.pool);
          const { applied } = await checkMigrations(database.pool);
          io.stdout.write(`up to date: ${plural(applied, 'migration')}\n`);
          return;
        }
        const { applied } = await migrate(database.pool);
        io.stdout.write(applied === 0 ? 'up to date\n' : `applied ${plural(applied, 'migration')}\n`);
      } finally {
        await database.close();
      }
    });
}
