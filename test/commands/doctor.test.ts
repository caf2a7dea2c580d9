// `doctor` as people start it: a real process, the simulated API, a real database; one thing made wrong at a time.
import assert from 'node:assert/strict';
import { mkdir, writeFile, chmod } from 'node:fs/promises';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { CHECKS } from '../../src/commands/doctor-lines.ts';
import { databaseUrl } from '../../src/db/create-database.ts';
import { processIdentity } from '../../src/sync/process-identity.ts';
import { startFront } from '../support/api-front.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase } from '../support/database.ts';
import {
  ACCOUNT,
  assertDiscreet,
  AUTH,
  OTHER_ACCOUNT,
  patient,
  type Diagnosis,
  type Patient,
} from '../support/doctor-patient.ts';

/** The checks that are neither ok nor, because the server of the tests works without fsync, `settings`. */
const troubles = ({ lines }: Diagnosis): string[] =>
  lines
    .filter(
      ({ check, status, found }) =>
        status !== 'ok' && !(check === 'settings' && found.startsWith('fsync off')),
    )
    .map(({ check, status }) => `${check} ${status}`);

const skippedAfter = (check: (typeof CHECKS)[number]): string[] =>
  CHECKS.slice(CHECKS.indexOf(check) + 1).map((name) => `${name} skipped`);

/** A finding alone decides the exit code and nothing else is touched. */
function assertOnly(
  diagnosis: Diagnosis,
  expected: { check: string; status: string; code: number; found: RegExp; mend: RegExp },
): void {
  assert.deepEqual(troubles(diagnosis), [`${expected.check} ${expected.status}`]);
  assertLine(diagnosis, expected);
}

function assertLine(
  diagnosis: Diagnosis,
  expected: { check: string; status: string; code: number; found: RegExp; mend?: RegExp },
): void {
  const line = diagnosis.line(expected.check);
  assert.equal(line.status, expected.status, line.found);
  assert.match(line.found, expected.found);
  if (expected.mend !== undefined) assert.match(line.mend ?? '', expected.mend);
  assert.equal(diagnosis.code, expected.code);
}

describe('an account that is well', () => {
  test('is said to be well in every line, in a stable order, and doctor exits 0', async (t) => {
    const diagnosis = await (await patient(t)).doctor();
    assert.deepEqual(troubles(diagnosis), []);
    assert.equal(diagnosis.code, 0);
    assert.deepEqual(
      diagnosis.lines.map(({ check }) => check),
      CHECKS,
    );
    for (const line of diagnosis.lines) {
      assert.deepEqual(
        Object.keys(line).filter((key) => key !== 'account_id' && key !== 'mend'),
        ['check', 'status', 'found'],
      );
      const isOfAccount = CHECKS.indexOf(line.check as (typeof CHECKS)[number]) >= CHECKS.indexOf('account');
      assert.equal(line.account_id, isOfAccount ? ACCOUNT : undefined);
    }
    assert.match(diagnosis.line('credentials').found, /API token of a user, active, never expires/);
  });

  test('is shown as lines that fit 80 columns, without colours where there is no terminal', async (t) => {
    const { env, folder } = await patient(t);
    const said = await runCli(['doctor'], env, folder);
    assertDiscreet(said);
    assert.equal(said.code, 0);
    assert.ok(!said.stdout.includes('\u001b'));
    for (const line of said.stdout.split('\n')) assert.ok(line.length <= 80, line);
    assert.match(said.stdout, /^ok {7}configuration {2}API token, 1 account/);
    assert.match(said.stdout, new RegExp(`^account ${ACCOUNT}$`, 'm'));
    assert.match(said.stdout, /^warning {2}settings {7}fsync off.*\n {24}→ Set fsync to on$/m);
    assert.match(said.stdout, /\n\n1 warning, 18 ok\n$/);
  });

  test('is left as it was, and a database without a schema stays without one', async (t) => {
    const p = await patient(t);
    const before = await fingerprint(p.databaseUrl);
    assert.equal((await p.doctor()).code, 0);
    assert.deepEqual(await fingerprint(p.databaseUrl), before);

    const fresh = await patient(t, { synced: false });
    const diagnosis = await fresh.doctor();
    assertLine(diagnosis, {
      check: 'migrations',
      status: 'failed',
      code: 78,
      found: /DATABASE_BEHIND: the database was never migrated/,
      mend: /zt-risk-sync migrate/,
    });
    assert.equal(diagnosis.line('history').status, 'skipped');
    assert.equal(diagnosis.line('account').status, 'ok');
    await fresh.sql('create schema risk');
  });

  test('is asked about without any request to Cloudflare with --offline', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const online = ['credentials', 'rate_budget', 'account', 'lookups', 'paging', 'walk_time'];
    const offline = await p.doctor({ CLOUDFLARE_BASE_URL: front.url }, ['--offline']);
    assert.deepEqual(
      troubles(offline),
      online.map((check) => `${check} skipped`),
    );
    assert.equal(offline.code, 0);
    assert.deepEqual(front.requests(), []);
    const without = await p.doctor({ CLOUDFLARE_API_TOKEN: '' }, ['--offline']);
    assert.equal(without.code, 0);
    assert.match(without.line('configuration').found, /no credentials/);
    assert.equal(without.line('history').status, 'ok');
  });
});

