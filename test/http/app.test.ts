// What holds for every route: headers, refusals in JSON, time limits, and what is logged.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { createPool } from '../../src/db/pool.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { startApp, TOKEN } from '../support/api/http-app.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const headers = { authorization: `Bearer ${TOKEN}` };

test('answers livez with its version', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const { status, json } = await app.ask('GET', '/livez');
  assert.deepEqual([status, json], [200, { status: 'ok', version: '1.2.3' }]);
  const head = await app.ask('HEAD', '/livez');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('sends headers with every answer that stop browsers from caching, framing or running anything', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  for (const [path, status] of [
    ['/livez', 200],
    ['/metrics', 200],
    ['/nothing', 404],
    ['/sync', 405],
  ] as const) {
    const answer = await app.ask('GET', path, { headers });
    assert.equal(answer.status, status);
    assert.match(
      String(answer.headers['content-security-policy']),
      /^default-src 'none'; .*frame-ancestors 'none'/,
    );
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['x-frame-options'], 'DENY');
    assert.equal(answer.headers['x-powered-by'], undefined);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
});

test('refuses unknown paths and methods in JSON, and names the allowed methods', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const missing = await app.ask('GET', '/nothing', { headers });
  assert.deepEqual(missing.json, {
    error: { code: 'NOT_FOUND', message: 'There is nothing at this path' },
  });
  for (const [method, path, allow] of [
    ['POST', '/livez', 'GET, HEAD'],
    ['PUT', '/readyz', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['GET', '/sync', 'POST'],
    ['DELETE', '/sync', 'POST'],
  ] as const) {
    const answer = await app.ask(method, path, { headers });
    assert.deepEqual([answer.status, answer.headers['allow']], [405, allow], `${method} ${path}`);
    assert.match(answer.text, /"code":"METHOD_NOT_ALLOWED"/);
  }
  assert.deepEqual(app.started, []);
});

test('answers 503 when a handler takes too long', async (t) => {
  const app = await startApp(t, {
    databaseUrl: db.url,
    answerWaitMs: 50,
    startSync: () => new Promise(() => undefined),
  });
  const { status, text } = await app.ask('POST', '/sync', { headers });
  assert.equal(status, 503);
  assert.match(text, /"code":"REQUEST_TIMEOUT"/);
});

test('does not reveal the message of a defect', async (t) => {
  const app = await startApp(t, {
    databaseUrl: db.url,
    metrics: {
      contentType: 'text/plain',
      scrape: async () => {
        throw new Error(`a defect that quotes alice@example.com and ${TOKEN}`);
      },
    },
  });
  const answer = await app.ask('GET', '/metrics', { headers });
  assert.deepEqual(answer.json, {
    error: {
      code: 'UNEXPECTED',
      message: 'An unexpected error occurred; the server log has the details',
    },
  });
  assert.equal(answer.status, 500);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.ok(app.logs.some(({ message }) => message === 'request failed'));
});

test('a defect behind the API is a problem document without its message, and one line of the log', async (t) => {
  const pool = createPool({ url: db.url, logger: { warn() {} } });
  await pool.end();
  const app = await startApp(t, { databaseUrl: db.url, reader: { pool } });
  const answer = await app.ask('GET', '/api/v1/accounts', { headers });
  assert.deepEqual([answer.status, answer.headers['content-type']], [500, 'application/problem+json']);
  assert.deepEqual(JSON.parse(answer.text), {
    type: 'about:blank',
    status: 500,
    code: 'UNEXPECTED',
    title: 'An unexpected error occurred',
    detail: 'The server log has the details.',
  });
  const logged = app.logs.filter(({ message }) => message === 'a request of the API failed');
  assert.deepEqual(
    logged.map(({ fields }) => (fields['err'] as Error).message),
    ['Cannot use a pool after calling end on the pool'],
  );
});

test('logs no error when a client disconnects in the middle of its body', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  for (const framing of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const socket = net.connect(app.http.port, '127.0.0.1');
    socket.write(
      `POST /sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n${framing}\r\n\r\n5\r\nabc`,
    );
    await once(socket, 'connect');
    setTimeout(() => socket.resetAndDestroy(), 50);
    await once(socket, 'close');
  }
  while (app.logs.length < 2) await sleep(10);
  assert.deepEqual(
    app.logs.map(({ message, fields }) => [message, fields['status']]),
    [
      ['request', 400],
      ['request', 400],
    ],
  );
  assert.deepEqual(app.started, []);
});

test('logs one line per request, without query, headers or unknown paths', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  await app.ask('GET', '/livez?email=alice@example.com', { headers });
  await app.ask('GET', '/people/alice@example.com', { headers });
  const lines = app.logs.filter(({ message }) => message === 'request').map(({ fields }) => fields);
  assert.deepEqual(
    lines.map(({ ms, ...rest }) => ({ ...rest, ms: typeof ms })),
    [
      { method: 'GET', path: '/livez', status: 200, ms: 'number' },
      { method: 'GET', path: 'other', status: 404, ms: 'number' },
    ],
  );
  assert.ok(!/alice|Bearer/.test(JSON.stringify(app.logs)));
});
