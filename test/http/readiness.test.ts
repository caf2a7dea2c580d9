// readyz and the scrape when the database is down, slow, outdated or newer than the program.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { migrationsFolder } from '../../src/db/migrate.ts';
import { createPool } from '../../src/db/pool.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { startFaultProxy } from '../support/faults/fault-proxy.ts';
import { startApp, type HttpApp } from '../support/api/http-app.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { parseScrape } from '../support/api/scrape.ts';

async function database(t: TestContext): Promise<MigratedDatabase> {
  const db = await migratedDatabase();
  t.after(() => db.close());
  return db;
}

type Found = { status: string; checks: Record<string, Record<string, unknown>>; freshness: unknown };
const readyz = async (app: HttpApp) => {
  const { status, json } = await app.ask('GET', '/readyz');
  return { http: status, ...(json as Found) };
};

const known = readMigrationFiles({ migrationsFolder: migrationsFolder() }).length;

test('is ready with a migrated database, however old the data is', async (t) => {
  const db = await database(t);
  const history = sampleHistory(db.pool);
  await history.snapshot(await history.account('a'), '2026-01-01T00:00:00Z');
  const app = await startApp(t, { databaseUrl: db.url });
  const { freshness, ...found } = await readyz(app);
  assert.deepEqual(found, {
    http: 200,
    status: 'ready',
    checks: { database: { status: 'ok' }, migrations: { status: 'ok', applied: known, pending: 0 } },
  });
  const { oldest_snapshot_age_seconds: age, ...counts } = freshness as Record<string, number>;
  assert.deepEqual(counts, { accounts: 1, stale: 1 });
  assert.ok(age !== undefined && age > 86_400);
});

test("is not ready when nothing listens at the database's address", async (t) => {
  const db = await database(t);
  const proxy = await startFaultProxy(db.url);
  t.after(() => proxy.close());
  await proxy.refuse();
  const app = await startApp(t, { databaseUrl: proxy.url });
  const found = await readyz(app);
  assert.equal(found.http, 503);
  assert.equal(found.status, 'not_ready');
  assert.equal(found.checks['database']?.['code'], 'DATABASE_UNAVAILABLE');
  assert.deepEqual(found.checks['migrations'], { status: 'unknown' });
  assert.equal(found.freshness, null);
  assert.equal((await app.ask('GET', '/livez')).status, 200);
});

test('does not wait for a database that does not answer, still gives a scrape, and recovers', async (t) => {
  const db = await database(t);
  const history = sampleHistory(db.pool);
  await history.snapshot(await history.account('a'), '2026-01-01T00:00:00Z');
  const proxy = await startFaultProxy(db.url);
  t.after(() => proxy.close());
  const app = await startApp(t, { databaseUrl: proxy.url, databaseWaitMs: 200, scrapeKeptMs: 0 });
  // A busy machine may take longer.
  const scrapeOnceUp = async () => {
    for (;;) {
      const scrape = parseScrape(await app.scrape());
      const [up, slow] = ['up', 'slow'].map((name) => scrape.value(`zt_risk_sync_database_${name}`));
      if (up === 1 && slow === 0) return scrape;
    }
  };
  await until(async () => (await readyz(app)).http === 200);
  const well = await scrapeOnceUp();
  assert.ok(well.value('zt_risk_sync_last_success_timestamp_seconds', { account_id: 'a' }));
  proxy.stall();
  app.metrics.recordAnswer(200);
  // While the check still tries an earlier connection, the database counts as slow only.
  let found = await readyz(app);
  await until(async () => (found = await readyz(app)).checks['database']?.['status'] === 'failed');
  assert.equal(found.http, 503);
  assert.deepEqual(found.checks['database'], {
    status: 'failed',
    code: 'DATABASE_UNAVAILABLE',
    message: 'The database did not answer within 0.2 s',
  });
  const stalled = parseScrape(await app.scrape());
  assert.equal(stalled.value('zt_risk_sync_database_up'), 0);
  assert.equal(stalled.value('zt_risk_sync_database_slow'), 0);
  assert.equal(stalled.value('zt_risk_sync_cloudflare_requests_total', { status: '200' }), 1);
  assert.deepEqual(stalled.samples('zt_risk_sync_last_success_timestamp_seconds'), []);
  assert.deepEqual(stalled.samples('zt_risk_sync_database_migrated'), []);
  await proxy.heal();
  await until(async () => (await readyz(app)).http === 200);
  await scrapeOnceUp();
});

test('distinguishes a slow database from one that is down, and then reports the accounts as they were last read', async (t) => {
  const db = await database(t);
  const history = sampleHistory(db.pool);
  await history.snapshot(await history.account('a'), '2026-01-01T00:00:00Z');
  const app = await startApp(t, { databaseUrl: db.url, databaseWaitMs: 300, scrapeKeptMs: 0 });
  const scrapeUntil = async (slow: number) => {
    for (;;) {
      const scrape = parseScrape(await app.scrape());
      const [up, found] = ['up', 'slow'].map((name) => scrape.value(`zt_risk_sync_database_${name}`));
      if (up === 1 && found === slow) return scrape;
    }
  };
  const facts = (scrape: ReturnType<typeof parseScrape>) => ({
    read: scrape.value('zt_risk_sync_accounts_read_timestamp_seconds'),
    success: scrape.value('zt_risk_sync_last_success_timestamp_seconds', { account_id: 'a' }),
  });
  const holder = await db.pool.connect();
  try {
    // First only the scrape waits, then the readiness as well.
    for (const [table, status] of [
      ['risk.sync_runs', 'ok'],
      ['risk.accounts', 'slow'],
    ] as const) {
      const well = facts(await scrapeUntil(0));
      assert.ok(well.read !== undefined && well.success === Date.parse('2026-01-01') / 1000);
      await holder.query(`begin; lock table ${table} in access exclusive mode`);
      let found = await readyz(app);
      await until(async () => (found = await readyz(app)).checks['database']?.['status'] === status);
      assert.deepEqual([found.http, found.status], status === 'ok' ? [200, 'ready'] : [503, 'not_ready']);
      if (status === 'slow')
        assert.deepEqual(found.checks['database'], {
          status: 'slow',
          code: 'DATABASE_SLOW',
          message: 'The database accepted the connection, but did not answer within 0.3 s',
        });
      assert.deepEqual(facts(await scrapeUntil(1)), well);
      await holder.query('rollback');
    }
    await until(async () => (await readyz(app)).http === 200);
  } finally {
    // Before the database is closed, which waits for it.
    holder.release(true);
  }
});

