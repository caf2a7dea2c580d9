// `doctor` when the API does not work as it should: a real process, the simulated API, a real database.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startFront } from '../../support/api/api-front.ts';
import { assertLine, assertOnly, troubles } from '../../support/world/doctor-findings.ts';
import { ACCOUNT, OTHER_ACCOUNT, patient } from '../../support/world/doctor-patient.ts';

describe('the summary of an account', () => {
  test('that may not be read fails with exit 77 and names the permission; the token itself is valid', async (t) => {
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

  test('that does not exist fails with exit 78; the other accounts are checked, and --account limits the checks', async (t) => {
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

  test('fails once with exit 75 when Cloudflare is down, and the database is still checked', async (t) => {
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

  test('fails with a network error when nothing listens at the address', async (t) => {
    const p = await patient(t);
    const diagnosis = await p.doctor({ CLOUDFLARE_BASE_URL: 'http://127.0.0.1:1/client/v4' });
    assertLine(diagnosis, { check: 'account', status: 'failed', code: 75, found: /NETWORK: .*ECONNREFUSED/ });
    assert.equal(diagnosis.line('rate_budget').status, 'skipped');
  });

  test('with lookups that are refused or show nothing is a warning: two complete walks decide', async (t) => {
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
      found: /show no level/,
      mend: /SYNC_CONFIRM=walks/,
    });
    front.answer = (url) => (isUser(url) ? { status: 200, body: { success: true, result: [] } } : null);
    assertOnly(await p.doctor(env), {
      check: 'lookups',
      status: 'warning',
      code: 0,
      found: /BAD_ANSWER.*two complete walks/,
      mend: /SYNC_CONFIRM=walks/,
    });
    assert.deepEqual(troubles(await p.doctor({ ...env, SYNC_CONFIRM: 'walks' })), ['lookups skipped']);
  });
});

describe('users of the summary', () => {
  const isSummary = (url: string) => /zt_risk_scoring\/summary\b/.test(url);
  const summaryOf = (users: object[]) => ({
    status: 200,
    body: { success: true, errors: [], messages: [], result: { users } },
  });

  test('may be missing: an empty account is not a fault, and no user is looked up', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['empty']);
    const diagnosis = await p.doctor();
    assertLine(diagnosis, { check: 'account', status: 'ok', code: 0, found: /can be read, and is empty$/ });
    assertLine(diagnosis, { check: 'lookups', status: 'skipped', code: 0, found: /^no user to ask about$/ });
  });

  test('with unreadable records are not looked up', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    front.answer = (url) => (isSummary(url) ? summaryOf([{ about: 'nobody' }, { user_id: 'x' }]) : null);
    const env = { CLOUDFLARE_BASE_URL: front.url };
    const diagnosis = await p.doctor(env);
    assertLine(diagnosis, {
      check: 'account',
      status: 'ok',
      code: diagnosis.code,
      found: /can be read; no total is stated$/,
    });
    assert.equal(diagnosis.line('lookups').found, 'no user to ask about');
    assert.ok(!front.requests().some((url) => /zt_risk_scoring\/[0-9a-f-]{36}$/.test(url)));
  });

  test('without a record of their own are reported, unless the second user has a record', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const isUser = (url: string) => /zt_risk_scoring\/[0-9a-f-]{36}$/.test(url);
    const none = {
      success: false,
      errors: [{ code: 1001, message: 'not found' }],
      messages: [],
      result: null,
    };
    const noRecord = { status: 200, body: { success: true, result: [] } };
    const env = { CLOUDFLARE_BASE_URL: front.url };
    for (const first of [{ status: 404, body: none }, noRecord]) {
      const asked = new Set<string>();
      front.answer = (url) => {
        if (!isUser(url)) return null;
        asked.add(url);
        return url === [...asked][0] ? first : null;
      };
      const second = await p.doctor(env);
      assertLine(second, { check: 'lookups', status: 'ok', code: 0, found: /states the level$/ });
      assert.equal(asked.size, 2);
    }
    front.answer = (url) => (isUser(url) ? { status: 404, body: none } : null);
    assertOnly(await p.doctor(env), {
      check: 'lookups',
      status: 'warning',
      code: 0,
      found: /show no level: .*two complete walks$/,
      mend: /SYNC_CONFIRM=walks/,
    });
  });

  test('for whom the API does not answer are a separate failure', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    front.answer = (url) => (/zt_risk_scoring\/[0-9a-f-]{36}$/.test(url) ? { status: 503, body: {} } : null);
    assertLine(await p.doctor({ CLOUDFLARE_BASE_URL: front.url }), {
      check: 'lookups',
      status: 'failed',
      code: 75,
      found: /^CLOUDFLARE_UNAVAILABLE: /,
    });
  });
});

