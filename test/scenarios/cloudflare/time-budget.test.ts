// Waits that the API asks for end with the run's time budget: exit 75, and nothing is published. Lookups without an
// answer end earlier, so that a control can confirm the other answers.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ACCOUNT,
  failed,
  json,
  listen,
  PAGE,
  RECORD,
  text,
  TOKEN,
  type Reply,
} from '../../support/api/api-server.ts';
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { OperatorError } from '../../../src/errors.ts';
import { startBudget } from '../../../src/sync/time-budget.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';
import { clientOf, runSyncOf } from '../../support/stage.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

test('the time budget also ends a run that still reads the known users: nothing is published', async () => {
  const accountId = randomBytes(16).toString('hex');
  const record = {
    user_id: randomUUID(),
    max_risk_level: 'high',
    event_count: 1,
    last_event: '2026-01-01T00:00:00Z',
  };
  let pages = 0;
  const sync = async (failpoint: (name: string) => Promise<void>) => {
    const outcome = await runSyncOf(accountId, {
      pool: db.pool,
      client: {
        async summaryPage({ signal, page, openReader }) {
          const served = await serveRecords(page === 1 ? [record] : [], { total_count: 1 }, openReader);
          signal.throwIfAborted();
          pages += 1;
          return served;
        },
        lookUpUser: async () => null,
      },
      settings: { timeBudgetMs: 1_000 },
      failpoint,
    });
    return outcome;
  };
  assert.equal((await sync(async () => undefined)).error, null);
  pages = 0;
  const { error, published } = await sync(async (name) => {
    if (name === 'reading') await sleep(1_100);
  });
  assert.deepEqual([error?.code, error?.exit, published, pages], ['TIME_BUDGET', 75, null, 0]);
  assert.equal(
    (
      await db.rows(
        'select from risk.snapshots join risk.accounts using (account_key) where account_id = $1',
        [accountId],
      )
    ).length,
    1,
  );
});

const cases: [title: string, reply: Reply][] = [
  ['a 429 that blocks for five minutes', failed(429, 971, 'slow', { 'retry-after': '300' })],
  ['a request budget that is used up for minutes', text(429, 'slow', { ratelimit: '"default";r=0;t=200' })],
  ['a 503 that asks for a minute', text(503, 'down', { 'retry-after': '60' })],
  ['an answer that never arrives', () => {}],
];
for (const [title, reply] of cases) {
  test(`${title} fails the run when its time is up, not later`, async (t) => {
    const baseUrl = await listen(t, (request, response) => reply(request, response, 0));
    const client = clientOf(t, baseUrl, { token: TOKEN });
    const began = performance.now();
    const { error, published } = await runSyncOf(ACCOUNT, {
      pool: db.pool,
      client,
      settings: { timeBudgetMs: 300 },
    });
    assert.deepEqual([error?.code, error?.exit, published], ['TIME_BUDGET', 75, null]);
    // The requested waits take a minute and more.
    assert.ok(performance.now() - began < 30_000);
    const left = await db.rows(
      `select from risk.snapshots join risk.accounts using (account_key) where account_id = $1
        union all select from risk_internal.leases union all select from risk_internal.staged_changes`,
      [ACCOUNT],
    );
    assert.deepEqual(left, []);
  });
}