describe('the configuration', () => {
  test('is a failed line that lists every problem, and nothing else is looked at', async (t) => {
    const p = await patient(t, { synced: false });
    const diagnosis = await p.doctor({
      SYNC_SCHEDULE: 'now and then',
      SYNC_CONCURRENCY: '0',
      LOG_LEVEL: 'loud',
    });
    assertLine(diagnosis, {
      check: 'configuration',
      status: 'failed',
      code: 78,
      found: /CONFIGURATION: .*3 problems[^]*SYNC_SCHEDULE[^]*SYNC_CONCURRENCY[^]*LOG_LEVEL/,
      mend: /\.env\.example/,
    });
    assert.deepEqual(troubles(diagnosis), ['configuration failed', ...skippedAfter('configuration')]);
  });

  test('without credentials fails, and the database is looked at all the same', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ CLOUDFLARE_API_TOKEN: '' });
    assertLine(diagnosis, { check: 'configuration', status: 'failed', code: 78, found: /No credentials/ });
    assert.equal(diagnosis.line('credentials').status, 'skipped');
    assert.equal(diagnosis.line('counts').status, 'ok');
  });

  test('names what .env probably does not mean: typing errors, what is shadowed, and an open file', async (t) => {
    const p = await patient(t, { synced: false });
    const file = path.join(p.folder, '.env');
    await writeFile(file, 'SYNC_SHEDULE=* * * * *\nCLOUDFLARE_API_TOKEN=another-token-1234\n');
    await chmod(file, 0o644);
    const { status, found } = (await p.doctor()).line('configuration');
    assert.equal(status, 'warning');
    assert.match(found, /no setting of this program: SYNC_SHEDULE/);
    assert.match(found, /in the environment, which wins: CLOUDFLARE_API_TOKEN/);
    assert.match(found, /can be read by everybody/);
    assert.ok(!found.includes('another-token'));
  });

  test('fails when .env cannot be read', async (t) => {
    const p = await patient(t, { synced: false });
    await mkdir(path.join(p.folder, '.env'));
    const diagnosis = await p.doctor();
    assertLine(diagnosis, {
      check: 'configuration',
      status: 'failed',
      code: 78,
      found: /\.env: cannot be read \(EISDIR\)/,
    });
  });

  test('a wrong --account is a mistake at the prompt: exit 64, nothing is examined', async (t) => {
    const p = await patient(t, { synced: false });
    const { code, stdout, stderr } = await p.doctor({}, ['--account', OTHER_ACCOUNT]);
    assert.equal(code, 64);
    assert.equal(stdout, '');
    assert.match(stderr, /ACCOUNT_NOT_CONFIGURED/);
  });

  test('a proxy that cannot be one fails the credentials, and the database is looked at all the same', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ HTTP_PROXY: 'nonsense' });
    assertLine(diagnosis, { check: 'credentials', status: 'failed', code: 78, found: /PROXY_UNUSABLE/ });
    assert.equal(diagnosis.line('account').status, 'skipped');
    assert.equal(diagnosis.line('history').status, 'ok');
  });
});

