// What the API may answer instead of a page: lines 1 to 5, 8, 10 and 15 of the faults in docs/reliability.md. Each test
// ends with a healthy API, and checks every promise.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startScenario, TOKEN, type Account, type Scenario } from '../support/faults/fault-scenario.ts';
import { startFaultServer } from '../support/faults/fault-server.ts';
import { clockOff, contentType, failure, htmlPage, redirect } from '../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url });
});
after(async () => {
  await scenario.close();
  await db.close();
});

/** An account with a snapshot from a day ago. */
async function yesterdays(): Promise<Account> {
  scenario.api.heal();
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  return account;
}

/** One account for all runs that fail at once, because each must leave it to the next. Its promises are checked last. */
let refusedOne: Promise<Account> | undefined;
const refused = () => {
  scenario.api.heal();
  return (refusedOne ??= yesterdays());
};

const timesAsked = (page: number) =>
  scenario.api.asked().filter((asked) => asked.kind === 'summary' && asked.page === page).length;

// 1

for (const [what, headers, waitMs] of [
  ['in seconds', { 'retry-after': '17' }, 17_000],
  ['of a whole five-minute block', { 'retry-after': '300' }, 300_000],
  ['beyond the longest block, which is ignored', { 'retry-after': '86400' }, 300_000],
] as const) {
  test(`429 with Retry-After ${what}: waits that long, asks for the same page, and counts the retry`, async () => {
    const account = await yesterdays();
    scenario.api.script([{ page: 3, nth: 1, fault: failure(429, 971, { headers }) }]);
    const ran = await account.succeed();
    assert.equal(Math.max(...ran.slept), waitMs);
    assert.ok(timesAsked(3) >= 2);
    assert.equal(ran.facts?.retries, 1);
    const [run] = await db.rows<{ retries: number }>('select retries from risk.sync_runs where run_id = $1', [
      ran.runId,
    ]);
    assert.deepEqual(run, { retries: 1 });
    await account.assertPromises();
  });
}

test('429 with Retry-After as a date: waits until then', async () => {
  const account = await yesterdays();
  const slow = clockOff(0, (clock) => ({
    status: 429,
    code: 10429,
    headers: { 'retry-after': clock(42_000) },
  }));
  scenario.api.script([{ page: 2, nth: 1, fault: slow }]);
  assert.equal(Math.max(...(await account.succeed()).slept), 42_000);
  await account.assertPromises();
});

// 2

test('429 without Retry-After: waits until the budget of the Ratelimit header resets', async () => {
  const account = await yesterdays();
  const headers = { ratelimit: '"default";r=0;t=9' };
  scenario.api.script([{ page: 2, nth: 1, fault: failure(429, 971, { headers }) }]);
  assert.equal(Math.max(...(await account.succeed()).slept), 9_000);
  await account.assertPromises();
});

test('429 without any header: backs off exponentially with full jitter', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 1, nth: [1, 2, 3, 4, 5, 6], fault: failure(429, 1015) }]);
  const { slept } = await account.succeed({ timing: { backoffBaseMs: 100, backoffCapMs: 1_000 } });
  assert.equal(slept.length, 6);
  for (const [index, limit] of [100, 200, 400, 800, 1_000, 1_000].entries())
    assert.ok(
      (slept[index] ?? -1) >= 0 && (slept[index] ?? Infinity) <= limit,
      `${slept[index]} of ${limit}`,
    );
  // Whole milliseconds, rounded up: two waits may be equal, but not six.
  assert.ok(new Set(slept).size > 2, slept.join());
  await account.assertPromises();
});

test('429 without end: fails at the time budget with exit 75, and publishes nothing', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 3, fault: failure(429, 971, { headers: { 'retry-after': '300' } }) }]);
  await account.fail('TIME_BUDGET', 75, { sleep: 'real', settings: { timeBudgetMs: 400 } });
  await account.assertPromises();
});

test('429 without end within the time budget: fails as RATE_LIMITED with exit 75', async () => {
  const account = await yesterdays();
  scenario.api.script([{ fault: failure(429, 971, { headers: { 'retry-after': '1' } }) }]);
  const { error } = await account.fail('RATE_LIMITED', 75);
  assert.match(error.message, /971/);
  await account.assertPromises();
});

// 3

const UNWELL = [408, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530];

test(`${UNWELL.join(', ')}: the same page is requested again after each of them`, async () => {
  const account = await yesterdays();
  const pages = 5;
  const rules = UNWELL.map((status, index) => ({
    page: 1 + (index % pages),
    nth: 1 + Math.floor(index / pages),
    fault: index % 2 === 0 ? htmlPage(status) : failure(status, 1003),
  }));
  scenario.api.script(rules);
  const ran = await account.succeed();
  assert.equal(ran.facts?.retries, UNWELL.length);
  for (const { fault } of rules) assert.equal(scenario.api.done()[fault.name], 1, fault.name);
  await account.assertPromises();
});

