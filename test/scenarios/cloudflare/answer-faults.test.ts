// What a run does with the answers that the API may give instead of a page. There is one case for each kind of ending,
// and cases that only a whole run can show. Which answer means what, and how long to wait, is proven one by one in
// cloudflare/problems/judge.test.ts and cloudflare/client.test.ts. Each test ends with a healthy API, and checks every
// promise.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startScenario, TOKEN, type Account, type Scenario } from '../../support/faults/fault-scenario.ts';
import { clockOff, failure, htmlPage } from '../../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { runCommand } from '../../support/run-command.ts';

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

const timesAsked = (page: number) =>
  scenario.api.asked().filter((asked) => asked.kind === 'summary' && asked.page === page).length;

test('429 with Retry-After: the run waits that long, asks for the same page, and its record counts the retry', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 3, nth: 1, fault: failure(429, 971, { headers: { 'retry-after': '17' } }) }]);
  const ran = await account.succeed();
  assert.equal(Math.max(...ran.slept), 17_000);
  assert.ok(timesAsked(3) >= 2);
  assert.equal(ran.facts?.retries, 1);
  const recorded = 'select retries from risk.sync_runs where run_id = $1';
  assert.deepEqual(await db.rows(recorded, [ran.runId]), [{ retries: 1 }]);
  await account.assertPromises();
});

test('429 without end: fails at the time budget with exit 75, and publishes nothing', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 3, fault: failure(429, 971, { headers: { 'retry-after': '300' } }) }]);
  await account.fail('TIME_BUDGET', 75, { sleep: 'real', settings: { timeBudgetMs: 400 } });
  await account.assertPromises();
});

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
  const fault = htmlPage(522);
  scenario.api.script([{ page: 4, fault }]);
  await account.fail('CLOUDFLARE_UNAVAILABLE', 75);
  assert.ok((scenario.api.done()[fault.name] ?? 0) > 1);
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

for (const [what, when, fault, code, exit, says] of [
  [
    '403 with code 9109 in the middle of a walk: exit 77, the message names the permission',
    { nth: { from: 3 } },
    failure(403, 9109, { message: `Bearer ${TOKEN} is not allowed` }),
    'PERMISSION_DENIED',
    77,
    /Zero Trust: PII Read/,
  ],
  [
    '404 with code 7003: exit 78, the message names the account id',
    { page: 1 },
    failure(404, 7003),
    'ACCOUNT_NOT_FOUND',
    78,
    /CLOUDFLARE_ACCOUNT_ID/,
  ],
  [
    'an unknown 409: exit 1, the API is quoted',
    { page: 1 },
    failure(409, 1234, { message: 'the moon is in the wrong house' }),
    'REQUEST_REFUSED',
    1,
    /the moon is in the wrong house/,
  ],
] as const) {
  test(`no retry after ${what}, and nothing is published`, async () => {
    const account = await yesterdays();
    scenario.api.script([{ ...when, fault }]);
    const { error, facts } = await account.fail(code, exit, { settings: { concurrency: 1 } });
    assert.equal(scenario.api.done()[fault.name], 1);
    assert.equal(facts?.retries, 0);
    assert.match(error.message, says);
    await account.assertPromises();
  });
}

test("a server clock an hour ahead changes nothing: the snapshot's instant comes from the database", async () => {
  const account = await yesterdays();
  const ms = 3_600_000;
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
  assert.ok((snapshot?.off ?? ms) < 60);
  await account.assertPromises();
});

test('the command exits with 75, 77 and 78, says what to do, and prints no secret', async () => {
  const account = scenario.account();
  const env = {
    CLOUDFLARE_BASE_URL: scenario.api.url.href,
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: account.id,
    DATABASE_URL: db.url,
    SYNC_TIME_BUDGET: '1s',
  };
  for (const [fault, code, says] of [
    [failure(403, 9109, { message: `no entry for ${TOKEN}` }), 77, /Zero Trust: PII Read/],
    [failure(404, 7003), 78, /CLOUDFLARE_ACCOUNT_ID/],
    // The last one: every process with this token then holds back for a minute.
    [failure(429, 971, { headers: { 'retry-after': '60' } }), 75, /TIME_BUDGET/],
  ] as const) {
    scenario.api.script([{ fault }]);
    const ended = await runCommand(['sync', '--json'], env);
    assert.equal(ended.code, code);
    assert.match(ended.stdout + ended.stderr, says);
    scenario.logs.push(ended.stdout + ended.stderr);
  }
  await account.assertPromises();
});