describe('the credentials', () => {
  test('a wrong token fails once, with exit 77, and is not shown', async (t) => {
    const p = await patient(t);
    const token = 'wrong-token-that-must-not-show';
    const diagnosis = await p.doctor({ CLOUDFLARE_API_TOKEN: token });
    assertLine(diagnosis, {
      check: 'credentials',
      status: 'failed',
      code: 77,
      found: /AUTHENTICATION_FAILED: Cloudflare does not know this API token/,
      mend: /Zero Trust: PII Read/,
    });
    assert.deepEqual(
      troubles(diagnosis).filter((trouble) => trouble.endsWith('failed')),
      ['credentials failed'],
    );
    assert.ok(!`${diagnosis.stdout}${diagnosis.stderr}`.includes(token));
  });

  test('a disabled and an expired token fail by their own word', async (t) => {
    for (const tokenStatus of ['disabled', 'expired'] as const) {
      const p = await patient(t, { auth: { tokenStatus }, synced: false });
      const diagnosis = await p.doctor();
      assertLine(diagnosis, {
        check: 'credentials',
        status: 'failed',
        code: diagnosis.line('migrations').status === 'failed' ? 78 : 77,
        found: new RegExp(`API token of a user, ${tokenStatus}`),
      });
      assert.equal(diagnosis.line('account').status, 'skipped');
    }
  });

  test('a token that expires within two weeks is a warning; one that lives longer is not', async (t) => {
    const inDays = (days: number) => ({ auth: { tokenExpires: new Date(Date.now() + days * 86_400_000) } });
    const soon = await (await patient(t, inDays(13))).doctor();
    assertOnly(soon, {
      check: 'credentials',
      status: 'warning',
      code: 0,
      found: /expires on \d{4}-\d\d-\d\d \(in 13 days\)/,
      mend: /CLOUDFLARE_API_TOKEN/,
    });
    assert.deepEqual(troubles(await (await patient(t, inDays(60))).doctor()), []);
  });

  test('a token of the account is known at the address of the account', async (t) => {
    const diagnosis = await (await patient(t, { auth: { tokenOwner: 'account' } })).doctor();
    assert.deepEqual(troubles(diagnosis), []);
    assert.match(diagnosis.line('credentials').found, /API token of the account, active/);
  });

  test('an API that does not speak of tokens is believed when it serves the summary', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const failure = {
      success: false,
      errors: [{ code: 7000, message: 'No route for that URI' }],
      result: null,
    };
    front.answer = (url) => (url.includes('/tokens/verify') ? { status: 404, body: failure } : null);
    const diagnosis = await p.doctor({ CLOUDFLARE_BASE_URL: front.url });
    assert.deepEqual(troubles(diagnosis), []);
    assert.match(diagnosis.line('credentials').found, /accepted by the risk summary/);
  });

  test('email and key are known by their kind; a wrong key and a token as the key fail', async (t) => {
    const p = await patient(t);
    const env = { CLOUDFLARE_API_TOKEN: '', CLOUDFLARE_EMAIL: AUTH.email, CLOUDFLARE_API_KEY: AUTH.key };
    const good = await p.doctor(env);
    assert.deepEqual(troubles(good), []);
    assert.match(good.line('credentials').found, /email and Global API Key, accepted/);
    const front = await startFront(t, p.simulator.url);
    front.answer = (url) =>
      url.endsWith('/user') ? { status: 200, body: { success: true, result: { suspended: true } } } : null;
    const suspended = await p.doctor({ ...env, CLOUDFLARE_BASE_URL: front.url });
    assertOnly(suspended, {
      check: 'credentials',
      status: 'failed',
      code: 77,
      found: /member of this email and key is suspended/,
      mend: /API token/,
    });
    const wrong = await p.doctor({ ...env, CLOUDFLARE_API_KEY: 'deadbeef00' });
    assertLine(wrong, {
      check: 'credentials',
      status: 'failed',
      code: 77,
      found: /does not know this email and Global API Key/,
    });
    const token = await p.doctor({ ...env, CLOUDFLARE_API_KEY: AUTH.token });
    assertLine(token, {
      check: 'credentials',
      status: 'failed',
      code: 78,
      found: /KEY_FORMAT/,
      mend: /CLOUDFLARE_API_TOKEN/,
    });
  });
});

