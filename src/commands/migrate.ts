// `migrate`: brings the database to this version, or reports how far behind it is; makes the roles for readers.
import { Command, Option } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { checkMigrations, migrate, requireMigrated } from '../db/migrate.ts';
import { createRoles, PII_READER, READER, READER_SETTINGS } from '../db/roles.ts';
import { plural } from '../words.ts';

export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .description('apply the migrations of this version under a lock; several processes may run it at once')
    .addOption(
      new Option('--check', 'change nothing; exit 78 when the database is behind')
        .default(false)
        .conflicts('roles'),
    )
    .option(
      '--roles',
      `then make the roles ${READER} (all but emails and names) and ${PII_READER} (emails and names as well), with their grants`,
      false,
    )
    .action(async (options: { check: boolean; roles: boolean }) => {
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
        if (options.roles) {
          await createRoles(database.pool);
          io.stdout.write(ROLES_MADE);
        }
      } finally {
        await database.close();
      }
    });
}

const ROLES_MADE = `the roles exist, with their grants: ${READER} (all but emails and names) and
${PII_READER} (emails and names as well)

To make a login for a reader (members inherit grants, but not settings):
  create role <login> login password '...' in role ${READER};
${READER_SETTINGS.map((setting) => `  alter role <login> set ${setting};\n`).join('')}`;
