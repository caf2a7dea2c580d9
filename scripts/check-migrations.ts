// `npm run db:check`: checks that the migrations make what src/db says, and that released migrations are unchanged.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureDatabase } from '../src/db/create-database.ts';
import { createPool } from '../src/db/pool.ts';
import { readReleased } from '../src/db/released-migrations.ts';
import * as schema from '../src/db/schema.ts';
import { startPostgresServer } from '../test/support/database/servers/postgres-server.ts';
import { wrongInCatalogue } from './migrations/catalogue.ts';
import { readMigrations } from './migrations/folder.ts';
import { brokenReleases } from './migrations/released.ts';
import { readViewFiles } from './migrations/view-files.ts';
import { planViewMigration } from './migrations/view-migration.ts';

const MIGRATIONS = 'migrations';
const files = readViewFiles(path.join('src', 'db', 'views'));

const wrong = brokenReleases(readReleased(MIGRATIONS), readMigrations(MIGRATIONS));
if (planViewMigration(MIGRATIONS, files).do !== 'nothing')
  wrong.push('src/db/views was changed: run `npm run db:views`, read the SQL, commit both');
if (asksForMigration())
  wrong.push('src/db/schema.ts needs a migration: run `npm run db:generate`, read the SQL, commit both');
// After an error, this would only repeat the same problem, at length.
if (wrong.length === 0) wrong.push(...(await lookAtDatabase()));
for (const line of wrong) process.stderr.write(`${line}\n`);
if (wrong.length > 0) process.exitCode = 1;

/**
 * `drizzle-kit check` does not notice a schema that has changed. So `generate` runs as well, and must write no new
 * file.
 */
function asksForMigration(): boolean {
  // Inside the checkout, because drizzle-kit accepts only paths from there.
  const folder = mkdtempSync('.migrations-check-');
  try {
    cpSync(MIGRATIONS, folder, { recursive: true });
    const before = readdirSync(folder).length;
    const kit = (...args: string[]) =>
      execFileSync('drizzle-kit', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const config = ['--dialect', 'postgresql', '--out', folder];
    kit('check', ...config);
    kit('generate', '--schema', path.join('src', 'db', 'schema.ts'), ...config);
    return readdirSync(folder).length !== before;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function lookAtDatabase(): Promise<string[]> {
  const server = await startPostgresServer(18);
  try {
    const open = async (name: string) =>
      createPool({ url: await ensureDatabase(server.url, name), max: 1, logger: { warn() {} } });
    const databases = { migrated: await open('migrated'), fromFiles: await open('from_files') };
    try {
      return await wrongInCatalogue(databases, files, schema);
    } finally {
      await Promise.all([databases.migrated.end(), databases.fromFiles.end()]);
    }
  } finally {
    await server.stop();
  }
}