test('names a database that was never migrated, is outdated, newer or changed', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  const never = await readyz(await startApp(t, { databaseUrl: empty.url }));
  assert.equal(never.http, 503);
  assert.deepEqual(never.checks, {
    database: { status: 'ok' },
    migrations: {
      status: 'failed',
      code: 'DATABASE_BEHIND',
      message: 'The database holds no history yet: it was never migrated',
      applied: 0,
      pending: known,
    },
  });
  for (const [statement, code] of [
    [`delete from risk_internal.migrations where id = ${known}`, 'DATABASE_BEHIND'],
    [`insert into risk_internal.migrations (hash, created_at) values ('x', 1)`, 'DATABASE_NEWER'],
    [`update risk_internal.migrations set hash = 'x' where id = 2`, 'MIGRATION_CHANGED'],
  ] as const) {
    const db = await database(t);
    await db.rows(statement);
    const app = await startApp(t, { databaseUrl: db.url });
    const found = await readyz(app);
    assert.deepEqual([found.http, found.status], [503, 'not_ready'], code);
    assert.deepEqual(found.checks['database'], { status: 'ok' }, code);
    assert.equal(found.checks['migrations']?.['code'], code);
    assert.match(String(found.checks['migrations']?.['message']), /\w/);
    const scrape = parseScrape(await app.scrape());
    assert.equal(scrape.value('zt_risk_sync_database_up'), 1, code);
    assert.equal(scrape.value('zt_risk_sync_database_migrated'), 0, code);
  }
});

test('a check that fails for an unforeseen reason is not ready, and its message goes to the log alone', async (t) => {
  const db = await database(t);
  const pool = createPool({ url: db.url, logger: { warn() {} } });
  await pool.end();
  const app = await startApp(t, { databaseUrl: db.url, pool });
  const found = await readyz(app);
  assert.deepEqual([found.http, found.status], [503, 'not_ready']);
  assert.deepEqual(found.checks, {
    database: { status: 'failed', code: 'UNEXPECTED', message: 'An unexpected error occurred' },
    migrations: { status: 'unknown' },
  });
  const logged = app.logs.filter(({ message }) => message === 'the readiness check failed');
  assert.deepEqual(
    logged.map(({ fields }) => (fields['err'] as Error).message),
    ['Cannot use a pool after calling end on the pool'],
  );
});

test('also gives a scrape when the database has no tables', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  const scrape = parseScrape(await (await startApp(t, { databaseUrl: empty.url })).scrape());
  assert.equal(scrape.value('zt_risk_sync_database_up'), 1);
  assert.equal(scrape.value('zt_risk_sync_database_migrated'), 0);
});

test('reveals no password, user or account', async (t) => {
  const db = await database(t);
  const history = sampleHistory(db.pool);
  await history.snapshot(await history.account('an-account-id'), '2026-01-01T00:00:00Z');
  assert.ok(
    !(await (await startApp(t, { databaseUrl: db.url })).ask('GET', '/readyz')).text.includes('an-account'),
  );
  const wrong = new URL(db.url);
  wrong.username = 'alice';
  wrong.password = 'a-wrong-password';
  const { status, text } = await (await startApp(t, { databaseUrl: wrong.href })).ask('GET', '/readyz');
  assert.equal(status, 503);
  assert.match(text, /DATABASE_REFUSED/);
  assert.ok(!/alice|a-wrong-password/.test(text));
});

test('asks the database once for many probes at the same time', async (t) => {
  const db = await database(t);
  const proxy = await startFaultProxy(db.url, { count: /from risk_internal\.migrations/ });
  t.after(() => proxy.close());
  const app = await startApp(t, { databaseUrl: proxy.url });
  const found = await Promise.all(Array.from({ length: 30 }, () => readyz(app)));
  assert.ok(found.every(({ http }) => http === 200));
  // Twice if the machine takes more than a second for the probes.
  assert.ok(proxy.passed() >= 1 && proxy.passed() <= 2, `${proxy.passed()} checks`);
  const before = proxy.passed();
  await until(async () => {
    await readyz(app);
    return proxy.passed() > before;
  });
});

test('says that it is stopping, and no longer asks the database', async (t) => {
  const app = await startApp(t, { databaseUrl: 'postgres://127.0.0.1:1/none', isStopping: () => true });
  const { status, json } = await app.ask('GET', '/readyz');
  assert.deepEqual([status, json], [503, { status: 'stopping' }]);
  assert.equal((await app.ask('GET', '/livez')).status, 200);
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error('it did not come to that');
}