describe('the summary of an account', () => {
  test('that may not be read fails with exit 77 and names the permission; the token itself is alive', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['forbidden']);
    const diagnosis = await p.doctor();
    assertLine(diagnosis, {
      check: 'account',
      status: 'failed',
      code: 77,
      found: /PERMISSION_DENIED/,
      mend: /Zero Trust: PII Read/,
    });
    assert.equal(diagnosis.line('credentials').status, 'ok');
    assert.equal(diagnosis.line('paging').status, 'skipped');
  });

  test('of an account that is not there fails with exit 78, and the others are examined; --account narrows', async (t) => {
    const p = await patient(t);
    const env = { CLOUDFLARE_ACCOUNT_ID: `not-an-account,${ACCOUNT}` };
    const both = await p.doctor(env);
    assert.equal(both.code, 78);
    const accounts = both.lines.filter(({ check }) => check === 'account');
    assert.deepEqual(
      accounts.map(({ account_id, status }) => [account_id, status]),
      [
        ['not-an-account', 'failed'],
        [ACCOUNT, 'ok'],
      ],
    );
    assert.match(accounts[0]?.found ?? '', /ACCOUNT_NOT_FOUND/);
    const never = both.lines.find(({ check, account_id }) => check === 'freshness' && account_id !== ACCOUNT);
    assert.match(never?.found ?? '', /never synced/);
    const narrowed = await p.doctor(env, ['--account', ACCOUNT]);
    assert.deepEqual(troubles(narrowed), []);
    assert.equal(narrowed.code, 0);
  });

  test('of a Cloudflare that is down fails once with exit 75, and the database is examined', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['unavailable']);
    const diagnosis = await p.doctor({ CLOUDFLARE_ACCOUNT_ID: `${ACCOUNT},${OTHER_ACCOUNT}` });
    assert.equal(diagnosis.code, 75);
    const failures = diagnosis.lines.filter(({ status }) => status === 'failed');
    assert.deepEqual(
      failures.map(({ check, account_id }) => [check, account_id]),
      [['account', ACCOUNT]],
    );
    assert.match(failures[0]?.found ?? '', /CLOUDFLARE_UNAVAILABLE/);
    assert.equal(diagnosis.line('credentials').status, 'skipped');
    assert.ok(diagnosis.lines.some(({ check, status }) => check === 'counts' && status === 'ok'));
  });

  test('where nobody answers at all fails with the network', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ CLOUDFLARE_BASE_URL: 'http://127.0.0.1:1/client/v4' });
    assertLine(diagnosis, { check: 'account', status: 'failed', code: 75, found: /NETWORK: .*ECONNREFUSED/ });
    assert.equal(diagnosis.line('rate_budget').status, 'skipped');
  });

  test('whose users may not be asked about, or say nothing, warns that two walks must do', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const isUser = (url: string) => /zt_risk_scoring\/[0-9a-f-]{36}$/.test(url);
    const failure = { success: false, errors: [{ code: 9109, message: 'Unauthorized' }], result: null };
    front.answer = (url) => (isUser(url) ? { status: 403, body: failure } : null);
    const env = { CLOUDFLARE_BASE_URL: front.url };
    const refused = await p.doctor(env);
    assertOnly(refused, {
      check: 'lookups',
      status: 'warning',
      code: 0,
      found: /LOOKUPS_REFUSED.*two complete walks/,
      mend: /SYNC_CONFIRM=walks/,
    });
    front.answer = (url) =>
      isUser(url) ? { status: 200, body: { success: true, result: { events: [] } } } : null;
    const silent = await p.doctor(env);
    assertOnly(silent, {
      check: 'lookups',
      status: 'warning',
      code: 0,
      found: /state no level/,
      mend: /SYNC_CONFIRM=walks/,
    });
    assert.deepEqual(troubles(await p.doctor({ ...env, SYNC_CONFIRM: 'walks' })), ['lookups skipped']);
  });
});

