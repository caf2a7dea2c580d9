// The database does not answer pages. The pages say so in words and in time, and nothing else waits for them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test, type TestContext } from 'node:test';
import { createPool, type Pool } from '../../../src/db/pool.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { READ_POOL } from '../../../src/http/read-as.ts';
import { startApp, type HttpApp } from '../../support/api/http-app.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
  await createRoles(db.pool);
});
after(() => db.close());

/** Locks a table that pages read. The metrics of accounts also read it, and then stay as they were. */
async function holdUp(t: TestContext): Promise<() => Promise<void>> {
  const client = await db.pool.connect();
  await client.query('begin; lock table risk.snapshot_levels in access exclusive mode');
  let isHeld = true;
  const release = async () => {
    if (!isHeld) return;
    isHeld = false;
    await client.query('rollback');
    client.release();
  };
  t.after(release);
  return release;
}

async function start(
  t: TestContext,
  waitMs: number,
  connectTimeoutMs = 300,
): Promise<{ app: HttpApp; pool: Pool }> {
  const pool = createPool({ url: db.url, ...READ_POOL, connectTimeoutMs, logger: { warn() {} } });
  const app = await startApp(t, { databaseUrl: db.url, token: null, reader: { pool, waitMs } });
  t.after(() => pool.end());
  return { app, pool };
}

async function waiting(): Promise<number> {
  const rows = await db.rows<{ n: number }>(
    `select count(distinct pid)::int as n from pg_locks
      where relation = 'risk.snapshot_levels'::regclass and not granted`,
  );
  return rows[0]!.n;
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone())) await sleep(50);
}

test('pages wait for a slow database in bounded time, while probes, metrics and syncs are answered', async (t) => {
  const { app } = await start(t, 3_000);
  const release = await holdUp(t);
  const pages = Array.from({ length: 12 }, () => app.ask('GET', '/', { headers: { accept: 'text/html' } }));
  await until(async () => (await waiting()) === READ_POOL.max);
  for (const [method, path, status] of [
    ['GET', '/livez', 200],
    ['GET', '/readyz', 200],
    ['GET', '/metrics', 200],
    ['POST', '/sync', 202],
  ] as const)
    assert.equal((await app.ask(method, path)).status, status, path);
  assert.deepEqual(app.started, ['a', 'b']);
  const answers = await Promise.all(pages);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]));
  const codes = answers.map(({ text }) => /DATABASE_SLOW|READERS_BUSY/.exec(text)?.[0]);
  assert.equal(codes.filter((code) => code === 'DATABASE_SLOW').length, READ_POOL.max);
  assert.equal(codes.filter((code) => code === 'READERS_BUSY').length, 12 - READ_POOL.max);
  for (const { text, headers } of answers) {
    assert.match(String(headers['content-type']), /^text\/html/);
    assert.match(text, /<h1>[\s\S]*Check that|<h1>[\s\S]*Try again in a few seconds/);
  }
  await release();
  await until(async () => (await app.ask('GET', '/')).status === 200);
});

test('a question that would not get its turn in time is refused at once, and no other question loses its place', async (t) => {
  const { app, pool } = await start(t, 60_000, 60_000);
  const release = await holdUp(t);
  const asked = Array.from({ length: READ_POOL.max + 32 }, () => app.ask('GET', '/'));
  await until(async () => pool.waitingCount === 32 && (await waiting()) === READ_POOL.max);
  const refused = await app.ask('GET', '/api/v1/accounts');
  assert.equal(refused.status, 503);
  assert.equal((JSON.parse(refused.text) as { code: string }).code, 'READERS_BUSY');
  assert.equal(pool.waitingCount, 32);
  await release();
  const answers = await Promise.all(asked);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test('the API says the same as a problem document', async (t) => {
  const { app } = await start(t, 300);
  const client = await db.pool.connect();
  t.after(async () => {
    await client.query('rollback');
    client.release();
  });
  await client.query('begin; lock table risk.accounts in access exclusive mode');
  const answer = await app.ask('GET', '/api/v1/accounts');
  assert.equal(answer.status, 503);
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
  assert.equal((JSON.parse(answer.text) as { code: string }).code, 'DATABASE_SLOW');
});

test('when the visitor leaves, the statement ends long before its limit, and its connection is free', async (t) => {
  const { app, pool } = await start(t, 60_000);
  await holdUp(t);
  const visitors = Array.from({ length: READ_POOL.max }, () => net.connect(app.http.port, '127.0.0.1'));
  for (const visitor of visitors) {
    await once(visitor, 'connect');
    visitor.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  }
  await until(async () => (await waiting()) === READ_POOL.max);
  for (const visitor of visitors) visitor.destroy();
  await until(async () => (await waiting()) === 0);
  await until(async () => pool.totalCount === pool.idleCount);
});
