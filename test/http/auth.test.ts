// Who gets in. With a token: its holders. Without a token: this machine, but not web pages of other sites in its
// browsers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { startApp, TOKEN, type HttpApp } from '../support/api/http-app.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const PROTECTED = [
  ['GET', '/metrics'],
  ['POST', '/sync'],
] as const;
const codeOf = ({ json }: { json: unknown }) => (json as { error?: { code: string } } | null)?.error?.code;

async function refusals(app: HttpApp, headers: Record<string, string>): Promise<(string | undefined)[]> {
  const answers = await Promise.all(PROTECTED.map(([method, path]) => app.ask(method, path, { headers })));
  return answers.map((answer) => (answer.status < 400 ? 'let in' : `${answer.status} ${codeOf(answer)}`));
}

test('accepts the token and nothing else', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const out = Array.from(PROTECTED, () => '401 UNAUTHORIZED');
  assert.deepEqual(await refusals(app, {}), out);
  for (const authorization of [
    'Bearer wrong',
    'Bearer ',
    'Bearer',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`,
    TOKEN,
  ]) {
    assert.deepEqual(await refusals(app, { authorization }), out, authorization);
  }
  assert.deepEqual(app.started, []);
  assert.deepEqual(await refusals(app, { authorization: `Bearer ${TOKEN}` }), ['let in', 'let in']);
  assert.deepEqual(await refusals(app, { authorization: `bearer  ${TOKEN}` }), ['let in', 'let in']);
  // The token already keeps other origins out: no browser sends it.
  const elsewhere = {
    authorization: `Bearer ${TOKEN}`,
    host: 'worker.example',
    'sec-fetch-site': 'same-site',
  };
  assert.deepEqual(await refusals(app, elsewhere), ['let in', 'let in']);
});

test('says how to authenticate, and accepts no token in the URL', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const refused = await app.ask('GET', `/metrics?token=${TOKEN}&access_token=${TOKEN}`);
  assert.equal(refused.status, 401);
  assert.match(String(refused.headers['www-authenticate']), /^Bearer realm=/);
  assert.ok(!refused.text.includes(TOKEN));
  assert.ok(!JSON.stringify(app.logs).includes(TOKEN));
});

test('keeps probes open, and does not reveal to strangers which other paths exist', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  for (const path of ['/livez', '/readyz']) assert.equal((await app.ask('GET', path)).status, 200);
  assert.equal((await app.ask('GET', '/nothing')).status, 401);
  assert.equal((await app.ask('DELETE', '/sync')).status, 401);
  // A path that only looks like a probe.
  assert.equal((await app.ask('GET', '/livez/')).status, 401);
  assert.equal((await app.ask('GET', '/readyz/../metrics')).status, 401);
  assert.equal((await app.ask('GET', '//livez')).status, 401);
});

test('keeps the connection of a client with the token, and of no other client', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const bearer = (token: string) => `Authorization: Bearer ${token}\r\n`;
  // The server does not wait for a stranger's body.
  for (const [asked, status] of [
    ['GET /livez HTTP/1.1\r\n', 200],
    ['GET /readyz HTTP/1.1\r\n', 200],
    ['POST /livez HTTP/1.1\r\nContent-Length: 1000\r\n', 405],
    ['GET /metrics HTTP/1.1\r\n', 401],
    [`GET /metrics HTTP/1.1\r\n${bearer('wrong')}`, 401],
    [`POST /sync HTTP/1.1\r\nContent-Length: 1000\r\n${bearer('wrong')}`, 401],
    ['POST /sync HTTP/1.1\r\nTransfer-Encoding: chunked\r\n', 401],
  ] as const) {
    const socket = net.connect(app.http.port, '127.0.0.1').on('error', () => undefined);
    let said = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    socket.write(`${asked}Host: worker\r\n\r\n`);
    await once(socket, 'close');
    assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*\\nconnection: close\r`, 'i'), asked);
  }
  const socket = net.connect(app.http.port, '127.0.0.1').setEncoding('utf8');
  t.after(() => socket.destroy());
  for (const path of ['/metrics', '/nothing']) {
    socket.write(`HEAD ${path} HTTP/1.1\r\nHost: worker\r\n${bearer(TOKEN)}\r\n`);
    assert.match(String((await once(socket, 'data'))[0]), /\nconnection: keep-alive\r/i);
  }
});

test('lets the right token in, however many wrong ones arrive before it and at the same time', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url });
  const wrong = () => app.ask('GET', '/metrics', { headers: { authorization: 'Bearer wrong' } });
  const refused = Array.from({ length: 200 }, wrong);
  assert.deepEqual(await refusals(app, { authorization: `Bearer ${TOKEN}` }), ['let in', 'let in']);
  const statuses = (await Promise.all(refused)).map(({ status }) => status);
  assert.deepEqual(
    [401, 429].map((status) => statuses.filter((one) => one === status).length),
    [10, 190],
  );
  assert.match(String((await refused[199]!).headers['retry-after']), /^\d+$/);
  assert.deepEqual(await refusals(app, { authorization: `Bearer ${TOKEN}` }), ['let in', 'let in']);
});

test('without a token, refuses a host name that was rebound to this machine', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, token: null });
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
    '10.0.0.7',
    '[::2]',
    '127.evil.example',
  ])
    assert.deepEqual(await refusals(app, { host }), ['403 HOST_REFUSED', '403 HOST_REFUSED'], host);
  assert.deepEqual(app.started, []);
  for (const host of ['localhost', `localhost:${app.http.port}`, '127.0.0.1', '127.8.9.1:80', '[::1]:8787'])
    assert.deepEqual(await refusals(app, { host }), ['let in', 'let in'], host);
});

test('without a token, refuses the pages of other origins', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, token: null });
  const out = ['403 CROSS_ORIGIN_REFUSED', '403 CROSS_ORIGIN_REFUSED'];
  const host = `127.0.0.1:${app.http.port}`;
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { origin: `https://${host}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: `http://${host}`, 'sec-fetch-site': 'cross-site' },
  ])
    assert.deepEqual(await refusals(app, headers as Record<string, string>), out, JSON.stringify(headers));
  const preflight = await app.ask('OPTIONS', '/sync', { headers: { origin: 'https://evil.example' } });
  assert.equal(preflight.status, 403);
  assert.equal(preflight.headers['access-control-allow-origin'], undefined);
  assert.deepEqual(app.started, []);
  assert.deepEqual(await refusals(app, { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }), [
    'let in',
    'let in',
  ]);
  assert.deepEqual(await refusals(app, { 'sec-fetch-site': 'none' }), ['let in', 'let in']);
});