describe('paging', () => {
  test('that is ignored, where one page does not hold everybody, fails with exit 1', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['ignore-page']);
    const diagnosis = await p.doctor({ SYNC_PER_PAGE: '50' });
    assertOnly(diagnosis, {
      check: 'paging',
      status: 'failed',
      code: 1,
      found: /PAGING_UNUSABLE: page ignored.*and there are \d+ users/,
      mend: /SYNC_PER_PAGE/,
    });
    assert.deepEqual(troubles(await p.doctor()), [], 'a page of 1,000 holds everybody');
  });

  test('that has changed since the last runs is a warning, and so is a change between them', async (t) => {
    const p = await patient(t, { synced: false });
    await p.sync({ SYNC_PER_PAGE: '50' });
    p.simulator.setFaults(['no-totals']);
    const env = { SYNC_PER_PAGE: '50' };
    const first = await p.doctor(env);
    assertOnly(first, {
      check: 'paging',
      status: 'warning',
      code: 0,
      found: /^changed since run \d+: totals was true, is false$/,
      mend: /complete/,
    });
    await p.sync(env);
    assertOnly(await p.doctor(env), {
      check: 'paging',
      status: 'warning',
      code: 0,
      found: /^changed from run \d+ to \d+: totals was true, is false$/,
      mend: /complete/,
    });
    await p.sync(env);
    assert.deepEqual(troubles(await p.doctor(env)), [], 'two runs alike: it is as it is');
  });

  test('with smaller pages than were asked for is said, and a refused size is asked smaller', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['clamp-50']);
    assert.match(
      (await p.doctor()).line('paging').found,
      /page honoured, per_page clamped, 50 users to a page \(1,000 asked for\)/,
    );
    p.simulator.setFaults(['refuse-large']);
    assert.match((await p.doctor()).line('paging').found, /100 users to a page/);
  });

  test('in pages so small that a walk cannot end in its time is a warning', async (t) => {
    const p = await patient(t);
    const env = { SYNC_PER_PAGE: '1', SYNC_RATE_SHARE: '0.05', SYNC_TIME_BUDGET: '1m' };
    assertOnly(await p.doctor(env), {
      check: 'walk_time',
      status: 'warning',
      code: 0,
      found: /a walk cannot end in its time/,
      mend: /SYNC_TIME_BUDGET/,
    });
    assertOnly(await p.doctor({ ...env, SYNC_TIME_BUDGET: '8m' }), {
      check: 'walk_time',
      status: 'warning',
      code: 0,
      found: /no room for a second pass/,
      mend: /SYNC_TIME_BUDGET/,
    });
  });
});

describe('the rate limit and the clocks', () => {
  test('few requests left is a warning, and the last ones are left to others', async (t) => {
    const p = await patient(t, { rateLimit: { requests: 2, windowSeconds: 300 }, synced: false });
    const diagnosis = await p.doctor();
    assert.equal(diagnosis.line('rate_budget').status, 'warning');
    assert.match(diagnosis.line('rate_budget').found, /0 requests left of 2/);
    assert.match(diagnosis.line('paging').found, /few requests are left/);
    assert.equal(p.simulator.requests(), 2);
  });

  test('no requests left fails with exit 75 at once', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const failure = { success: false, errors: [{ code: 971, message: 'throttle' }], result: null };
    front.answer = () => ({ status: 429, body: failure });
    const diagnosis = await p.doctor({ CLOUDFLARE_BASE_URL: front.url });
    assertLine(diagnosis, {
      check: 'account',
      status: 'failed',
      code: 75,
      found: /RATE_LIMITED/,
      mend: /5 minutes/,
    });
    assert.equal(front.requests().length, 1);
  });

  test('clocks more than a minute apart are a warning; API and database more than five apart fail', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    front.clockMs = 120_000;
    const env = { CLOUDFLARE_BASE_URL: front.url };
    assertOnly(await p.doctor(env), {
      check: 'clock',
      status: 'warning',
      code: 0,
      found: /Cloudflare is 2 min ahead of this host; Cloudflare is 2 min ahead of the database/,
      mend: /the clock of Cloudflare/,
    });
    front.clockMs = -600_000;
    assertOnly(await p.doctor(env), {
      check: 'clock',
      status: 'failed',
      code: 75,
      found: /the database is 10 min ahead of Cloudflare/,
      mend: /NTP/,
    });
  });
});

