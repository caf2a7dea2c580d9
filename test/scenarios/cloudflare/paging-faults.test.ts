// Unusual paging, and accounts that change during a walk: lines 12 to 14 of the faults in docs/reliability.md. No user
// is wrongly cleared, and every published value is true, whatever the pages say.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { UserRisk } from '../../../src/user-risk.ts';
import { rebuild } from '../../support/oracle/assert-promises.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import type { Asked, Rule } from '../../support/faults/fault-server.ts';
import { clampedTo, echoOf, failure, info, rewritten, totals } from '../../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { recordText } from '../../support/database/record-columns.ts';

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url, perPageMax: PAGE_LIMIT });
});
after(async () => {
  await scenario.close();
  await db.close();
});

const PAGE_LIMIT = 16;
const isBeyond = ({ page }: Asked) => page > Math.ceil(scenario.world().length / PAGE_LIMIT);
const REFUSALS = [
  failure(404, 7003),
  failure(400, 1001),
  failure(416, 1001),
  failure(422, 1001),
  failure(500, 1000),
  failure(200, 1001),
];

// 12

const COMPLETE: Record<string, readonly Rule[]> = {
  'per_page is clamped': [{ fault: clampedTo(7) }],
  'the same page comes twice': [{ page: 3, nth: 1, fault: echoOf(2) }],
  'a page repeats a later one': [{ page: 2, nth: 1, fault: echoOf(4) }],
  'a page repeats the first one': [{ page: 5, nth: 1, fault: echoOf(1) }],
  'total_pages is missing': [{ fault: info({ total_pages: undefined }) }],
  'total_pages is too small': [{ fault: info({ total_pages: 1 }) }],
  'total_pages is too large': [{ fault: info({ total_pages: 999 }) }],
  'total_pages is not a number': [{ fault: info({ total_pages: 'many' }) }],
  'total_count is missing': [{ fault: info({ total_count: undefined }) }],
  'there are no totals': [{ fault: info({ total_count: undefined, total_pages: undefined }) }],
  'there is no result_info': [{ fault: info(null) }],
  // 16a
  ...Object.fromEntries(
    REFUSALS.map((fault) => [
      `the page beyond the end is refused (${fault.name})`,
      [{ when: isBeyond, fault }],
    ]),
  ),
  'a page in the middle is refused once': [{ page: 3, nth: 1, fault: failure(404, 7003) }],
  'count, page and per_page are wrong': [{ fault: info({ count: 0, page: 1, per_page: 3 }) }],
};

for (const [what, rules] of Object.entries(COMPLETE)) {
  test(`${what}: the walk is complete and exact, for a new account and for one with a history`, async () => {
    const account = scenario.account();
    for (let turn = 1; turn <= 2; turn++) {
      scenario.api.script(rules);
      await account.succeed();
      const [{ fault } = assert.fail()] = rules;
      assert.ok((scenario.api.done()[fault.name] ?? 0) > 0);
      scenario.later();
    }
    await account.assertPromises();
  });
}

const DOUBTFUL: Record<string, readonly Rule[]> = {
  'per_page changes during the walk': [{ nth: { from: 4 }, fault: clampedTo(5) }],
  'per_page changes back and forth': [{ nth: [3, 5, 7, 9, 11], fault: clampedTo(11) }],
  'a page always repeats another one': [{ page: 4, fault: echoOf(2) }],
  'a page is always empty': [{ page: 3, fault: echoOf(999) }],
  'a page in the middle is refused': [{ page: 3, fault: failure(404, 7003) }],
  'a page in the middle is refused in the first walk, and served later': [
    { page: 3, nth: [1, 2], fault: failure(400, 1001) },
  ],
  'the last page is refused': [
    {
      when: ({ page }) => page === Math.ceil(scenario.world().length / PAGE_LIMIT),
      fault: failure(404, 7003),
    },
  ],
  'the total is slightly too large': [{ fault: totals(() => 3) }],
  'the total is slightly too small': [{ fault: totals(() => -20) }],
  // 13
  'the total grows during the walk': [{ fault: totals((page) => page) }],
  'the total shrinks during the walk': [{ fault: totals((page) => -page) }],
  'the total is zero': [{ fault: info({ total_count: 0 }) }],
};

for (const [what, rules] of Object.entries(DOUBTFUL)) {
  test(`${what}: no user is cleared, published values are true, and only the whole account is called complete`, async (t) => {
    const account = scenario.account();
    await account.succeed();
    const fresh = scenario.account();
    scenario.api.script(rules);
    for (let turn = 1; turn <= 2; turn++) {
      const { published, error } = await account.sync();
      t.diagnostic(error?.code ?? `${published?.verdict}, ${published?.carried} carried`);
      if (error === null) assert.equal(published?.cleared, 0);
      else assert.match(error.code, /^PAG(?:ING|E)_/);
    }
    // Without a history, no user can be carried: only users who were met can be present.
    scenario.api.script(rules);
    const { published, error } = await fresh.sync();
    t.diagnostic(`as a new account: ${error?.code ?? `${published?.verdict}, ${published?.users} users`}`);
    if (published?.snapshotId != null && published.verdict === 'partial') {
      const truth = new Set(scenario.world().map(recordText));
      const state = await rebuild(db.pool, published.snapshotId);
      for (const user of state) assert.ok(truth.has(recordText(user)));
      fresh.note(published.snapshotId, state, []);
    }
    await account.assertPromises();
    await fresh.assertPromises();
  });
}

