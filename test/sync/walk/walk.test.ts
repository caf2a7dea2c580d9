// Walks through the real comparison, of accounts that change between any two answers. Read in process, published to a
// real Postgres.
import assert from 'node:assert/strict';
import { keepAll } from '../../../src/pii-policy.ts';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { SummaryPage } from '../../../src/cloudflare/client.ts';
import { pagesOfApi } from '../../../src/cloudflare/paging/walk-pages.ts';
import type { OpenReader } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { publish } from '../../../src/sync/publish/publish.ts';
import type { WalkCounts } from '../../../src/sync/walk/count-walk.ts';
import { createQuarantine } from '../../../src/sync/walk/quarantine.ts';
import { walk } from '../../../src/sync/walk/walk.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { refused } from '../../support/api/paging-world.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { emptyFacts, lookAt } from '../../support/world/publish-request.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';
import { runSyncOf } from '../../support/stage.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const SETTINGS = { ...TEST_SETTINGS, concurrency: 1 };

type Asked = { page: number; perPage: number };
/** Answer number `nth` of a run, from 1. It may throw. */
type Account = (asked: Asked, nth: number, signal: AbortSignal) => { records: unknown[]; total?: number };

const user = (who: number, over: Record<string, unknown> = {}) => ({
  user_id: uuidOf(`user ${who}`),
  email: null,
  name: null,
  max_risk_level: 'low',
  event_count: 1,
  last_event: '2026-01-01T00:00:00Z',
  ...over,
});
const users = (count: number) => Array.from({ length: count }, (_, who) => user(who));
const pageOf = (records: unknown[], { page, perPage }: Asked) =>
  records.slice((page - 1) * perPage, page * perPage);

type BreakOff = (openReader: OpenReader<unknown>) => Promise<void>;

function clientOf(account: Account, breakOff: BreakOff = async () => undefined) {
  const asked: Asked[] = [];
  return {
    asked,
    async summaryPage<T>({
      page,
      perPage,
      signal,
      openReader,
    }: Asked & { signal: AbortSignal; openReader: OpenReader<T> }): Promise<SummaryPage<T>> {
      const nth = asked.push({ page, perPage });
      await breakOff(openReader);
      const { records, total } = account({ page, perPage }, nth, signal);
      const info = total === undefined ? {} : { total_count: total };
      return serveRecords(records, info, openReader);
    },
    lookUpUser: () => assert.fail('no user was missing'),
  };
}

async function sync(account: Account, over: { accountId?: string; breakOff?: BreakOff } = {}) {
  const client = clientOf(account, over.breakOff);
  const { accountId = randomBytes(16).toString('hex') } = over;
  const outcome = await runSyncOf(accountId, { pool: db.pool, client, settings: SETTINGS });
  assert.equal(outcome.error, null);
  const { published, facts } = outcome;
  assert.ok(published !== null);
  return { published, facts, asked: client.asked, state: await stateOf(accountId) };
}

const stateOf = (accountId: string) =>
  db.rows<{ user_id: string; max_risk_level: string; event_count: number; absent: boolean }>(
    `select user_id, max_risk_level, event_count, absent_since is not null as absent
       from risk.users join risk.accounts using (account_key) where account_id = $1 order by user_id`,
    [accountId],
  );

/**
 * Every answer holds everything. Before each answer a user has acted, and rows with equal sort keys change their order.
 */
const everything =
  (count: number, total?: number): Account =>
  (_, nth) => {
    const [first, ...others] = users(count);
    const records = [{ ...first, event_count: nth }, ...(nth % 2 === 0 ? others.toReversed() : others)];
    return total === undefined ? { records } : { records, total };
  };

for (const [title, account, requests] of [
  ['without a total', everything(37), 3],
  ['with a total', everything(37, 37), 2],
] as const) {
  test(`every answer holds everything, with an order and counts that change between any two answers, ${title}: complete after one pass`, async () => {
    const { published, facts, asked, state } = await sync(account);
    assert.equal(published.verdict, 'complete');
    assert.deepEqual([facts.passes, facts.duplicates, facts.rejected, facts.usersMet], [1, 0, 0, 37]);
    assert.equal(asked.length, requests);
    const moved = state.find(({ user_id }) => user_id === user(0).user_id);
    assert.deepEqual([state.length, moved?.event_count], [37, requests], 'the last read wins');
  });
}

