// A disk that is really full: line 18 of the faults in docs/reliability.md. The table that a publish copies its changes
// into is on a separate small file system, used by a separate embedded server. Only root can mount it. The scenarios
// with an injected 53100 run everywhere.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { serverAccount } from '../../../src/db/embedded/layout.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { startScenario } from '../../support/faults/fault-scenario.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import {
  removeFolder,
  startPostgresServer,
  temporaryFolder,
} from '../../support/database/servers/postgres-server.ts';

const run = promisify(execFile);

test('no disk space is left (53100) for the changes of a publish: exit 75, nothing is published, and the next run succeeds when there is space', async (t) => {
  const disk = await smallDisk(512);
  if (disk === undefined) return t.skip('mounting a small file system needs root');
  const server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  const pool = testPool(server.url);
  const scenario = await startScenario({ databaseUrl: server.url });
  t.after(async () => {
    await scenario.close();
    await pool.end();
    await server.stop();
    await disk.remove();
  });
  await migrate(pool);
  await pool.query(`create tablespace small location '${disk.folder}'`);
  await pool.query('alter table risk_internal.staged_changes set tablespace small');
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  // Frees the pages that the first run has used.
  await pool.query('truncate risk_internal.staged_changes');
  await disk.fill();
  for (let turn = 1; turn <= 2; turn++) {
    const { error } = await account.fail('DATABASE_FULL', 75);
    assert.match(error.message, /disk space/);
  }
  await disk.empty();
  await account.assertPromises();
});

/**
 * A file system of this many kilobytes, with a folder for the server's user. Undefined where mounting is not allowed.
 */
async function smallDisk(kilobytes: number) {
  const parent = await temporaryFolder();
  const mounted = path.join(parent, 'mounted');
  await mkdir(mounted);
  const account = await serverAccount();
  const owner = account ? `,uid=${account.uid},gid=${account.gid}` : '';
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=700${owner}`, 'tmpfs', mounted]);
  } catch {
    await removeFolder(parent);
    return undefined;
  }
  const folder = path.join(mounted, 'tablespace');
  const filler = path.join(mounted, 'filler');
  await mkdir(folder, { mode: 0o700 });
  if (account) await chown(folder, account.uid, account.gid);
  return {
    folder,
    async fill() {
      const full = writeFile(filler, Buffer.alloc(kilobytes * 1024));
      await assert.rejects(full, { code: 'ENOSPC' });
    },
    empty: () => rm(filler),
    async remove() {
      await run('umount', [mounted]);
      await removeFolder(parent);
    },
  };
}