describe('the database', () => {
  const databaseChecks = [
    'settings',
    'privileges',
    'migrations',
    'lease',
    'freshness',
    'last_run',
    'history',
    'counts',
    'absences',
    'rejected',
  ];

  test('that does not answer fails with exit 75, its checks are skipped, and Cloudflare is asked', async (t) => {
    const p = await patient(t, { synced: false });
    const diagnosis = await p.doctor({ DATABASE_URL: 'postgres://u:hidden-word@127.0.0.1:1/x' });
    assertLine(diagnosis, {
      check: 'database',
      status: 'failed',
      code: 75,
      found: /DATABASE_UNAVAILABLE/,
      mend: /DATABASE_URL/,
    });
    assert.deepEqual(troubles(diagnosis), [
      'database failed',
      ...databaseChecks.map((check) => `${check} skipped`),
    ]);
    assert.equal(diagnosis.line('paging').status, 'ok');
    assert.ok(!`${diagnosis.stdout}${diagnosis.stderr}`.includes('hidden-word'));
  });

  test('that refuses the password fails with exit 78', async (t) => {
    const p = await patient(t, { synced: false });
    const url = new URL(p.databaseUrl);
    url.password = 'hidden-word';
    const diagnosis = await p.doctor({ DATABASE_URL: url.href });
    assertLine(diagnosis, { check: 'database', status: 'failed', code: 78, found: /DATABASE_REFUSED/ });
    assert.ok(!`${diagnosis.stdout}${diagnosis.stderr}`.includes('hidden-word'));
  });

  for (const [what, statement, found] of [
    [
      'behind',
      'delete from risk_internal.migrations where id = (select max(id) from risk_internal.migrations)',
      /DATABASE_BEHIND: 1 migration behind/,
    ],
    [
      'newer',
      "insert into risk_internal.migrations (hash, created_at) values ('later', 4102444800000)",
      /DATABASE_NEWER/,
    ],
    ['changed', "update risk_internal.migrations set hash = 'edited' where id = 2", /MIGRATION_CHANGED/],
  ] as const) {
    test(`whose schema is ${what} fails with exit 78, and its tables are not looked at`, async (t) => {
      const p = await patient(t);
      await p.sql(statement);
      const diagnosis = await p.doctor();
      assertLine(diagnosis, { check: 'migrations', status: 'failed', code: 78, found, mend: /./ });
      assert.equal(diagnosis.line('history').status, 'skipped');
      assert.equal(diagnosis.line('privileges').status, 'ok');
    });
  }

  test('whose role has settings that matter is told which', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, 'superuser connection limit 4');
    const env = { DATABASE_URL: role.url };
    await p.sql(`alter role ${role.name} set synchronous_commit = off`);
    await p.sql(`alter role ${role.name} set statement_timeout = '2s'`);
    const warned = await p.doctor(env);
    const { status, found, mend = '' } = warned.line('settings');
    assert.equal(status, 'warning');
    assert.match(found, /synchronous_commit is off.*; 3 connections left of \d+.*; statement_timeout is 2 s/);
    assert.match(mend, /Set statement_timeout to 0 or at least 5 s/);
    assert.equal(warned.code, 0);
    await p.sql(`alter role ${role.name} set default_transaction_read_only = on`);
    assertLine(await p.doctor(env), {
      check: 'settings',
      status: 'failed',
      code: 75,
      found: /default_transaction_read_only is on/,
      mend: /primary/,
    });
  });

  test('in another encoding than UTF8 fails with exit 78', async (t) => {
    const p = await patient(t, { synced: false });
    const latin = `${new URL(p.databaseUrl).pathname.slice(1)}_latin`;
    await p.sql(`create database ${latin} encoding 'LATIN1' template template0 locale 'C'`);
    t.after(async () => {
      const database = await createTestDatabase();
      const client = new Client({ connectionString: database.url });
      await client.connect();
      await client.query(`drop database ${latin} with (force)`);
      await client.end();
      await database.drop();
    });
    const diagnosis = await p.doctor({ DATABASE_URL: databaseUrl(p.databaseUrl, latin) });
    assertLine(diagnosis, {
      check: 'settings',
      status: 'failed',
      code: 78,
      found: /encoded in LATIN1/,
      mend: /UTF8/,
    });
  });

  test('whose role may only read the contract is examined as far as it may, and the rest is skipped by name', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, '');
    await p.sql(
      `grant usage on schema risk to ${role.name}; grant select on all tables in schema risk to ${role.name}`,
    );
    const diagnosis = await p.doctor({ DATABASE_URL: role.url });
    assertLine(diagnosis, {
      check: 'privileges',
      status: 'failed',
      code: 77,
      found: /DATABASE_PERMISSION: the role may not write risk\.accounts/,
    });
    assert.deepEqual(troubles(diagnosis), [
      'privileges failed',
      'migrations skipped',
      'lease skipped',
      'rejected skipped',
    ]);
    assert.match(diagnosis.line('lease').found, /may not read risk_internal\.leases/);
    assert.equal(diagnosis.line('history').status, 'ok');
  });

  test('whose role may sync and not migrate is a warning, until there is something to migrate', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, '');
    for (const schema of ['risk', 'risk_internal'])
      await p.sql(
        `grant usage on schema ${schema} to ${role.name}; grant all on all tables in schema ${schema} to ${role.name}`,
      );
    const env = { DATABASE_URL: role.url };
    assertOnly(await p.doctor(env), {
      check: 'privileges',
      status: 'warning',
      code: 0,
      found: /cannot migrate/,
      mend: /migrate/,
    });
    await p.sql(
      'delete from risk_internal.migrations where id = (select max(id) from risk_internal.migrations)',
    );
    assert.equal((await p.doctor(env)).line('privileges').status, 'failed');
  });

  test('with a table that is locked says that it cannot tell, and goes on', async (t) => {
    const p = await patient(t);
    const client = new Client({ connectionString: p.databaseUrl });
    await client.connect();
    await client.query('begin; lock table risk.user_identities in access exclusive mode');
    const diagnosis = await p.doctor();
    await client.end();
    assertOnly(diagnosis, {
      check: 'history',
      status: 'warning',
      code: 0,
      found: /not known: a lock is in the way/,
      mend: /less busy/,
    });
  });
});

