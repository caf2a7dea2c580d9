// `npm run db:release`: records all migrations as released. After that they must never change.
import { writeFileSync } from 'node:fs';
import { readReleased, releasedFile } from '../src/db/released-migrations.ts';
import { readMigrations } from './migrations/folder.ts';
import { brokenReleases, releaseAll } from './migrations/released.ts';

const folder = 'migrations';
const before = readReleased(folder);
const migrations = readMigrations(folder);
const broken = brokenReleases(before, migrations);
if (broken.length > 0) {
  process.stderr.write(`${broken.join('\n')}\n`);
  process.exitCode = 1;
} else {
  const now = releaseAll(migrations);
  writeFileSync(releasedFile(folder), `${JSON.stringify(now, null, 2)}\n`);
  process.stdout.write(
    `${now.length - before.length} more migrations are released, ${now.length} in total\n`,
  );
}
