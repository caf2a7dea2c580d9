// One process that migrates. It prints "ready". For each line {url, folder} on stdin it migrates, and prints "done
// {applied}" or "failed {code}". Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { migrate } from '../../../src/db/migrate.ts';

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { url, folder } = JSON.parse(line) as { url: string; folder: string };
  const pool = createPool({ url, max: 2, logger: { warn() {} } });
  try {
    process.stdout.write(`done ${JSON.stringify(await migrate(pool, folder))}\n`);
  } catch (error) {
    process.stdout.write(`failed ${String((error as { code?: string }).code)} ${String(error)}\n`);
  } finally {
    await pool.end();
  }
}
