// `serve` as it is deployed: the bundle in its own process, signals, HTTP, a database that goes away and comes back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { addAccount } from '../../src/sync/claim/account-row.ts';
import { CLI, runCli } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

/** Limited, so that an event that never comes fails the test instead of hanging it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    assert.ok(tries < 2_000, 'the expected event never came');
    await sleep(20);
  }
}

const TOKEN = 'serve-test-token';
const HTTP_TOKEN = 'serve-http-token';
/** No slot of these schedules begins during a test. */
const YEARLY = '0 0 1 1 *';
const HOURLY = `${(new Date().getMinutes() + 30) % 60} * * * *`;

type Line = {
  message: string;
  level: string;
  run_id?: number;
  account_id?: string;
  url?: string;
  error_code?: string;
  todo?: string;
};

describe('serve', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let simulator: Simulator;
  let throttled: Simulator;
  const running = new Set<() => void>();
  let accounts = 0;
  const newAccount = () => (accounts += 1).toString(16).padStart(32, 'c');

  const simulate = (faults: Fault[], perPageMax: number) =>
    startSimulator({
      worlds: createWorld({
        seed: 5,
        users: 120,
        start: new Date(Date.now() - 40 * 86_400_000),
        days: Number.POSITIVE_INFINITY,
      }),
      now: () => new Date(),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax,
      rateLimit: null,
      faults,
    });
  before(async () => {
    db = await migratedDatabase();
    simulator = await simulate([], 1_000);
    // Every ten pages cost a second of waiting, so walks last.
    throttled = await simulate(['throttle'], 3);
  });
  after(async () => {
    for (const kill of running) kill();
    await simulator.close();
    await throttled.close();
    await db.close();
  });

  const environment = (accountId: string, more: Record<string, string> = {}) => ({
    CLOUDFLARE_BASE_URL: simulator.url,
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: accountId,
    DATABASE_URL: db.url,
    SYNC_SCHEDULE: YEARLY,
    HTTP_PORT: '0',
    ...more,
  });

  function serve(accountId: string, more: Record<string, string> = {}) {
    const child = spawn(process.execPath, [CLI, 'serve'], {
      cwd: tmpdir(),
      env: { PATH: process.env['PATH'] ?? '', ...environment(accountId, more) },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close') as Promise<[code: number | null]>;
    const kill = () => void child.kill('SIGKILL');
    running.add(kill);
    void ended.finally(() => running.delete(kill));
    const lines = () =>
      stderr.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
    return {
      ended,
      stderr: () => stderr,
      lines,
      signal: (name: NodeJS.Signals) => void child.kill(name),
      async logged(message: string, count = 1): Promise<Line> {
        for (let tries = 0; ; tries += 1) {
          const found = lines().filter((line) => line.message === message);
          if (found.length >= count) return found[count - 1]!;
          if (child.exitCode !== null) assert.fail(`ended without saying "${message}": ${stderr}`);
          assert.ok(tries < 2_000, `"${message}" was never logged: ${stderr}`);
          await sleep(20);
        }
      },
      async ask(path: string, init: RequestInit = {}) {
        const { url } = await this.logged('listening');
        const response = await fetch(`${url}${path}`, init);
        const text = await response.text();
        return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : null };
      },
    };
  }

  const stop = async (server: ReturnType<typeof serve>) => {
    const began = performance.now();
    server.signal('SIGTERM');
    const [code] = await server.ended;
    return { code, seconds: (performance.now() - began) / 1_000 };
  };

  const runsOf = async (accountId: string) =>
    (
      await db.rows<{ run: string }>(
        `select trigger || ' ' || status || coalesce(' ' || error_code, '') as run
           from risk.sync_runs join risk.accounts using (account_key) where account_id = $1 order by run_id`,
        [accountId],
      )
    ).map((row) => row.run);
  const leases = async () => (await db.rows('select 1 from risk_internal.leases')).length;

  describe('refuses to start', () => {
    for (const [title, more, said] of [
      ['without a database where there is no terminal', { DATABASE_URL: '' }, /DATABASE_URL: must be set/],
      [
        'on an address that others can reach, without a token',
        { HTTP_HOST: '0.0.0.0' },
        /HTTP_TOKEN: must be set when HTTP_HOST is 0\.0\.0\.0/,
      ],
      [
        'with an invalid schedule, and says what is wrong with it',
        { SYNC_SCHEDULE: '61 25 * * *' },
        /SYNC_SCHEDULE: .*61[^]*SYNC_SCHEDULE: .*25/,
      ],
      [
        'with several errors, and names all of them at once',
        { SYNC_SCHEDULE: '61 * * * *', HTTP_HOST: '0.0.0.0', DATABASE_URL: '', PING_URL: 'hc-ping' },
        /4 problems:(?=[^]*SYNC_SCHEDULE)(?=[^]*HTTP_TOKEN)(?=[^]*DATABASE_URL)(?=[^]*PING_URL)/,
      ],
      ['with a PING_URL that is not an address', { PING_URL: 'hc-ping' }, /PING_URL: must be an http/],
    ] as const) {
      test(title, async () => {
        const result = await runCommand(['serve'], environment(newAccount(), more));
        assert.equal(result.code, 78);
        assert.match(result.stderr, said);
        assert.match(result.stderr, /Nothing was started/);
      });
    }

    test('on a database that refuses the password, instead of waiting for it', async () => {
      const url = Object.assign(new URL(db.url), { password: 'wrong-password' }).href;
      const result = await runCli(['serve'], environment(newAccount(), { DATABASE_URL: url }));
      assert.equal(result.code, 78);
      assert.match(result.stderr, /error DATABASE_REFUSED: .*password/);
      assert.doesNotMatch(result.stderr, /wrong-password/);
    });

    test('on a port that is taken', async () => {
      const other = createHttpServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const port = String((other.address() as AddressInfo).port);
      const result = await runCli(['serve'], environment(newAccount(), { HTTP_PORT: port }));
      other.close();
      assert.equal(result.code, 78);
      assert.match(result.stderr, /error HTTP_PORT_TAKEN/);
    });
  });

  test('syncs an account that was never synced, pings the monitor, and logs no secret', async () => {
    const pings: string[] = [];
    const monitor = createHttpServer((request, response) => {
      pings.push(request.url ?? '');
      response.end();
    }).listen(0, '127.0.0.1');
    await once(monitor, 'listening');
    const accountId = newAccount();
    const server = serve(accountId, {
      HTTP_TOKEN,
      LOG_LEVEL: 'debug',
      PING_URL: `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/hush-hush/{account_id}`,
    });
    const done = await server.logged('run succeeded');
    assert.equal((await server.ask('/livez')).status, 200);
    const ready = await server.ask('/readyz');
    assert.deepEqual([ready.status, ready.json.freshness.stale], [200, 0]);
    assert.equal((await server.ask('/metrics')).status, 401);
    const authorized = { headers: { authorization: `Bearer ${HTTP_TOKEN}` } };
    const metrics = await server.ask('/metrics', authorized);
    assert.match(
      metrics.text,
      new RegExp(
        `zt_risk_sync_runs_total\\{account_id="${accountId}",trigger="cron",status="succeeded",verdict="complete"\\} 1`,
      ),
    );
    assert.match(metrics.text, /zt_risk_sync_cloudflare_requests_total\{status="200"\} [1-9]/);
    await until(async () => pings.length > 0);
    monitor.close();
    assert.deepEqual(pings, [`/hush-hush/${accountId}`]);
    const { code } = await stop(server);
    assert.equal(code, 0);
    assert.deepEqual(await runsOf(accountId), ['cron succeeded']);
    // Every line between the start of the run and its end names the run and the account.
    const lines = server.lines();
    const started = lines.findIndex((line) => line.message === 'run started');
    const ended = lines.findIndex((line) => line.message === 'run succeeded');
    const ofRun = lines.slice(started, ended + 1).filter((line) => line.message !== 'request');
    assert.ok(ofRun.length >= 2);
    for (const line of ofRun) assert.deepEqual([line.run_id, line.account_id], [done.run_id, accountId]);
    for (const secret of [TOKEN, HTTP_TOKEN, 'hush-hush', new URL(db.url).password, '@example'])
      if (secret !== '') assert.ok(!server.stderr().includes(secret), `${secret} was logged`);
  });

  test('runs once for a day of missed slots, although two replicas start, and not at all while the data is fresh', async () => {
    const accountId = newAccount();
    const hourly = { SYNC_SCHEDULE: HOURLY };
    await runCommand(['sync'], environment(accountId));
    await db.pool.query(
      `update risk.sync_runs r set started_at = now() - interval '26 hours', finished_at = now() - interval '26 hours'
         from risk.accounts a where a.account_key = r.account_key and account_id = $1`,
      [accountId],
    );
    const replicas = [serve(accountId, hourly), serve(accountId, hourly)];
    await Promise.race(replicas.map((replica) => replica.logged('run succeeded')));
    // By now the other replica has looked, and it looks once more.
    await Promise.all(replicas.map((replica) => replica.logged('serving')));
    await sleep(1_500);
    for (const replica of replicas) assert.equal((await stop(replica)).code, 0);
    assert.deepEqual(await runsOf(accountId), ['cli succeeded', 'cron succeeded']);

    const again = serve(accountId, hourly);
    await again.logged('serving');
    await sleep(700);
    assert.equal((await stop(again)).code, 0);
    assert.equal((await runsOf(accountId)).length, 2);
  });

  test('a run started over HTTP reports its start, and a second request during the run is queued', async () => {
    const accountId = newAccount();
    await runCommand(['sync'], environment(accountId));
    const server = serve(accountId, {
      CLOUDFLARE_BASE_URL: throttled.url,
      HTTP_TOKEN,
      SYNC_SCHEDULE: HOURLY,
    });
    await server.logged('serving');
    const post = { method: 'POST', headers: { authorization: `Bearer ${HTTP_TOKEN}` } };
    const first = await server.ask('/sync', post);
    assert.deepEqual([first.status, first.json.accounts[0].status], [202, 'started']);
    const held = await runCli(['sync', '--json'], environment(accountId));
    assert.deepEqual(
      [held.code, JSON.parse(held.stdout).status, JSON.parse(held.stdout).run_id],
      [0, 'already_running', first.json.accounts[0].run_id],
    );
    assert.equal((await server.ask('/sync', post)).json.accounts[0].status, 'queued');
    assert.equal((await stop(server)).code, 0);
    assert.deepEqual(await runsOf(accountId), ['cli succeeded', 'http failed INTERRUPTED']);
  });

  describe('at SIGTERM', () => {
    test('exits at once when no run is active', async () => {
      const accountId = newAccount();
      const server = serve(accountId);
      await server.logged('run succeeded');
      const { code, seconds } = await stop(server);
      assert.equal(code, 0);
      assert.ok(seconds < 10);
      assert.deepEqual(
        server
          .lines()
          .slice(-2)
          .map((line) => line.message),
        ['stopping', 'stopped'],
      );
      assert.equal(await leases(), 0);
    });

    test('gives up a walk under way, and records the run', async () => {
      const accountId = newAccount();
      const server = serve(accountId, { CLOUDFLARE_BASE_URL: throttled.url });
      await server.logged('throttled by Cloudflare, waiting');
      const { code, seconds } = await stop(server);
      assert.equal(code, 0);
      assert.ok(seconds < 10);
      assert.deepEqual(await runsOf(accountId), ['cron failed INTERRUPTED']);
      assert.equal(await leases(), 0);
    });

    /** Runs `work` while no run can publish. */
    async function withPublishHeld(work: () => Promise<void>): Promise<void> {
      const client = await db.pool.connect();
      await client.query('begin');
      await client.query('select 1 from risk_internal.feed_clock for update');
      try {
        await work();
      } finally {
        await client.query('rollback');
        client.release();
      }
    }
    const waiters = async () =>
      (
        await db.rows(
          `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        )
      ).length;

    test('waits for the end of a publish under way', async () => {
      const accountId = newAccount();
      await addAccount(db.pool, { accountId });
      let server: ReturnType<typeof serve> | undefined;
      await withPublishHeld(async () => {
        server = serve(accountId);
        await until(async () => (await waiters()) > 0);
        server.signal('SIGTERM');
        await server.logged('stopping');
        // Long enough to see that it does wait.
        assert.equal(await Promise.race([server.ended, sleep(700, 'waits')]), 'waits');
        assert.equal((await server.ask('/readyz')).json.status, 'stopping');
      });
      assert.deepEqual(await server?.ended, [0, null]);
      assert.deepEqual(await runsOf(accountId), ['cron succeeded']);
      assert.equal(await leases(), 0);
    });

    test('ends at once on a second signal, and the next run takes over', async () => {
      const accountId = newAccount();
      await addAccount(db.pool, { accountId });
      await withPublishHeld(async () => {
        const server = serve(accountId);
        await until(async () => (await waiters()) > 0);
        server.signal('SIGTERM');
        await server.logged('stopping');
        await sleep(300);
        server.signal('SIGTERM');
        assert.deepEqual(await server.ended, [75, null]);
      });
      const { code } = await runCommand(['sync'], environment(accountId));
      assert.equal(code, 0);
      assert.deepEqual(await runsOf(accountId), ['cron abandoned ABANDONED', 'cli succeeded']);
      assert.equal(await leases(), 0);
    });
  });

  test('a password that is changed under it is said with the mend, and counts as not ready until it fits again', async (t) => {
    const accountId = newAccount();
    const role = `serve_${accountId.slice(-4)}`;
    const change = (password: string) => db.pool.query(`alter role ${role} password '${password}'`);
    await db.pool.query(`create role ${role} superuser login password 'first-password'`);
    t.after(() => db.pool.query(`drop role ${role}`));
    const url = Object.assign(new URL(db.url), { username: role, password: 'first-password' }).href;
    const server = serve(accountId, { DATABASE_URL: url, SYNC_SCHEDULE: '* * * * * *' });
    await server.logged('run succeeded');
    await change('second-password');
    await db.pool.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role]);
    const refused = () =>
      server
        .lines()
        .find(
          ({ error_code, message }) =>
            error_code === 'DATABASE_REFUSED' && message === 'account cannot be synced now, trying again',
        );
    await until(async () => refused() !== undefined);
    assert.match(refused()?.todo ?? '', /DATABASE_URL/);
    const { status, json } = await server.ask('/readyz');
    assert.deepEqual([status, json.checks.database.code], [503, 'DATABASE_REFUSED']);
    const before = (await runsOf(accountId)).length;
    await change('first-password');
    await until(async () => (await runsOf(accountId)).length > before);
    assert.equal((await stop(server)).code, 0);
    assert.ok(!/(first|second)-password/.test(server.stderr()), 'no password in the log');
  });

  test('writes nothing on the database of a newer release, says so, and goes on when that release is undone', async () => {
    const accountId = newAccount();
    const server = serve(accountId, { SYNC_SCHEDULE: '* * * * * *' });
    await server.logged('run succeeded');
    await db.pool.query(
      `insert into risk_internal.migrations (hash, created_at) values ('of a newer release', 4102444800000)`,
    );
    const refused = await server.logged('account cannot be synced now, trying again');
    assert.equal((refused as { error_code?: string }).error_code, 'DATABASE_NEWER');
    const before = await runsOf(accountId);
    const rows = await db.rows('select * from risk.sync_runs');
    const { status, json } = await server.ask('/readyz');
    assert.deepEqual(
      [status, json.status, json.checks.migrations.code],
      [503, 'not_ready', 'DATABASE_NEWER'],
    );
    assert.equal(json.checks.database.status, 'ok');
    await sleep(1_200);
    assert.deepEqual(await db.rows('select * from risk.sync_runs'), rows);
    await db.pool.query(`delete from risk_internal.migrations where hash = 'of a newer release'`);
    await server.logged(
      'run succeeded',
      server.lines().filter((l) => l.message === 'run succeeded').length + 1,
    );
    assert.ok((await runsOf(accountId)).length > before.length);
    assert.equal((await stop(server)).code, 0);
  });

  test('waits for a database that is not there yet, and its probes say so', async () => {
    const target = new URL(db.url);
    const door = createServer((socket) => {
      const server = connect(Number(target.port), target.hostname);
      socket.on('error', () => undefined).pipe(server);
      server.on('error', () => undefined).pipe(socket);
    });
    door.listen(0, '127.0.0.1');
    await once(door, 'listening');
    const { port } = door.address() as AddressInfo;
    await new Promise((done) => door.close(done));
    const url = new URL(db.url);
    url.host = `127.0.0.1:${port}`;
    const accountId = newAccount();
    const server = serve(accountId, { DATABASE_URL: url.href });
    await server.logged('waiting for the database');
    assert.equal((await server.ask('/livez')).status, 200);
    const away = await server.ask('/readyz');
    assert.deepEqual([away.status, away.json.checks.database.code], [503, 'DATABASE_UNAVAILABLE']);
    door.listen(port, '127.0.0.1');
    await server.logged('run succeeded');
    assert.equal((await server.ask('/readyz')).status, 200);
    assert.equal((await stop(server)).code, 0);
    door.close();
  });

  test('logs a refused token with what to do, and does not print the token', async () => {
    const accountId = newAccount();
    const server = serve(accountId, { CLOUDFLARE_API_TOKEN: 'a-token-of-nobody' });
    const line = (await server.logged('run failed')) as Line & Record<string, string>;
    assert.equal(line['error_code'], 'PERMISSION_DENIED');
    assert.match(`${line['problem']} ${line['todo']}`, /Zero Trust: PII Read/);
    assert.ok(!server.stderr().includes('a-token-of-nobody'));
    assert.equal((await stop(server)).code, 0);
  });

  test('warns of the nights in which a local time zone skips or repeats a slot', async () => {
    const server = serve(newAccount(), { SYNC_SCHEDULE: '30 2 * * *', SYNC_TIMEZONE: 'Europe/Berlin' });
    await server.logged('daylight saving skips these times of the schedule');
    await server.logged('daylight saving repeats these times of the schedule, they run once');
    await server.logged('run succeeded');
    assert.equal((await stop(server)).code, 0);
  });
});