describe('all accounts that the token sees', () => {
  const every = { CLOUDFLARE_ACCOUNT_ID: '*' };

  test('are examined, and a refused list is a separate failure', async (t) => {
    const p = await patient(t, { accountIds: [ACCOUNT, OTHER_ACCOUNT] });
    const seen = await p.doctor(every);
    assert.match(seen.line('accounts').found, /^the token sees 2 accounts$/);
    assert.match(seen.line('configuration').found, /all accounts that the token sees/);
    p.simulator.setFaults(['no-list']);
    const refused = await p.doctor(every);
    assert.equal(refused.line('accounts').status, 'failed');
    assert.notEqual(refused.code, 0);
    // The accounts of the history are still examined.
    assert.ok(refused.lines.some(({ check, account_id }) => check === 'counts' && account_id === ACCOUNT));
  });

  test('are not requested offline, and the accounts of the history are examined', async (t) => {
    const p = await patient(t);
    const before = p.simulator.requests();
    const offline = await p.doctor(every, ['--offline']);
    assert.equal(offline.line('accounts').found, 'the list of the token was not asked for');
    assert.ok(offline.lines.some(({ check, account_id }) => check === 'counts' && account_id === ACCOUNT));
    assert.equal(p.simulator.requests(), before);
  });
});

test('answers that a person must fix are distinguished, and each is one failure', async (t) => {
  const p = await patient(t);
  for (const [fault, check, code, found] of [
    ['bound-token', 'credentials', 77, /ADDRESS_REFUSED: .*203\.0\.113\.9/],
    ['no-plan', 'account', 78, /NOT_IN_PLAN: .*not_entitled/],
    ['blocked', 'account', 77, /BLOCKED: .*Error 1020/],
    ['challenge', 'account', 77, /CHALLENGED: /],
  ] as const) {
    p.simulator.setFaults([fault]);
    const diagnosis = await p.doctor();
    assertLine(diagnosis, { check, status: 'failed', code, found });
    assert.equal(diagnosis.lines.filter(({ status }) => status === 'failed').length, 1, fault);
  }
});