test('the page beyond the end is refused: the run records it, and asks once more than needed', async () => {
  const account = scenario.account();
  scenario.api.script([{ when: isBeyond, fault: failure(404, 7003) }]);
  const { facts, runId } = await account.succeed();
  assert.equal(facts?.retries, 0);
  assert.equal(scenario.api.asked().filter(isBeyond).length, 2);
  const [run] = await db.rows<{ end: string }>(
    `select evidence->>'refused_end' as end from risk.sync_runs where run_id = $1`,
    [runId],
  );
  assert.equal(run?.end, 'CLOUDFLARE_7003');
  await account.assertPromises();
});

test('a page in the middle is refused: PAGE_REFUSED, exit 1, and the message does not blame the account id', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  scenario.api.script([{ page: 3, fault: failure(404, 7003, { message: 'no such object' }) }]);
  const { error } = await account.fail('PAGE_REFUSED', 1);
  assert.match(error.message, /page 3 .*code 7003: "no such object"/);
  assert.doesNotMatch(error.message, /CLOUDFLARE_ACCOUNT_ID/);
  await account.assertPromises();
});

// 16a: page sizes

const sizesAsked = () => [
  ...new Set(scenario.api.asked().flatMap(({ kind, perPage }) => (kind === 'summary' ? [perPage] : []))),
];

test('per_page is refused above 25: smaller sizes are tried, and the next runs begin with what worked, for a day', async (t) => {
  const account = scenario.account();
  scenario.simulator.setFaults(['refuse-above-25']);
  t.after(() => scenario.simulator.setFaults([]));
  scenario.api.script([]);
  const first = await account.succeed();
  assert.deepEqual(sizesAsked(), [1_000, 100, 50, 25, PAGE_LIMIT]);
  scenario.api.script([]);
  await account.succeed();
  assert.deepEqual(sizesAsked(), [25, PAGE_LIMIT]);
  // A day has passed since larger sizes were tried, however many runs there were since then.
  const mine = 'account_key = (select account_key from risk.sync_runs where run_id = $1)';
  const { rows: written } = await db.pool.query<{ run_id: string; evidence: object }>(
    `select run_id, evidence from risk.sync_runs where ${mine}`,
    [first.runId],
  );
  await db.pool.query(
    `update risk.sync_runs set evidence = jsonb_set(evidence, '{page_size,tried_at}', to_jsonb(now() - interval '25 hours'))
      where ${mine}`,
    [first.runId],
  );
  scenario.simulator.setFaults([]);
  scenario.api.script([]);
  await account.succeed();
  assert.deepEqual(sizesAsked(), [1_000, PAGE_LIMIT]);
  scenario.api.script([]);
  await account.succeed();
  assert.deepEqual(sizesAsked(), [1_000, PAGE_LIMIT], 'nothing is remembered when the largest size works');
  for (const { run_id, evidence } of written)
    await db.pool.query('update risk.sync_runs set evidence = $2 where run_id = $1', [run_id, evidence]);
  await account.assertPromises();
});

test('per_page is refused altogether: the parameter is left out, and the next run begins without it', async (t) => {
  const account = scenario.account();
  scenario.simulator.setFaults(['refuse-per-page']);
  t.after(() => scenario.simulator.setFaults([]));
  scenario.api.script([]);
  await account.succeed();
  assert.deepEqual(sizesAsked(), [1_000, 100, 50, 25, 20, 10, 0]);
  scenario.api.script([]);
  await account.succeed();
  assert.deepEqual(sizesAsked(), [0]);
  scenario.simulator.setFaults([]);
  await account.assertPromises();
});

test('a configured page size that is refused: PAGE_SIZE_REFUSED, exit 78', async (t) => {
  const account = scenario.account();
  scenario.simulator.setFaults(['refuse-above-25']);
  t.after(() => scenario.simulator.setFaults([]));
  const { error } = await account.fail('PAGE_SIZE_REFUSED', 78, { settings: { perPage: 100 } });
  assert.match(error.message, /pages of 100 users.*code 8000024.*SYNC_PER_PAGE=auto/);
  scenario.simulator.setFaults([]);
  await account.assertPromises();
});

test('page is ignored: PAGING_UNUSABLE, exit 1, and nothing is published', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  scenario.api.script([{ fault: echoOf(1) }]);
  const { error } = await account.fail('PAGING_UNUSABLE', 1);
  assert.match(error.message, /SYNC_PER_PAGE/);
  await account.assertPromises();
});