describe('the history', () => {
  const user = '(select min(user_key) from risk.users where max_risk_level is not null)';
  for (const [what, statement, found] of [
    [
      'level periods that overlap',
      `insert into risk.user_levels (account_key, user_key, valid_from, valid_to, max_risk_level, change, end_reason, snapshot_id)
       select account_key, user_key, valid_from - interval '1 day', valid_from + interval '1 minute', 'low', 'appeared', 'reset', snapshot_id
         from risk.user_levels where user_key = ${user}`,
      /^1 user with overlapping level periods \(user_key \d+\)$/,
    ],
    [
      'identities that overlap',
      `insert into risk.user_identities (account_key, user_key, valid_from, valid_to, email, name, snapshot_id)
       select account_key, user_key, valid_from - interval '1 day', valid_from + interval '1 minute', email, name, snapshot_id
         from risk.user_identities where user_key in (select user_key from risk.users order by 1 limit 5)`,
      /^5 users with overlapping identities \(user_key \d+, \d+, \d+, …\)$/,
    ],
    [
      'a present user without an open period',
      `delete from risk.user_levels where user_key = ${user}`,
      /^1 user with a level period that contradicts the current state/,
    ],
    [
      'an open period that begins at another time than the state says',
      `update risk.user_levels set valid_from = valid_from - interval '1 hour' where user_key = ${user}`,
      /^1 user with a level period that contradicts the current state/,
    ],
    [
      'a user without an identity',
      `delete from risk.user_identities where user_key = ${user}`,
      /^1 user with an identity that contradicts the current state/,
    ],
  ] as const) {
    test(`with ${what} fails with exit 1 and names keys`, async (t) => {
      const p = await patient(t);
      await p.sql(statement);
      assertOnly(await p.doctor(), { check: 'history', status: 'failed', code: 1, found, mend: /pg_dump/ });
    });
  }

  test('whose newest snapshot counts otherwise than a recount fails with exit 1', async (t) => {
    const p = await patient(t);
    await p.sql('update risk.snapshots set user_count = user_count + 1, met_count = met_count + 1');
    assertOnly(await p.doctor(), {
      check: 'counts',
      status: 'failed',
      code: 1,
      found: /^snapshot 1: all levels: \d+ users recorded, \d+ counted$/,
      mend: /pg_dump/,
    });
    await p.sql('update risk.snapshots set user_count = user_count - 1, met_count = met_count - 1');
    await p.sql("update risk.snapshot_levels set event_count = event_count + 1 where max_risk_level = 'low'");
    assertOnly(await p.doctor(), {
      check: 'counts',
      status: 'failed',
      code: 1,
      found: /^snapshot 1: low: [\d,]+ events recorded, \d+ counted$/,
      mend: /pg_dump/,
    });
  });
});

