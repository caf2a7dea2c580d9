// The embedded server is started: by many at once, after a crash, beside strangers, and where it cannot start.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { serverAccount } from '../../../src/db/embedded/layout.ts';
import { findEmbedded, startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import {
  newHome,
  postmasterPid,
  query,
  startClient,
  type Place,
} from '../../support/database/servers/embedded-home.ts';

describe('an embedded server', () => {
  let place: Place;
  let url: string;
  let port: number;
  let dataDir: string;

  test('becomes one server when five processes start it at once', async () => {
    place = await newHome();
    const starts = await Promise.all(Array.from({ length: 5 }, () => text(startClient(place).stdout!)));
    const servers = starts.map((output) => JSON.parse(output) as Awaited<ReturnType<typeof startEmbedded>>);
    assert.equal(servers.filter((server) => server.started).length, 1);
    assert.equal(new Set(servers.map((server) => server.url)).size, 1);
    ({ url, port, dataDir } = servers[0]!);
  });

  test('comes back with its data after kill -9', async () => {
    await query(url, 'create table survivor (n int); insert into survivor values (7)');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const again = await startEmbedded(place);
    assert.equal(again.started, true);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    ({ url, port } = again);
  });

  test('comes back when the pid of the killed server now belongs to another process', async () => {
    const pidFile = path.join(dataDir, 'postmaster.pid');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const other = spawn('sleep', ['60'], { ...(await serverAccount()) });
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await writeFile(pidFile, [other.pid, ...lines.slice(1)].join('\n'));
    assert.equal(await findEmbedded(place), undefined);
    const again = await startEmbedded(place);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    assert.equal(other.exitCode ?? other.signalCode, null);
    other.kill('SIGKILL');
    ({ url, port } = again);
  });

  test('takes another port when a stranger has the pid and the port of the killed server', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can start a process of another user');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const script = `require('node:net').createServer((s) => s.on('data', (d) => {
      console.log(String(d)); s.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
    })).listen(${port}, '127.0.0.1', () => console.log('ready'))`;
    const stranger = spawn(process.execPath, ['-e', script, dataDir], { uid: 65_534, gid: 65_534 });
    t.after(() => stranger.kill('SIGKILL'));
    let heard = '';
    stranger.stdout.on('data', (piece) => (heard += String(piece)));
    await once(stranger.stdout, 'data');
    const pidFile = path.join(dataDir, 'postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await writeFile(pidFile, [stranger.pid, ...lines.slice(1)].join('\n'));
    assert.equal(await findEmbedded(place), undefined);
    const again = await startEmbedded(place);
    assert.deepEqual([again.started, again.port === port], [true, false]);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    assert.equal(heard, 'ready\n');
    ({ url, port } = again);
  });

  test('takes another port when its own is in use, and keeps it', async () => {
    assert.equal(await stopEmbedded(place), true);
    const { createServer } = await import('node:net');
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const other = await startEmbedded(place);
    squatter.close();
    assert.notEqual(other.port, port);
    await stopEmbedded(place);
    assert.equal((await startEmbedded(place)).port, other.port);
    ({ url, port } = other);
  });

  test('stops once, and is not found afterwards', async () => {
    assert.equal(await stopEmbedded(place), true);
    assert.equal(await stopEmbedded(place), false);
    assert.equal(await findEmbedded(place), undefined);
    await assert.rejects(query(url, 'select 1'), { code: 'ECONNREFUSED' });
  });

  test('says what is wrong when its data is damaged', async () => {
    await writeFile(path.join(dataDir, 'postgresql.auto.conf'), 'no_such_setting = on\n');
    await assert.rejects(startEmbedded(place), { code: 'EMBEDDED_START', message: /no_such_setting/ });
    await writeFile(path.join(dataDir, 'postgresql.auto.conf'), '');
  });
});

test('fails with a clear message when the folder is closed to the user that Postgres runs as', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root hands the server to another user');
  const place = await newHome();
  const closed = path.join(place.dataHome, 'closed');
  await mkdir(closed, { mode: 0o700 });
  await assert.rejects(startEmbedded({ ...place, dataHome: closed }), { code: 'EMBEDDED_FOLDER', exit: 78 });
});