test('an API that stays broken: the run fails with exit 75 after a few attempts, and publishes nothing', async () => {
  const account = await yesterdays();
  for (const fault of [failure(503, 1003), htmlPage(522), htmlPage(530)]) {
    scenario.api.script([{ page: 4, fault }]);
    await account.fail('CLOUDFLARE_UNAVAILABLE', 75);
    assert.ok((scenario.api.done()[fault.name] ?? 0) > 1);
  }
  await account.assertPromises();
});

test('an API that fails every third request: one complete snapshot', async () => {
  const account = await yesterdays();
  scenario.api.script([
    { chance: 0.2, fault: failure(502, 1000) },
    { chance: 0.15, fault: failure(429, 971) },
    { kind: 'user', chance: 0.3, fault: failure(503, 1003) },
  ]);
  const ran = await account.succeed();
  assert.ok((ran.facts?.retries ?? 0) > 0);
  await account.assertPromises();
});

// 4

for (const [status, code] of [
  [401, 'AUTHENTICATION_FAILED'],
  [403, 'PERMISSION_DENIED'],
] as const) {
  for (const said of [10000, 9109]) {
    test(`${status} with code ${said}: no retry, exit 77, the message names the permission and not the token`, async () => {
      const account = await refused();
      const fault = failure(status, said, { message: `Bearer ${TOKEN} is not allowed` });
      scenario.api.script([{ nth: { from: 3 }, fault }]);
      const { error, facts } = await account.fail(code, 77, { settings: { concurrency: 1 } });
      assert.equal(scenario.api.done()[fault.name], 1);
      assert.equal(facts?.retries, 0);
      assert.match(error.message, /Zero Trust: PII Read/);
    });
  }
}

// Line 16, a token rotated during a run, also has a scenario here: on 401 and 403 the token's file is read again once.

// 5

for (const [what, fault, code, exit, says] of [
  [
    '7003: the message names the account id',
    failure(404, 7003),
    'ACCOUNT_NOT_FOUND',
    78,
    /CLOUDFLARE_ACCOUNT_ID/,
  ],
  [
    '7003 with 400: the message names the account id',
    failure(400, 7003),
    'ACCOUNT_NOT_FOUND',
    78,
    /CLOUDFLARE_ACCOUNT_ID/,
  ],
  ['6003: the message names the key', failure(400, 6003), 'KEY_FORMAT', 78, /Global API Key/],
  ['6103: the message names the key', failure(400, 6103), 'KEY_FORMAT', 78, /Global API Key/],
  [
    '404 of another kind: the message names the address',
    failure(404, 7000),
    'ENDPOINT_NOT_FOUND',
    78,
    /CLOUDFLARE_BASE_URL/,
  ],
  [
    'an unknown 409: the API is quoted',
    failure(409, 1234, { message: 'the moon is in the wrong house' }),
    'REQUEST_REFUSED',
    1,
    /status 409, code 1234: "the moon is in the wrong house"/,
  ],
] as const) {
  test(`no retry after ${what}`, async () => {
    const account = await refused();
    scenario.api.script([{ page: 1, fault }]);
    const { error, facts } = await account.fail(code, exit);
    assert.equal(facts?.retries, 0);
    assert.match(error.message, says);
  });
}

test('a refused per_page is requested again with a smaller one', async () => {
  const account = await yesterdays();
  const fault = failure(400, 1001, { message: 'per_page is too large' });
  scenario.api.script([{ when: ({ perPage }) => perPage > 50, fault }]);
  await account.succeed();
  assert.ok((scenario.api.done()[fault.name] ?? 0) >= 2);
  await account.assertPromises();
});

// 8

const NO_PAGES = {
  'HTML with status 200': [htmlPage(200), /Checking your browser/],
  'success: false with status 200': [failure(200, 1000, { message: 'try later' }), /try later/],
  'a wrong content type': [contentType('text/html'), /content type text\/html/],
} as const;

for (const [what, [fault, says]] of Object.entries(NO_PAGES)) {
  test(`${what}, once: the page is requested again`, async () => {
    const account = await yesterdays();
    scenario.api.script([{ page: 2, nth: 1, fault }]);
    assert.equal((await account.succeed()).facts?.retries, 1);
    await account.assertPromises();
  });

  test(`${what}, without end: a few retries, then exit 75 with a short, clean quote of the answer`, async () => {
    const account = await refused();
    scenario.api.script([{ page: 2, fault }]);
    const { error, facts } = await account.fail('BAD_ANSWER', 75);
    assert.ok((facts?.retries ?? 0) >= 1 && (facts?.retries ?? 100) < 10);
    assert.match(error.happened, says);
    assert.ok(error.happened.length < 300 && !/[<>{}]/.test(error.happened));
  });
}

test('right JSON under a content type that a proxy may give it: nothing is different', async () => {
  const account = await yesterdays();
  scenario.api.script([{ fault: contentType('text/plain; charset=utf-8') }]);
  assert.equal((await account.succeed()).facts?.retries, 0);
  scenario.api.script([{ page: 2, fault: contentType('text/json') }]);
  scenario.later();
  assert.equal((await account.succeed()).facts?.retries, 0);
  await account.assertPromises();
});