test('a last page that is repeated beyond the end with newer values each time: complete, with the newest values', async () => {
  const { published, facts, state } = await sync(({ page, perPage }, nth) => {
    const all = users(3).with(2, user(2, { event_count: nth }));
    return { records: pageOf(all, { page: Math.min(page, 2), perPage: Math.min(perPage, 2) }), total: 3 };
  });
  assert.deepEqual([published.verdict, facts.passes, facts.duplicates], ['complete', 1, 0]);
  const counts = new Map(state.map((row) => [row.user_id, row.event_count]));
  assert.deepEqual([counts.size, counts.get(user(2).user_id)], [3, 4]);
});

test('rejected records of a page that is served again count once', async () => {
  // 3 % are below the limit of 5 %. Counted twice, they would be above it.
  const { published, facts } = await sync((_, nth) => {
    const all = users(1_000).map((one, who) => (who < 30 ? { ...one, max_risk_level: 'severe' } : one));
    return { records: all.with(999, user(999, { event_count: nth })), total: 1_000 };
  });
  assert.deepEqual([published.verdict, published.met], ['complete', 970]);
  assert.deepEqual([facts.rejected, facts.duplicates, facts.passes], [30, 0, 1]);
});

test('a page that returns to its earlier values is believed again', async () => {
  const { state } = await sync((_, nth) => ({
    records: users(7).with(3, user(3, { event_count: nth % 2 })),
  }));
  assert.equal(state.find(({ user_id }) => user_id === user(3).user_id)?.event_count, 1);
});

test('a record that repeats what the database holds takes back what was read before it', async () => {
  const accountId = randomBytes(16).toString('hex');
  await sync(() => ({ records: users(7) }), { accountId });
  const before = await rowsOfHistory(db.pool, accountId);
  const { published, asked } = await sync(
    (_, nth) => ({
      records: users(7).with(
        3,
        user(3, nth === 1 ? { max_risk_level: 'high', event_count: 9, name: 'Another' } : {}),
      ),
    }),
    { accountId },
  );
  assert.ok(asked.length > 1);
  assert.deepEqual([published.users, published.met, published.raised], [7, 7, 0]);
  assert.deepEqual(await rowsOfHistory(db.pool, accountId), before);
});

test('records of an answer that broke off have no effect: the page is requested again, and its answer differs', async () => {
  const accountId = randomBytes(16).toString('hex');
  let attempts = 0;
  const { published, facts, state } = await sync(
    ({ page }) => ({ records: page === 1 ? users(3) : [], total: 3 }),
    {
      accountId,
      // The client passes records on as they arrive, and retries with a new reader.
      async breakOff(openReader) {
        attempts++;
        const reader = await openReader();
        for (const record of [
          user(7),
          user(1, { event_count: 9 }),
          user(2, { max_risk_level: 'severe' }),
          {},
        ])
          reader.add(record);
      },
    },
  );
  assert.ok(attempts >= 1);
  assert.deepEqual([published.verdict, published.met, published.appeared], ['complete', 3, 3]);
  assert.deepEqual([facts.usersMet, facts.duplicates, facts.rejected, facts.passes], [3, 0, 0, 1]);
  assert.deepEqual(
    state.map((row) => row.event_count),
    [1, 1, 1],
  );
  const rejected = await db.rows(
    'select from risk_internal.rejected_records join risk.accounts using (account_key) where account_id = $1',
    [accountId],
  );
  assert.equal(rejected.length, 0);
});

test('a short failure that looks like the end of an account without totals does not make one page the whole account', async () => {
  const { published, facts } = await sync(({ page, perPage }, nth) => ({
    records: nth === 2 || nth === 3 ? [] : pageOf(users(120), { page, perPage: Math.min(perPage, 50) }),
  }));
  assert.deepEqual([published.verdict, published.users, facts.passes], ['complete', 120, 2]);
});

test('a page that is too slow restarts its pass with smaller pages; only the new pass counts, and later passes keep the size', async () => {
  let restarted = false;
  const { published, facts, asked, state } = await sync(({ page, perPage }, nth) => {
    if (page === 2 && perPage > 100) {
      restarted = true;
      throw refused(0, 'UND_ERR_HEADERS_TIMEOUT');
    }
    // Once the pass has restarted, a user who had been read is gone, and the total of the first whole pass moves.
    const all = restarted ? users(150).slice(1) : users(150);
    return { records: pageOf(all, { page, perPage }), total: nth === 3 ? 150 : all.length };
  });
  assert.equal(published.verdict, 'complete');
  const wholePass = ['1 of 100', '2 of 100', '3 of 100', '3 of 100'];
  assert.deepEqual(
    asked.map(({ page, perPage }) => `${page} of ${perPage}`),
    ['1 of 1000', '2 of 1000', ...wholePass, ...wholePass],
  );
  assert.deepEqual([facts.passes, facts.pages, facts.duplicates], [2, 9, 0]);
  const met = (facts.evidence.passes ?? []).map((pass) => pass.met);
  assert.deepEqual(met, [149, 149]);
  // What was read is kept: a user who was met in the pass that ended early was present.
  assert.deepEqual([facts.usersMet, state.length], [150, 150]);
});

