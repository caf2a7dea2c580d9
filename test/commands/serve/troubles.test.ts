// `serve` is told to stop, or its database is unreachable, refuses the password, or belongs to a newer release.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addAccount } from '../../../src/sync/claim/account-row.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { runCommand } from '../../support/run-command.ts';
import { newAccount, serveStage, until, type ServedStage } from '../../support/world/serve-stage.ts';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';

let stage: ServedStage;
before(async () => {
  stage = await serveStage();
});
after(() => stage.close());

describe('serve at SIGTERM', () => {
  test('exits at once when no run is active', async () => {
    const accountId = newAccount();
    const server = stage.serve(accountId);
    await server.logged('run succeeded');
    const { code, seconds } = await stage.stop(server);
    assert.equal(code, 0);
    assert.ok(seconds < 10);
    assert.deepEqual(
      server
        .lines()
        .slice(-2)
        .map((line) => line.message),
      ['stopping', 'stopped'],
    );
    assert.equal(await stage.leases(), 0);
  });

  test('gives up a walk under way, and records the run', async () => {
    const accountId = newAccount();
    const server = stage.serve(accountId, { CLOUDFLARE_BASE_URL: stage.throttled.url });
    await server.logged('throttled by Cloudflare, waiting');
    const { code, seconds } = await stage.stop(server);
    assert.equal(code, 0);
    assert.ok(seconds < 10);
    assert.deepEqual(await stage.runsOf(accountId), ['cron failed INTERRUPTED']);
    assert.equal(await stage.leases(), 0);
  });

  /** Runs `work` while no run can publish. */
  async function withPublishHeld(work: () => Promise<void>): Promise<void> {
    const client = await stage.db.pool.connect();
    await client.query('begin');
    await client.query('select 1 from risk_internal.feed_clock for update');
    try {
      await work();
    } finally {
      await client.query('rollback');
      client.release();
    }
  }
  test('waits for the end of a publish under way', async () => {
    const accountId = newAccount();
    await addAccount(stage.db.pool, { accountId });
    let server: ReturnType<typeof stage.serve> | undefined;
    await withPublishHeld(async () => {
      server = stage.serve(accountId);
      await untilLockWaiters(stage.db.pool);
      server.signal('SIGTERM');
      await server.logged('stopping');
      // Long enough to see that it does wait.
      assert.equal(await Promise.race([server.ended, sleep(700, 'waits')]), 'waits');
      assert.equal((await server.ask('/readyz')).json.status, 'stopping');
    });
    assert.deepEqual(await server?.ended, [0, null]);
    assert.deepEqual(await stage.runsOf(accountId), ['cron succeeded']);
    assert.equal(await stage.leases(), 0);
  });

  test('ends at once on a second signal, and the next run takes over', async () => {
    const accountId = newAccount();
    await addAccount(stage.db.pool, { accountId });
    await withPublishHeld(async () => {
      const server = stage.serve(accountId);
      await untilLockWaiters(stage.db.pool);
      server.signal('SIGTERM');
      await server.logged('stopping');
      await sleep(300);
      server.signal('SIGTERM');
      assert.deepEqual(await server.ended, [75, null]);
    });
    const { code } = await runCommand(['sync'], stage.environment(accountId));
    assert.equal(code, 0);
    assert.deepEqual(await stage.runsOf(accountId), ['cron abandoned ABANDONED', 'cli succeeded']);
    assert.equal(await stage.leases(), 0);
  });
});

test('serve reports a password that was changed while it runs, with the fix, and is not ready until the password is right again', async (t) => {
  const accountId = newAccount();
  const role = `serve_${accountId.slice(-4)}`;
  const change = (password: string) => stage.db.pool.query(`alter role ${role} password '${password}'`);
  await stage.db.pool.query(`create role ${role} superuser login password 'first-password'`);
  t.after(() => stage.db.pool.query(`drop role ${role}`));
  const url = Object.assign(new URL(stage.db.url), { username: role, password: 'first-password' }).href;
  const server = stage.serve(accountId, { DATABASE_URL: url, SYNC_SCHEDULE: '* * * * * *' });
  await server.logged('run succeeded');
  await change('second-password');
  await stage.db.pool.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
    role,
  ]);
  const refused = () =>
    server
      .lines()
      .find(
        ({ error_code, message }) =>
          error_code === 'DATABASE_REFUSED' && message === 'accounts cannot be synced now, trying again',
      );
  await until(async () => refused() !== undefined);
  assert.match(refused()?.todo ?? '', /DATABASE_URL/);
  const { status, json } = await server.ask('/readyz');
  assert.deepEqual([status, json.checks.database.code], [503, 'DATABASE_REFUSED']);
  const before = (await stage.runsOf(accountId)).length;
  await change('first-password');
  await until(async () => (await stage.runsOf(accountId)).length > before);
  assert.equal((await stage.stop(server)).code, 0);
  assert.ok(!/(first|second)-password/.test(server.stderr()), 'no password in the log');
});

test('serve writes nothing to the database of a newer release, says so, and goes on when that release is undone', async () => {
  const accountId = newAccount();
  const server = stage.serve(accountId, { SYNC_SCHEDULE: '* * * * * *' });
  await server.logged('run succeeded');
  await stage.db.pool.query(
    `insert into risk_internal.migrations (hash, created_at) values ('of a newer release', 4102444800000)`,
  );
  const refused = await server.logged('accounts cannot be synced now, trying again');
  assert.equal((refused as { error_code?: string }).error_code, 'DATABASE_NEWER');
  const before = await stage.runsOf(accountId);
  const rows = await stage.db.rows('select * from risk.sync_runs');
  const { status, json } = await server.ask('/readyz');
  assert.deepEqual([status, json.status, json.checks.migrations.code], [503, 'not_ready', 'DATABASE_NEWER']);
  assert.equal(json.checks.database.status, 'ok');
  await sleep(1_200);
  assert.deepEqual(await stage.db.rows('select * from risk.sync_runs'), rows);
  await stage.db.pool.query(`delete from risk_internal.migrations where hash = 'of a newer release'`);
  await server.logged(
    'run succeeded',
    server.lines().filter((l) => l.message === 'run succeeded').length + 1,
  );
  assert.ok((await stage.runsOf(accountId)).length > before.length);
  assert.equal((await stage.stop(server)).code, 0);
});

test('serve waits for a database that is not reachable yet, and its probes say so', async () => {
  const target = new URL(stage.db.url);
  const door = createServer((socket) => {
    const server = connect(Number(target.port), target.hostname);
    socket.on('error', () => undefined).pipe(server);
    server.on('error', () => undefined).pipe(socket);
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const { port } = door.address() as AddressInfo;
  await new Promise((done) => door.close(done));
  const url = new URL(stage.db.url);
  url.host = `127.0.0.1:${port}`;
  const accountId = newAccount();
  const server = stage.serve(accountId, { DATABASE_URL: url.href });
  await server.logged('waiting for the database');
  assert.equal((await server.ask('/livez')).status, 200);
  const away = await server.ask('/readyz');
  assert.deepEqual([away.status, away.json.checks.database.code], [503, 'DATABASE_UNAVAILABLE']);
  door.listen(port, '127.0.0.1');
  await server.logged('run succeeded');
  assert.equal((await server.ask('/readyz')).status, 200);
  assert.equal((await stage.stop(server)).code, 0);
  door.close();
});