describe('paging', () => {
  test('that is ignored fails with exit 1 when one page does not hold all users', async (t) => {
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
    assert.deepEqual(troubles(await p.doctor()), [], 'a page of 1,000 holds all users');
  });

  test('that has changed since the last runs is a warning, and so is a change between these runs', async (t) => {
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
    assert.deepEqual(troubles(await p.doctor(env)), [], 'two runs with the same paging: no longer a change');
  });

  test('with smaller pages than requested is reported, and a refused size is requested smaller', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['clamp-50']);
    assert.match(
      (await p.doctor()).line('paging').found,
      /page honoured, per_page clamped, 50 users per page \(1,000 requested\)/,
    );
    p.simulator.setFaults(['refuse-large']);
    assert.match((await p.doctor()).line('paging').found, /100 users per page/);
    p.simulator.setFaults(['refuse-above-25']);
    assert.match((await p.doctor()).line('paging').found, /25 users per page .*but only 25 served/);
    assertLine(await p.doctor({ SYNC_PER_PAGE: '50' }), {
      check: 'paging',
      status: 'failed',
      code: 78,
      found: /PAGE_SIZE_REFUSED: .*pages of 50 users/,
      mend: /SYNC_PER_PAGE=auto/,
    });
    p.simulator.setFaults(['refuse-per-page']);
    assert.match((await p.doctor()).line('paging').found, /20 users per page .*every size is refused/);
  });

  test('with a refused page beyond the end is not a fault, and with a refused page of users is a fault', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const failure = { success: false, errors: [{ code: 7003, message: 'no route' }], result: null };
    front.answer = (url) => (/[?&]page=2\b/.test(url) ? { status: 404, body: failure } : null);
    assertLine(await p.doctor({ CLOUDFLARE_BASE_URL: front.url }), {
      check: 'paging',
      status: 'failed',
      code: 1,
      found: /PAGE_REFUSED: .*page 2/,
      mend: /SYNC_PER_PAGE/,
    });
    p.simulator.setFaults(['everything']);
    const { code, line } = await p.doctor({ CLOUDFLARE_BASE_URL: front.url });
    assert.equal(code, 0);
    assert.match(line('paging').found, /the page after the last one is refused/);
  });

  test('that breaks off at the second page, or at every size, fails with what the API said', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const env = { CLOUDFLARE_BASE_URL: front.url };
    front.answer = (url) => (/[?&]page=2\b/.test(url) ? { status: 503, body: {} } : null);
    const broken = await p.doctor(env);
    assertLine(broken, { check: 'paging', status: 'failed', code: 75, found: /^CLOUDFLARE_UNAVAILABLE: / });
    assert.match(broken.line('walk_time').found, /not known how the server pages/);

    // A 500 may be about the page, but it may pass: even when page 1 holds all users, it is no end of the list.
    p.simulator.setFaults(['everything']);
    front.answer = (url) => (/[?&]page=2\b/.test(url) ? { status: 500, body: {} } : null);
    const failing = await p.doctor(env);
    assertLine(failing, { check: 'paging', status: 'failed', code: 75, found: /^CLOUDFLARE_UNAVAILABLE: / });
    p.simulator.setFaults([]);

    // Three pages that take too long are enough: smaller ones would not help, and a person waits.
    const tried: string[] = [];
    const sizeOf = (url: string) => /[?&]per_page=(\d+)/.exec(url)?.[1] ?? 'none';
    front.answer = (url) => {
      if (!/[?&]page=1\b/.test(url) || sizeOf(url) === '5') return null;
      tried.push(sizeOf(url));
      return { status: 524, body: {} };
    };
    const slow = await p.doctor(env);
    assertLine(slow, { check: 'paging', status: 'failed', code: 75, found: /^[A-Z_]+: / });
    assert.deepEqual([...new Set(tried)], ['1000', '100', '50']);
  });

  test('without a total, and with a refused second page, is complete only if the first page was not full', async (t) => {
    const p = await patient(t);
    const front = await startFront(t, p.simulator.url);
    const env = { CLOUDFLARE_BASE_URL: front.url };
    const failure = { success: false, errors: [{ code: 7003, message: 'no route' }], result: null };
    front.answer = (url) => (/[?&]page=2\b/.test(url) ? { status: 404, body: failure } : null);
    p.simulator.setFaults(['no-info']);
    assertLine(await p.doctor(env), { check: 'paging', status: 'failed', code: 1, found: /PAGE_REFUSED: / });
    p.simulator.setFaults(['no-info', 'empty']);
    // Another database: the run in this one has met users, and totals.
    const other = await patient(t);
    await other.sql('delete from risk.sync_runs');
    const empty = await p.doctor({ ...env, DATABASE_URL: other.databaseUrl });
    assert.equal(empty.line('paging').status, 'ok', empty.line('paging').found);
    assert.match(empty.line('paging').found, /no totals, the page after the last one is refused$/);
  });

  test('with pages so small that a walk cannot end in its time budget is a warning', async (t) => {
    const p = await patient(t);
    const env = { SYNC_PER_PAGE: '1', SYNC_RATE_SHARE: '0.05', SYNC_TIME_BUDGET: '1m' };
    assertOnly(await p.doctor(env), {
      check: 'walk_time',
      status: 'warning',
      code: 0,
      found: /a walk cannot finish in time/,
      mend: /SYNC_TIME_BUDGET/,
    });
    assertOnly(await p.doctor({ ...env, SYNC_TIME_BUDGET: '12m' }), {
      check: 'walk_time',
      status: 'warning',
      code: 0,
      found: /no room for a second pass/,
      mend: /SYNC_TIME_BUDGET/,
    });
  });
});

describe('the rate limit and the clocks', () => {
  test('few requests left is a warning, and the last ones are left for others', async (t) => {
    const p = await patient(t, { rateLimit: { requests: 2, windowSeconds: 300 }, synced: false });
    const diagnosis = await p.doctor();
    assert.equal(diagnosis.line('rate_budget').status, 'warning');
    assert.match(diagnosis.line('rate_budget').found, /0 requests left of 2/);
    assert.match(diagnosis.line('paging').found, /few requests are left/);
    assert.equal(p.simulator.requests(), 2);
  });

  test('no requests left fails at once with exit 75', async (t) => {
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

  test('clocks more than a minute apart are a warning; API and database more than five minutes apart fail', async (t) => {
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
