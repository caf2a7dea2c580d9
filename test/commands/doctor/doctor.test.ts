// `doctor` as people start it: a real process, the simulated API, a real database. Each test makes one thing wrong.
// Here: a healthy account, the configuration, the credentials.
import assert from 'node:assert/strict';
import { mkdir, writeFile, chmod } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Client } from 'pg';
import { CHECKS } from '../../../src/commands/doctor/lines.ts';
import { startFront } from '../../support/api/api-front.ts';
import { runCommand } from '../../support/run-command.ts';
import { assertLine, assertOnly, skippedAfter, troubles } from '../../support/world/doctor-findings.ts';
import { ACCOUNT, assertDiscreet, AUTH, OTHER_ACCOUNT, patient } from '../../support/world/doctor-patient.ts';

describe('a healthy account', () => {
  test('is reported as healthy in every line, in a stable order, and doctor exits 0', async (t) => {
    const diagnosis = await (await patient(t)).doctor();
    assert.deepEqual(troubles(diagnosis), []);
    assert.equal(diagnosis.code, 0);
    assert.deepEqual(
      diagnosis.lines.map(({ check }) => check),
      // Reported only for many accounts.
      CHECKS.filter((check) => check !== 'overall'),
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

  test('is shown in lines of at most 80 columns, without colours when the output is not a terminal', async (t) => {
    const { env, folder } = await patient(t);
    const said = await runCommand(['doctor'], env, folder);
    assertDiscreet(said);
    assert.equal(said.code, 0);
    assert.ok(!said.stdout.includes('\u001b'));
    for (const line of said.stdout.split('\n')) assert.ok(line.length <= 80, line);
    assert.match(said.stdout, /^ok {7}configuration {2}API token, 1 account/);
    assert.match(said.stdout, new RegExp(`^account ${ACCOUNT}$`, 'm'));
    assert.match(said.stdout, /^warning {2}settings {7}fsync off.*\n {24}→ Set fsync to on$/m);
    assert.match(said.stdout, /\n\n1 warning, 25 ok\n$/);
  });

  test('is left unchanged, and a database without a schema stays without one', async (t) => {
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

  test('is checked without any request to Cloudflare with --offline', async (t) => {
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
  test('with errors is one failed line that lists every problem, and no other check runs', async (t) => {
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

  test('without credentials fails, and the database is still checked', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ CLOUDFLARE_API_TOKEN: '' });
    assertLine(diagnosis, { check: 'configuration', status: 'failed', code: 78, found: /No credentials/ });
    assert.equal(diagnosis.line('credentials').status, 'skipped');
    assert.equal(diagnosis.line('counts').status, 'ok');
  });

  test('is a warning when .env holds typing errors, overridden settings, or can be read by everyone', async (t) => {
    const p = await patient(t, { synced: false });
    const file = path.join(p.folder, '.env');
    await writeFile(file, 'SYNC_SHEDULE=* * * * *\nCLOUDFLARE_API_TOKEN=another-token-1234\n');
    await chmod(file, 0o644);
    const { status, found } = (await p.doctor()).line('configuration');
    assert.equal(status, 'warning');
    assert.match(found, /unknown settings: SYNC_SHEDULE/);
    assert.match(found, /in the environment, which wins: CLOUDFLARE_API_TOKEN/);
    assert.match(found, /can be read by every user of this machine/);
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

  test('a wrong --account is a usage error: exit 64, and nothing is checked', async (t) => {
    const p = await patient(t, { synced: false });
    const { code, stdout, stderr } = await p.doctor({}, ['--account', OTHER_ACCOUNT]);
    assert.equal(code, 64);
    assert.equal(stdout, '');
    assert.match(stderr, /ACCOUNT_NOT_CONFIGURED/);
  });

  test('an unusable proxy fails the credentials, and the database is still checked', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ HTTP_PROXY: 'nonsense' });
    assertLine(diagnosis, { check: 'credentials', status: 'failed', code: 78, found: /PROXY_UNUSABLE/ });
    assert.equal(diagnosis.line('account').status, 'skipped');
    assert.equal(diagnosis.line('history').status, 'ok');
  });
});

describe('the credentials', () => {
  test('a wrong token fails once, with exit 77, and is not printed', async (t) => {
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

  test('a disabled token and an expired token each fail with their own message', async (t) => {
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

  test('a token that expires within two weeks is a warning; a token that lives longer is not', async (t) => {
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

  test("a token of the account is verified at the account's address", async (t) => {
    const diagnosis = await (await patient(t, { auth: { tokenOwner: 'account' } })).doctor();
    assert.deepEqual(troubles(diagnosis), []);
    assert.match(diagnosis.line('credentials').found, /API token of the account, active/);
  });

  test('a token that the API cannot verify is accepted when the API serves the summary', async (t) => {
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

  test('email and key are reported as such; a wrong key fails, and so does a token in place of the key', async (t) => {
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
      found: /member with this email and key is suspended/,
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

/** Every row of every table with the transactions that wrote it, and the sequences. */
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