test('an accepted mass clear with lookups that hang clears the users with an answer, and exits 75', async (t) => {
  // Users are asked in order of their ids.
  const ids = Array.from({ length: 40 }, (_, n) => uuidOf(`budget ${n}`)).toSorted();
  const people = ids.map((userId) => ({ ...RECORD, user_id: userId }));
  let shown = people;
  const never = new Set(ids.slice(35));
  const answered = new Set<string>();
  const baseUrl = await listen(t, (request, response) => {
    const asked = request.url?.split('?')[0]?.split('/').at(-1) ?? '';
    const info = { ...PAGE.result_info, count: shown.length, total_count: shown.length };
    if (asked === 'summary')
      return json(200, { ...PAGE, result: { users: shown }, result_info: info })(request, response, 0);
    if (never.has(asked)) return;
    if (!shown.some((one) => one.user_id === asked)) {
      answered.add(asked);
      return failed(404, 1002)(request, response, 0);
    }
    const { email, name } = RECORD;
    json(200, { ...PAGE, result: { email, name, risk_level: 'low', last_reset_time: null, events: [] } })(
      request,
      response,
      0,
    );
  });
  const client = clientOf(t, baseUrl, { token: TOKEN });
  const sync = async (over: { timeBudgetMs?: number } = {}) => {
    const outcome = await runSyncOf(
      ACCOUNT,
      { pool: db.pool, client, settings: { perPage: 50, ...over } },
      { acceptMassClear: true },
    );
    return outcome;
  };
  assert.equal((await sync()).error, null);
  shown = people.slice(0, 10);
  const cut = await sync({ timeBudgetMs: 3_000 });
  assert.deepEqual([cut.error?.code, cut.error?.exit], ['CLEAR_PENDING', 75]);
  const { cleared = 0, carried = 0 } = cut.published ?? {};
  // How many users are asked in that time depends on the machine. An answer under way when the time is up does not
  // count.
  const unheard = answered.size - cleared;
  assert.ok(cleared > 0 && unheard >= 0 && unheard <= TEST_SETTINGS.concurrency, `${cleared} cleared`);
  assert.equal(cleared + carried, 30);
  never.clear();
  const done = await sync();
  assert.deepEqual([done.error, done.published?.cleared], [null, carried]);
});

/** Something else holds a lock that the run needs. */
async function whileLocked<T>(statement: string, work: () => Promise<T>): Promise<T> {
  const holder = await db.pool.connect();
  try {
    await holder.query(`begin; ${statement}`);
    return await work();
  } finally {
    await holder.query('rollback');
    holder.release();
  }
}

const PEOPLE = [1, 2, 3].map((n) => ({ ...RECORD, user_id: uuidOf(`served ${n}`) }));
const served: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> = {
  summaryPage: async ({ page, openReader }) =>
    serveRecords(page === 1 ? [...PEOPLE, { ...RECORD, user_id: 7 }] : [], { total_count: 4 }, openReader),
  lookUpUser: async () => null,
};

for (const [what, statement] of [
  ['rejected records', 'lock risk_internal.rejected_records in share mode'],
  ['the publish', 'lock risk.snapshots in share mode'],
] as const) {
  test(`a database that blocks ${what} ends the run when its time is up, and the next run succeeds`, async () => {
    const accountId = randomBytes(16).toString('hex');
    const sync = (timeBudgetMs: number) =>
      runSyncOf(accountId, { pool: db.pool, client: served, settings: { timeBudgetMs } });
    assert.equal((await sync(60_000)).error, null);
    const began = performance.now();
    const { error, published } = await whileLocked(statement, () => sync(1_000));
    assert.deepEqual([error?.code, error?.exit, published], ['TIME_BUDGET', 75, null]);
    // A lock alone would be waited for five times ten seconds.
    assert.ok(performance.now() - began < 9_000);
    const next = await sync(60_000);
    assert.equal(next.error, null, next.error?.message);
  });
}

test('the claim of a new account that waits for the feed clock ends when the time is up', async () => {
  const accountId = randomBytes(16).toString('hex');
  const settings = { timeBudgetMs: 300 };
  await assert.rejects(
    whileLocked('select from risk_internal.feed_clock for update', () =>
      runSyncOf(accountId, { pool: db.pool, client: served, settings }),
    ),
    (error: OperatorError) => error.code === 'TIME_BUDGET' && error.exit === 75,
  );
});

test('a fifth of the time, at most five minutes, is kept for the publish', (t) => {
  for (const [ms, lookMs] of [
    [10_000, 8_000],
    [900_000, 720_000],
    [21_600_000, 21_300_000],
  ] as const) {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const budget = startBudget(ms);
    t.mock.timers.tick(lookMs - 1);
    assert.equal(budget.lookOver.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(budget.lookOver.aborted && budget.isSpent(budget.lookOver.reason), true);
    t.mock.timers.tick(ms - lookMs - 1);
    assert.equal(budget.over.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(budget.over.aborted && budget.isSpent(budget.over.reason), true);
    t.mock.timers.reset();
  }
});
