// What a command opens from its configuration, in the process of the test.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { openClient, openDatabase, openSharedBudget, openSuccessPing, type Io } from '../src/context.ts';
import { newHome, onLinux } from './support/database/servers/embedded-home.ts';
import { createTestDatabase } from './support/database/test-database.ts';
import { read } from './support/read-settings.ts';
import { quiet } from './support/stage.ts';

const watcher = fileURLToPath(new URL('support/database/servers/watch-embedded.ts', import.meta.url));

function ioOf(): { io: Io; said: () => string } {
  const stderr = new PassThrough();
  const io: Io = {
    stdout: new PassThrough(),
    stderr,
    stdin: Readable.from([]),
    source: { env: {}, envFile: null },
    signal: new AbortController().signal,
    exit() {},
    watcher: [watcher, '18'],
  };
  return { io, said: () => String(stderr.read() ?? '') };
}

test(
  'without DATABASE_URL, a command starts the embedded server, says so, and migrates its database',
  onLinux,
  async () => {
    const dataFolder = await newHome();
    for (const [why, says] of [
      [undefined, /No DATABASE_URL is set: using the embedded Postgres at 127\.0\.0\.1:\d+\n$/],
      ['The demo has its own', /^The demo has its own: using the embedded Postgres at 127\.0\.0\.1:\d+\n$/],
    ] as const) {
      const { io, said } = ioOf();
      const choice = { databaseUrl: null, dataFolder, ...(why === undefined ? {} : { why }) };
      const database = await openDatabase(io, choice, quiet, 'migrate');
      try {
        assert.equal(database.isEmbedded, true);
        const { rows } = await database.pool.query('select count(*)::int as accounts from risk.accounts');
        assert.deepEqual(rows, [{ accounts: 0 }]);
        assert.match(said(), says);
      } finally {
        await database.close();
      }
    }
  },
);

test('a database that is behind is refused or left alone, as the command asks', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  const choice = { databaseUrl: empty.url, dataFolder: { home: '/nowhere' } };
  const { io } = ioOf();
  await assert.rejects(openDatabase(io, choice, quiet, 'refuse'), { code: 'DATABASE_BEHIND' });
  const left = await openDatabase(io, choice, quiet, 'leave', 1);
  assert.deepEqual([left.isEmbedded, left.url, left.pool.options.max], [false, empty.url, 1]);
  await left.close();
});

test('the shared limit is not known before the first migration, and an unreachable database is an error', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  const ask = { identity: 'x', limit: 10, windowMs: 1_000, need: 1, want: 1, unreserved: 0 };
  for (const [url, isError] of [
    [empty.url, false],
    ['postgres://nobody@127.0.0.1:1/none', true],
  ] as const) {
    const budget = openSharedBudget({ url, isEmbedded: false }, quiet);
    const answer: unknown = await budget.reserve(ask).catch((error: unknown) => error);
    await budget.close();
    if (isError) assert.ok(answer instanceof Error);
    else assert.equal(answer, null);
  }
});

test('PING_URL is requested after a success, and without PING_URL nothing is requested', async (t) => {
  assert.equal(openSuccessPing(read({}), quiet), null);
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    response.end();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ping = openSuccessPing(read({ PING_URL: `http://127.0.0.1:${port}/ping/{account_id}` }), quiet);
  assert.equal(await ping?.send('ab12'), 'ok');
  await ping?.close();
  assert.deepEqual(paths, ['/ping/ab12']);
});

test('a command that did not ask for credentials gets no client', () => {
  assert.throws(() => openClient(read({}), quiet), /no credentials/);
});