// 16c: what a person must mend has a code of its own.

for (const [fault, code, exit, says] of [
  ['challenge', 'CHALLENGED', 77, /ray 8f0c1d2e3a4b5c6d-SIM/],
  ['blocked', 'BLOCKED', 77, /Error 1020: Access denied/],
  ['bound-token', 'ADDRESS_REFUSED', 77, /203\.0\.113\.9.*Client IP Address Filtering/],
  ['no-plan', 'NOT_IN_PLAN', 78, /riskscoring\.api\.not_entitled.*Enterprise/],
] as const) {
  test(`${code}: exit ${exit}, the message says what to do, and nothing is published`, async (t) => {
    const account = await yesterdays();
    scenario.simulator.setFaults([fault]);
    t.after(() => scenario.simulator.setFaults([]));
    const { error } = await account.fail(code, exit);
    assert.match(error.message, says);
    scenario.simulator.setFaults([]);
    await account.assertPromises();
  });
}

// 10

test('a redirect is not followed, and the message names its host', async () => {
  const account = await refused();
  const elsewhere = await startFaultServer(new URL(scenario.simulator.url));
  for (const status of [301, 302, 307, 308]) {
    scenario.api.script([{ page: 2, fault: redirect(`${elsewhere.url.href}/login?next=x`, status) }]);
    const { error, facts } = await account.fail('REDIRECTED', 78);
    assert.ok(error.message.includes(elsewhere.url.host));
    assert.equal(facts?.retries, 0);
  }
  assert.deepEqual(elsewhere.asked(), []);
  await elsewhere.close();
});

test('an account on which all of these runs failed keeps every promise', async () => {
  const account = await refused();
  await account.assertPromises();
});

// 15

const HOUR = 3_600_000;
for (const [what, ms] of [
  ['behind', -HOUR],
  ['ahead', HOUR],
] as const) {
  test(`a server clock an hour ${what} changes nothing, and a Retry-After date is compared with that clock`, async () => {
    const account = await yesterdays();
    const slow = clockOff(ms, (clock) => ({
      status: 429,
      code: 971,
      headers: { 'retry-after': clock(30_000) },
    }));
    scenario.api.script([{ page: 2, nth: 1, fault: slow }, { fault: clockOff(ms, () => null) }]);
    const ran = await account.succeed();
    assert.equal(Math.max(...ran.slept), 30_000);
    const [snapshot] = await db.rows<{ off: number }>(
      'select abs(extract(epoch from now() - observed_at))::float8 as off from risk.snapshots where snapshot_id = $1',
      [ran.published?.snapshotId],
    );
    assert.ok((snapshot?.off ?? HOUR) < 60, "the instant comes from the database's clock");
    await account.assertPromises();
  });
}

test("a Retry-After date in the server's past: an ordinary back-off", async () => {
  const account = await yesterdays();
  const slow = clockOff(0, (clock) => ({
    status: 429,
    code: 971,
    headers: { 'retry-after': clock(-60_000) },
  }));
  scenario.api.script([{ page: 1, nth: 1, fault: slow }]);
  const { slept } = await account.succeed({ timing: { backoffBaseMs: 100 } });
  assert.equal(slept.length, 1);
  // Whole milliseconds, rounded up.
  assert.ok((slept[0] ?? 101) <= 100);
  await account.assertPromises();
});

// The command.

test('the command exits with 75, 77 and 78, says what to do, and prints no secret', async () => {
  const cli = path.resolve(import.meta.dirname, '../../dist/cli.js');
  assert.ok(existsSync(cli), 'run `npm run build` first (npm test does)');
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-faults-'));
  const account = scenario.account();
  const sync = () =>
    new Promise<{ code: unknown; output: string }>((resolve) => {
      const env = {
        PATH: process.env['PATH'] ?? '',
        CLOUDFLARE_BASE_URL: scenario.api.url.href,
        CLOUDFLARE_ALLOW_INSECURE: '1',
        CLOUDFLARE_API_TOKEN: TOKEN,
        CLOUDFLARE_ACCOUNT_ID: account.id,
        DATABASE_URL: db.url,
        SYNC_TIME_BUDGET: '1s',
      };
      execFile(process.execPath, [cli, 'sync', '--json'], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, output: stdout + stderr }),
      );
    });
  for (const [fault, code, says] of [
    [failure(429, 971, { headers: { 'retry-after': '60' } }), 75, /TIME_BUDGET/],
    [failure(403, 9109, { message: `no entry for ${TOKEN}` }), 77, /Zero Trust: PII Read/],
    [failure(404, 7003), 78, /CLOUDFLARE_ACCOUNT_ID/],
  ] as const) {
    scenario.api.script([{ fault }]);
    const ended = await sync();
    assert.equal(ended.code, code);
    assert.match(ended.output, says);
    scenario.logs.push(ended.output);
  }
  await rm(folder, { recursive: true });
  await account.assertPromises();
});
