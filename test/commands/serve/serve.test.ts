// `serve` at work: what keeps it from starting, slots, replicas, requests over HTTP, and what it logs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { runCommand } from '../../support/run-command.ts';
import {
  newAccount,
  serveStage,
  type ServedStage,
  HOURLY,
  HTTP_TOKEN,
  TOKEN,
  until,
  type Line,
} from '../../support/world/serve-stage.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCli } from '../../support/cli.ts';

let stage: ServedStage;
before(async () => {
  stage = await serveStage();
});
after(() => stage.close());

describe('serve refuses to start', () => {
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
      const result = await runCommand(['serve'], stage.environment(newAccount(), more));
      assert.equal(result.code, 78);
      assert.match(result.stderr, said);
      assert.match(result.stderr, /Nothing was started/);
    });
  }

  test('on a database that refuses the password, instead of waiting for it', async () => {
    const url = Object.assign(new URL(stage.db.url), { password: 'wrong-password' }).href;
    const result = await runCommand(['serve'], stage.environment(newAccount(), { DATABASE_URL: url }));
    assert.equal(result.code, 78);
    assert.match(result.stderr, /error DATABASE_REFUSED: .*password/);
    assert.doesNotMatch(result.stderr, /wrong-password/);
  });

  test('on a port that is taken', async () => {
    const other = createHttpServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    const result = await runCommand(['serve'], stage.environment(newAccount(), { HTTP_PORT: port }));
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
  const server = stage.serve(accountId, {
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
  const { code } = await stage.stop(server);
  assert.equal(code, 0);
  assert.deepEqual(await stage.runsOf(accountId), ['cron succeeded']);
  // Every line between the start of the run and its end names the run and the account.
  const lines = server.lines();
  const started = lines.findIndex((line) => line.message === 'run started');
  const ended = lines.findIndex((line) => line.message === 'run succeeded');
  const ofRun = lines.slice(started, ended + 1).filter((line) => line.message !== 'request');
  assert.ok(ofRun.length >= 2);
  for (const line of ofRun) assert.deepEqual([line.run_id, line.account_id], [done.run_id, accountId]);
  for (const secret of [TOKEN, HTTP_TOKEN, 'hush-hush', new URL(stage.db.url).password, '@example'])
    if (secret !== '') assert.ok(!server.stderr().includes(secret), `${secret} was logged`);
});

test('runs once for a day of missed slots, although two replicas start, and does not run while the data is fresh', async () => {
  const accountId = newAccount();
  const hourly = { SYNC_SCHEDULE: HOURLY };
  await runCommand(['sync'], stage.environment(accountId));
  await stage.db.pool.query(
    `update risk.sync_runs r set started_at = now() - interval '26 hours', finished_at = now() - interval '26 hours'
       from risk.accounts a where a.account_key = r.account_key and account_id = $1`,
    [accountId],
  );
  const replicas = [stage.serve(accountId, hourly), stage.serve(accountId, hourly)];
  await Promise.race(replicas.map((replica) => replica.logged('run succeeded')));
  // By now the other replica has checked the slot, and it checks again.
  await Promise.all(replicas.map((replica) => replica.logged('serving')));
  await sleep(1_500);
  for (const replica of replicas) assert.equal((await stage.stop(replica)).code, 0);
  assert.deepEqual(await stage.runsOf(accountId), ['cli succeeded', 'cron succeeded']);

  const again = stage.serve(accountId, hourly);
  await again.logged('serving');
  await sleep(700);
  assert.equal((await stage.stop(again)).code, 0);
  assert.equal((await stage.runsOf(accountId)).length, 2);
});

test('a run started over HTTP reports its start, and a second request during the run is queued', async () => {
  const accountId = newAccount();
  await runCommand(['sync'], stage.environment(accountId));
  const server = stage.serve(accountId, {
    CLOUDFLARE_BASE_URL: stage.throttled.url,
    HTTP_TOKEN,
    SYNC_SCHEDULE: HOURLY,
  });
  await server.logged('serving');
  const post = { method: 'POST', headers: { authorization: `Bearer ${HTTP_TOKEN}` } };
  const first = await server.ask('/sync', post);
  assert.deepEqual([first.status, first.json.accounts[0].status], [202, 'started']);
  const held = await runCli(['sync', '--json'], stage.environment(accountId));
  assert.deepEqual(
    [held.code, JSON.parse(held.stdout).status, JSON.parse(held.stdout).run_id],
    [0, 'already_running', first.json.accounts[0].run_id],
  );
  assert.equal((await server.ask('/sync', post)).json.accounts[0].status, 'queued');
  assert.equal((await stage.stop(server)).code, 0);
  assert.deepEqual(await stage.runsOf(accountId), ['cli succeeded', 'http failed INTERRUPTED']);
});

test('logs a refused token with what to do, and does not print the token', async () => {
  const accountId = newAccount();
  const server = stage.serve(accountId, { CLOUDFLARE_API_TOKEN: 'a-token-of-nobody' });
  const line = (await server.logged('run failed')) as Line & Record<string, string>;
  assert.equal(line['error_code'], 'PERMISSION_DENIED');
  assert.match(`${line['problem']} ${line['todo']}`, /Zero Trust: PII Read/);
  assert.ok(!server.stderr().includes('a-token-of-nobody'));
  assert.equal((await stage.stop(server)).code, 0);
});

test('warns of the nights in which a local time zone skips or repeats a slot', async () => {
  const server = stage.serve(newAccount(), { SYNC_SCHEDULE: '30 2 * * *', SYNC_TIMEZONE: 'Europe/Berlin' });
  await server.logged('daylight saving skips these times of the schedule');
  await server.logged('daylight saving repeats these times of the schedule, they run once');
  await server.logged('run succeeded');
  assert.equal((await stage.stop(server)).code, 0);
});