/** Pass 1 meets four users, but the total says five. Pass 2 reads one page, and then the time budget is over. */
async function cutOff(
  lastPage: unknown[],
  { timeLeft = Number.POSITIVE_INFINITY, ...ofQuarantine }: { timeLeft?: number; keptRecords?: number } = {},
) {
  const lease = await claimAccount(db.pool);
  const look = await lookAt(db.pool, lease);
  const budget = new AbortController();
  const spent = new Error('time is up');
  let counts: WalkCounts | null = null;
  const client = clientOf(({ page, perPage }, nth, signal) => {
    if (nth < 5) return { records: pageOf(users(4), { page, perPage }), total: 5 };
    if (nth === 5) return { records: lastPage, total: 5 };
    budget.abort(spent);
    signal.throwIfAborted();
    return assert.fail();
  });
  const settings = { perPage: 2, concurrency: 1, maxPasses: 4 };
  const walked = await walk(
    {
      readPages: pagesOfApi(client),
      ...look,
      quarantine: createQuarantine(db.pool, lease, {
        retentionMs: 1e9,
        pii: keepAll,
        signal: new AbortController().signal,
        ...ofQuarantine,
      }),
      checkMemory() {},
    },
    settings,
    {
      accountId: lease.accountId,
      firstSize: 1_000,
      signal: budget.signal,
      countUse() {},
      report(now) {
        counts = now;
      },
      timeLeft: () => timeLeft,
      isOutOfTime: (error) => error === spent,
      onProgress() {},
    },
  );
  return { lease, look, facts: { ...emptyFacts(), ...counts! }, walked, asked: client.asked };
}

test('a pass that the time budget cuts off counts with all records that it has read', async () => {
  const lastPage = [user(0, { max_risk_level: 'high' }), user(9), { name: 'nobody' }];
  const { lease, look, facts, walked } = await cutOff(lastPage);
  assert.deepEqual([walked.judgement.verdict, walked.records, walked.unreadable], ['partial', 7, 1]);
  assert.ok(walked.judgement.reasons.includes('the time budget ended during another pass'));
  assert.deepEqual([facts.usersMet, facts.rejected, facts.evidence.unreadable_records], [5, 1, 1]);
  const { verdict, expectedUnseen } = walked.judgement;
  await publish(db.pool, await look.request({ verdict, expectedUnseen, facts }));
  const state = await stateOf(lease.accountId);
  const levels = new Map(state.map((row) => [row.user_id, row.max_risk_level]));
  assert.deepEqual(
    [levels.size, levels.get(user(0).user_id), levels.get(user(9).user_id)],
    [5, 'high', 'low'],
  );
});

test('a pass that the time budget cuts off also fails the run when too many of its records are rejected', async () => {
  const unknown = Array.from({ length: 20 }, (_, who) => user(who, { max_risk_level: 'severe' }));
  await assert.rejects(cutOff(unknown), { code: 'TOO_MANY_REJECTED' });
});

test('no other pass is begun that would not end in time, and the walk says so', async () => {
  const { walked, facts, asked } = await cutOff([], { timeLeft: 0 });
  assert.equal(walked.judgement.verdict, 'partial');
  assert.ok(walked.judgement.reasons.includes('the time budget left no time for another pass'));
  assert.ok(facts.evidence.reasons?.includes('the time budget left no time for another pass'));
  assert.deepEqual([walked.records, facts.passes], [4, 1]);
  assert.equal(asked.length, 4);
});

test('rejected records without a kept text are counted by reason', async () => {
  const odd = [20, 21, 22].map((who) => user(who, { max_risk_level: 'severe' }));
  const lastPage = [...users(9), ...odd, user(23, { event_count: 'many' })];
  const { facts } = await cutOff(lastPage, { keptRecords: 1 });
  const { rejected_not_kept: notKept = {} } = facts.evidence;
  assert.deepEqual(Object.values(notKept).toSorted(), [1, 2]);
  assert.equal(facts.rejected, 4);
});
