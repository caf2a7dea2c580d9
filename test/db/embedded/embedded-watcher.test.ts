// The process that stops an idle embedded server.
import assert from 'node:assert/strict';
import { appendFile, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { findEmbedded, startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { watchEmbedded } from '../../../src/db/embedded/watch.ts';
import { isGone, newHome, query } from '../../support/database/servers/embedded-home.ts';
import { dataHome } from '../../support/database/servers/postgres-server.ts';

describe('the watcher', () => {
  test('stops an idle server but not a used one, keeps the log short, and runs only once', async () => {
    const place = await newHome(dataHome(18));
    const { url, dataDir } = await startEmbedded(place);
    const limits = { ...place, idleMs: 900, everyMs: 100 };
    const log = `${path.dirname(dataDir)}.log`;
    await appendFile(log, 'x'.repeat(5_000_000));
    const watching = watchEmbedded(limits);
    await sleep(100);
    assert.equal(await watchEmbedded(limits), 'watched');
    const user = new Client({ connectionString: url });
    await user.connect();
    await sleep(1_500);
    await user.end();
    // Short visits count as use, even if no client is connected when the watcher looks.
    for (let visit = 0; visit < 8; visit += 1) {
      await sleep(250);
      assert.deepEqual(await query(url, 'select 1 as n'), [{ n: 1 }]);
    }
    assert.equal(await watching, 'stopped');
    assert.ok((await stat(log)).size < 100_000);
    assert.ok((await stat(`${log}.1`)).size > 5_000_000);
    assert.match(await readFile(log, 'utf8'), /^\d{4}-.*database system is shut down\n$/s);
    assert.equal(await findEmbedded(place), undefined);
    assert.equal(await isGone(path.join(dataDir, 'postmaster.pid')), true);
    assert.equal(await watchEmbedded(limits), 'gone');
  });

  test('runs as a process that outlives its starter, comes back with the next start, and ends with the server', async () => {
    const place = await newHome(dataHome(18));
    const script = path.join(place.dataHome, 'watch.ts');
    const module = new URL('../../../src/db/embedded/watch.ts', import.meta.url).href;
    await writeFile(
      script,
      `import { watchEmbedded } from '${module}';
       await watchEmbedded({ dataHome: process.argv[3], home: '/', idleMs: 60_000, everyMs: 100 });`,
    );
    const watcherPid = async (url: string, dataDir: string) => {
      for (let attempt = 0; attempt < 100; attempt += 1, await sleep(50)) {
        const rows = await query<{ n: number }>(
          url,
          `select 1 as n from pg_stat_activity where application_name = 'zt-risk-sync database watch'`,
        );
        const claimed = await readFile(path.join(path.dirname(dataDir), 'watcher'), 'utf8').catch(() => '');
        const [pid] = await processesOf(script);
        if (rows.length === 1 && pid !== undefined && claimed.includes(`"pid":${pid},`))
          return processesOf(script);
      }
      return assert.fail('no watcher');
    };
    const { url, dataDir } = await startEmbedded({ ...place, watcher: [script] });
    const first = await watcherPid(url, dataDir);
    assert.equal(first.length, 1);
    assert.equal(
      (await readFile(`/proc/${first[0]}/cmdline`, 'utf8')).includes(new URL(url).password),
      false,
    );
    await startEmbedded({ ...place, watcher: [script] });
    assert.deepEqual(await watcherPid(url, dataDir), first);
    process.kill(first[0]!, 'SIGKILL');
    await sleep(100);
    await startEmbedded({ ...place, watcher: [script] });
    const second = await watcherPid(url, dataDir);
    assert.equal(second.length, 1);
    await stopEmbedded(place);
    for (let attempt = 0; attempt < 60 && (await processesOf(script)).length > 0; attempt += 1)
      await sleep(50);
    assert.deepEqual(await processesOf(script), []);
  });
});

async function processesOf(script: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => lines[index]!.split('\0').includes(script));
}
