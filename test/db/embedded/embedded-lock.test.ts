// The lock under which one process at a time starts or stops the embedded server.
import assert from 'node:assert/strict';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withEmbeddedLock } from '../../../src/db/embedded/lock.ts';
import { removeFolder, temporaryFolder } from '../../support/database/servers/postgres-server.ts';
import { isGone } from '../../support/database/servers/embedded-home.ts';
import type { TestContext } from 'node:test';

async function lockFolder(t: TestContext): Promise<string> {
  const folder = await temporaryFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

describe('the lock of the embedded server', () => {
  test('is waited for, and after too long the message names its holder', async (t) => {
    const folder = await lockFolder(t);
    const file = path.join(folder, 'lock');
    await withEmbeddedLock(file, 1_000, async () => {
      await assert.rejects(
        withEmbeddedLock(file, 200, async () => assert.fail('two holders')),
        { code: 'EMBEDDED_LOCKED', exit: 75, message: new RegExp(`process ${process.pid}`) },
      );
    });
    assert.equal(await isGone(file), true);
  });

  test('of a dead process is broken by one of many waiters at a time', async (t) => {
    const folder = await lockFolder(t);
    const file = path.join(folder, 'lock');
    let inside = 0;
    let most = 0;
    for (let round = 0; round < 8; round += 1) {
      // This process, but with another start time: the pid was reused.
      await writeFile(
        file,
        JSON.stringify({ pid: process.pid, start: '1', host: hostname(), token: String(round) }),
      );
      const work = async () => {
        most = Math.max(most, (inside += 1));
        await sleep(2);
        inside -= 1;
      };
      await Promise.all(Array.from({ length: 12 }, () => withEmbeddedLock(file, 10_000, work)));
    }
    assert.equal(most, 1);
    assert.deepEqual(await readdir(folder), []);
  });

  test('is broken even after a process died while breaking it', async (t) => {
    const folder = await lockFolder(t);
    const file = path.join(folder, 'lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, start: '1', host: hostname(), token: 'dead' }));
    await writeFile(`${file}.break`, '');
    await utimes(`${file}.break`, new Date(), new Date(Date.now() - 60_000));
    assert.equal(await withEmbeddedLock(file, 5_000, async () => 'inside'), 'inside');
    assert.deepEqual(await readdir(folder), []);
  });
});