test('page and per_page are ignored, and every answer holds the whole account: complete', async (t) => {
  const account = scenario.account();
  scenario.simulator.setFaults(['everything']);
  t.after(() => scenario.simulator.setFaults([]));
  await account.succeed();
  scenario.api.script([{ fault: info(null) }]);
  scenario.later();
  await account.succeed();
  await account.assertPromises();
});

// 13

test('users that move between pages: met twice or not at all, no user is cleared, and published values are true', async (t) => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  // Users who are gone by now are cleared or wait to be asked; all others are present.
  await account.succeed();
  scenario.simulator.setFaults(['drift']);
  t.after(() => scenario.simulator.setFaults([]));
  for (let turn = 1; turn <= 3; turn++) {
    const { published, error, facts } = await account.sync();
    assert.equal(error, null);
    assert.equal(published?.cleared, 0);
    t.diagnostic(`${published?.verdict}, ${facts?.passes} passes, ${published?.carried} carried`);
  }
  scenario.simulator.setFaults([]);
  await account.assertPromises();
});

test('an account that never stands still: no user who was present throughout is cleared or missing, and every value was served', async (t) => {
  const account = scenario.account();
  await account.succeed();
  let previous = new Map(scenario.world().map((user) => [user.user_id, user]));
  for (let turn = 1; turn <= 4; turn++) {
    const served = new Map<string, Set<string>>();
    const present = new Set(scenario.world().map((user) => user.user_id));
    const look = rewritten('look', (page) => {
      for (const user of page.result.users as unknown as UserRisk[]) {
        const values = served.get(user.user_id) ?? new Set();
        served.set(user.user_id, values.add(recordText(user)));
      }
      return page;
    });
    scenario.api.script([{ fault: look }]);
    scenario.api.onRequest(() => {
      scenario.later(2 * 3_600_000);
      const now = new Set(scenario.world().map((user) => user.user_id));
      for (const id of present) if (!now.has(id)) present.delete(id);
    });
    const { published, error, facts } = await account.sync();
    scenario.api.onRequest(null);
    assert.equal(error, null);
    t.diagnostic(
      `${published?.verdict}, ${facts?.passes} passes, ${published?.cleared} cleared, ${published?.carried} carried`,
    );
    const snapshotId = published?.snapshotId ?? assert.fail();
    const state = await rebuild(db.pool, snapshotId);
    for (const user of state) {
      const values = served.get(user.user_id) ?? new Set([recordText(previous.get(user.user_id))]);
      assert.ok(values.has(recordText(user)), `a value of ${user.user_id} that was never served`);
    }
    const published_ = new Set(state.map((user) => user.user_id));
    for (const id of present)
      assert.ok(published_.has(id) || !(previous.has(id) || served.has(id)), `${id} is missing`);
    account.note(snapshotId, state, present);
    previous = new Map(state.map((user) => [user.user_id, user]));
  }
  await account.assertPromises();
});

// 14

test('an account without users: complete every time, and users may appear later', async (t) => {
  const account = scenario.account();
  scenario.simulator.setFaults(['empty']);
  t.after(() => scenario.simulator.setFaults([]));
  for (let turn = 1; turn <= 2; turn++) {
    const { published } = await account.succeed({ state: [] });
    assert.equal(published?.users, 0);
  }
  scenario.simulator.setFaults([]);
  await account.assertPromises();
});

test('an account that is suddenly empty: EMPTY_ANSWER, exit 1, no user is cleared', async (t) => {
  const account = scenario.account();
  await account.succeed();
  scenario.simulator.setFaults(['empty']);
  t.after(() => scenario.simulator.setFaults([]));
  for (let turn = 1; turn <= 2; turn++) {
    const { error } = await account.fail('EMPTY_ANSWER', 1);
    assert.match(error.message, /--accept-mass-clear/);
  }
  scenario.simulator.setFaults([]);
  await account.assertPromises();
});

/** New users on every page, without end. */
const endless = (info: Record<string, unknown> | null) =>
  rewritten('endless', (page, { page: number }) => {
    const users = Array.from({ length: 16 }, (_, n) => ({
      ...page.result.users[n],
      max_risk_level: 'low',
      event_count: 1,
      last_event: '2026-01-01T00:00:00Z',
      user_id: uuidOf(`endless ${number} ${n}`),
    }));
    return { ...page, result: { users }, result_info: info ?? undefined };
  });

test('endless pages, far beyond the total: PAGING_ENDLESS, exit 1', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.api.script([{ fault: endless({ total_count: 40 }) }]);
  await account.fail('PAGING_ENDLESS', 1);
  await account.assertPromises();
});

test('endless pages without a total: the time budget ends the walk, exit 75', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.api.script([{ fault: endless(null) }]);
  await account.fail('TIME_BUDGET', 75, { settings: { timeBudgetMs: 700 } });
  await account.assertPromises();
});