describe('the runs', () => {
  const lease = (silent: string, process: string) =>
    `insert into risk_internal.leases (account_key, run_id, owner, trigger, started_at, heartbeat_at, host, process)
     select account_key, 41, gen_random_uuid(), 'cli', now() - interval '10 minutes', now() - interval '${silent}', 'elsewhere', '${process}'
       from risk.accounts`;

  test('a live lease is named; a silent one is a warning, and so is one whose process has died here', async (t) => {
    const p = await patient(t);
    await p.sql(lease('3 seconds', ''));
    const live = await p.doctor();
    assert.deepEqual(troubles(live), []);
    assert.match(live.line('lease').found, /run 41 since .* on host elsewhere, last sign of life \d/);
    await p.sql("update risk_internal.leases set heartbeat_at = now() - interval '1 minute'");
    assertOnly(await p.doctor(), {
      check: 'lease',
      status: 'warning',
      code: 0,
      found: /run 41 .*silent for 1 min/,
      mend: /next run takes over/,
    });
    const [boot, namespace] = processIdentity().process.split('/');
    // Only Linux tells.
    if (namespace === undefined) return;
    await p.sql('delete from risk_internal.leases');
    await p.sql(lease('1 second', `${boot}/${namespace}/999999999/1`));
    assertOnly(await p.doctor(), {
      check: 'lease',
      status: 'warning',
      code: 0,
      found: /its process has died/,
      mend: /at once/,
    });
  });

  test('an old snapshot is a warning', async (t) => {
    const p = await patient(t);
    await p.sql("update risk.snapshots set observed_at = observed_at - interval '3 hours'");
    assertOnly(await p.doctor(), {
      check: 'freshness',
      status: 'warning',
      code: 0,
      found: /newest snapshot \(1\) 3 h old: more than twice the schedule's interval \(1 h\)/,
      mend: /zt-risk-sync sync/,
    });
    assert.deepEqual(troubles(await p.doctor({ SYNC_SCHEDULE: '0 */2 * * *' })), []);
  });

  test('failed runs are a warning with the code and what to do', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['forbidden']);
    for (let turn = 0; turn < 2; turn++) assert.equal((await runCli(['sync'], p.env, p.folder)).code, 77);
    p.simulator.setFaults([]);
    assertOnly(await p.doctor(), {
      check: 'last_run',
      status: 'warning',
      code: 0,
      found: /^failed \(run 3, .* ago\): PERMISSION_DENIED; 2 runs without a success$/,
      mend: /Zero Trust: PII Read/,
    });
  });

  test('a retired account fails with exit 78', async (t) => {
    const p = await patient(t);
    assert.equal((await runCli(['accounts', 'retire', ACCOUNT], p.env, p.folder)).code, 0);
    assertOnly(await p.doctor(), {
      check: 'freshness',
      status: 'failed',
      code: 78,
      found: /ACCOUNT_RETIRED/,
      mend: /accounts restore/,
    });
  });

  test('rejected records that wait are a warning', async (t) => {
    const p = await patient(t, { synced: false });
    p.simulator.setFaults(['bad-record']);
    await p.sync();
    p.simulator.setFaults([]);
    assertOnly(await p.doctor(), {
      check: 'rejected',
      status: 'warning',
      code: 0,
      found: /1 rejected record waiting/,
      mend: /rejected list/,
    });
  });

  test('records that insist on a level, and users who could not be asked about, are a warning', async (t) => {
    const p = await patient(t);
    const evidence = (lookups: object) =>
      p.sql("update risk.sync_runs set evidence = evidence || jsonb_build_object('lookups', $1::jsonb)", [
        JSON.stringify(lookups),
      ]);
    await evidence({ state: 'working', waiting: 0, insisting: 2 });
    assertOnly(await p.doctor(), {
      check: 'absences',
      status: 'warning',
      code: 0,
      found: /records of 2 users insist on a level/,
      mend: /stay present/,
    });
    await evidence({ state: 'refused', waiting: 1, insisting: 0 });
    await p.sql(
      'update risk.users set absent_since = now() where user_key = (select min(user_key) from risk.users where max_risk_level is not null)',
    );
    assertOnly(await p.doctor(), {
      check: 'absences',
      status: 'warning',
      code: 0,
      found: /1 user absent, 1 waiting to be asked; run 1 could not ask about them \(refused\)/,
      mend: /lookups/,
    });
  });
});

/** Every row of every table with the transactions that touched it, and the sequences. */
async function fingerprint(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'risk%' order by 1",
    );
    const state: unknown[] = [
      (await client.query('select schemaname, sequencename, last_value from pg_sequences order by 1, 2'))
        .rows,
    ];
    for (const { name } of rows)
      state.push(
        (
          await client.query(
            `select '${name}' as name, count(*), md5(string_agg(concat_ws(',', ctid, xmin, xmax), ';')) from ${name}`,
          )
        ).rows,
      );
    return state;
  } finally {
    await client.end();
  }
}

/** A role of its own for the test, on the patient's database. */
async function roleOn(
  t: TestContext,
  p: Patient,
  attributes: string,
): Promise<{ name: string; url: string }> {
  const name = `role_${new URL(p.databaseUrl).pathname.slice(1)}`;
  await p.sql(`create role ${name} login ${attributes} password 'hidden-word'`);
  t.after(async () => {
    const database = await createTestDatabase();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`drop role ${name}`);
    await client.end();
    await database.drop();
  });
  const url = new URL(p.databaseUrl);
  url.username = name;
  url.password = 'hidden-word';
  return { name, url: url.href };
}
