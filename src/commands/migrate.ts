// `migrate`: brings the database to this version, or reports how far behind it is. It also makes the roles for readers,
// and distributes the tables of a history over the nodes of Citus.
import { Command, Option } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Database, type Io } from '../context.ts';
import { requireCoordinator } from '../db/distribute/citus.ts';
import { distribute, distributionMissing, missingDistribution } from '../db/distribute/distribute.ts';
import { checkMigrations, migrate, requireMigrated } from '../db/migrate.ts';
import { readOnly } from '../db/read-only.ts';
import { createRoles, PII_READER, READER, READER_SETTINGS } from '../db/roles.ts';
import { createProgress } from '../terminal/progress.ts';
import type { Logger } from '../logger.ts';
import { plural } from '../words.ts';

type Options = { check: boolean; roles: boolean; distribute: boolean };

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
    .option(
      '--distribute',
      'then distribute the tables by account over the nodes of Citus, with the history that they hold; syncs wait during that time',
      false,
    )
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const config = readConfig(io.source);
      const logger = openLogger(io, config);
      const database = await openDatabase(io, config, logger, 'leave');
      try {
        await (options.check ? check(io, database, options) : bringUp(io, logger, database, options));
      } finally {
        await database.close();
      }
    });
}

const HELP = `
With --distribute, DATABASE_URL names the coordinator of a Citus cluster. All is
done in one transaction: after an interruption, run the same command again. With
--check, it exits 78 when a table is not distributed.

  zt-risk-sync migrate --check
  zt-risk-sync migrate --roles
  zt-risk-sync migrate --distribute`;

async function check(io: Io, { pool }: Database, options: Options): Promise<void> {
  if (options.distribute) await requireCoordinator(pool);
  await requireMigrated(pool);
  const { applied } = await checkMigrations(pool);
  if (options.distribute) {
    const missing = await readOnly(pool, { statementMs: 60_000, lockMs: 10_000 }, missingDistribution);
    const tables = [...missing.reference, ...missing.distributed];
    if (tables.length > 0) throw distributionMissing(tables);
  }
  const distributed = options.distribute ? '; every table is distributed' : '';
  io.stdout.write(`up to date: ${plural(applied, 'migration')}${distributed}\n`);
}

async function bringUp(io: Io, logger: Logger, { pool }: Database, options: Options): Promise<void> {
  if (options.distribute) await requireCoordinator(pool);
  const { applied } = await migrate(pool);
  io.stdout.write(applied === 0 ? 'up to date\n' : `applied ${plural(applied, 'migration')}\n`);
  if (options.distribute) {
    const progress = createProgress({ stderr: io.stderr, logger });
    const tables = await distribute({
      pool,
      signal: io.signal,
      onProgress: ({ table, done, total }) => progress.to(done, total, () => table),
    }).finally(() => progress.end());
    io.stdout.write(
      tables.length === 0
        ? 'every table was distributed before\n'
        : `distributed ${plural(tables.length, 'table')}\n`,
    );
  }
  if (options.roles) {
    await createRoles(pool);
    io.stdout.write(ROLES_MADE);
  }
}

const ROLES_MADE = `the roles exist, with their grants: ${READER} (all but emails and names) and
${PII_READER} (emails and names as well)

To make a login for a reader (members inherit grants, but not settings):
  create role <login> login password '...' in role ${READER};
${READER_SETTINGS.map((setting) => `  alter role <login> set ${setting};\n`).join('')}`;
