// The limit that all replicas share: no window ever holds more, and almost all of it can be used.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import {
  reserveRequests,
  type RequestNeed,
  type Reservation,
} from '../../../src/db/budget/reserve-requests.ts';
import { blockRequests, giveRequestsBack } from '../../../src/db/budget/settle-requests.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const RUNS = Number(process.env['BUDGET_RUNS'] ?? 8);
const WINDOW_MS = 300_000;
const EPOCH = Date.parse('2026-11-01T00:00:00Z');

let identities = 0;
const newIdentity = () => (++identities).toString(16).padStart(64, '0');

function reserveAt(ms: number, need: Partial<RequestNeed> & { identity: string }): Promise<Reservation> {
  const usual = { windowMs: WINDOW_MS, limit: 960, need: 1, want: 1, unreserved: 0 };
  return reserveRequests(db.pool, { ...usual, ...need }, sql`to_timestamp(${(EPOCH + ms) / 1000}::numeric)`);
}

type Sent = { at: number; count: number };

/** The oracle: counts every window that begins with a request, one by one. */
function most(sent: readonly Sent[], windowMs: number): number {
  const ordered = sent.toSorted((a, b) => a.at - b.at);
  let best = 0;
  for (const [index, { at }] of ordered.entries()) {
    let sum = 0;
    for (let i = index; i < ordered.length && ordered[i]!.at < at + windowMs; i++) sum += ordered[i]!.count;
    best = Math.max(best, sum);
  }
  return best;
}

test('grants all that is wanted while plenty is left, then spreads the rest, then waits for the oldest to leave', async () => {
  const identity = newIdentity();
  const first = await reserveAt(0, { identity, limit: 100, need: 3, want: 64 });
  assert.deepEqual([first.count, first.waitMs, first.used], [64, 0, 64]);
  const second = await reserveAt(1_000, { identity, limit: 100, need: 3, want: 64 });
  assert.deepEqual([second.count, second.waitMs], [16, 0], 'up to the last fifth');
  const third = await reserveAt(2_000, { identity, limit: 100, need: 3, want: 64 });
  assert.equal(third.count, 1);
  assert.ok(
    third.waitMs > 12_000 && third.waitMs < 16_000,
    `a twentieth of the time left, not ${third.waitMs} ms`,
  );
  let last = third;
  for (let i = 0; i < 19; i++) last = await reserveAt(3_000, { identity, limit: 100 });
  assert.equal(last.used, 100);
  const beyond = await reserveAt(4_000, { identity, limit: 100, need: 2, want: 64 });
  assert.ok(beyond.waitMs >= WINDOW_MS && beyond.waitMs <= WINDOW_MS * 1.05 + 15_000);
});

test('a reservation that is given back counts no longer, and one that is too old changes nothing', async () => {
  const identity = newIdentity();
  const first = await reserveAt(0, { identity, limit: 10, need: 8, want: 8 });
  await giveRequestsBack(db.pool, { identity, windowMs: WINDOW_MS, slice: first.slice, count: 6 });
  assert.equal((await reserveAt(100, { identity, limit: 10 })).used, 3);
  await giveRequestsBack(db.pool, { identity, windowMs: WINDOW_MS, slice: first.slice - 1_000, count: 6 });
  await giveRequestsBack(db.pool, { identity, windowMs: WINDOW_MS, slice: first.slice + 1_000, count: 6 });
  assert.equal((await reserveAt(200, { identity, limit: 10 })).used, 4);
});

test('after a 429 of one replica, every replica waits', async () => {
  const need = { identity: newIdentity(), windowMs: WINDOW_MS, limit: 960, need: 1, want: 4, unreserved: 0 };
  await reserveRequests(db.pool, need);
  await blockRequests(db.pool, { ...need, ms: 120_000 });
  await blockRequests(db.pool, { ...need, ms: 1_000 });
  const blocked = await reserveRequests(db.pool, need);
  assert.ok(blocked.waitMs > 60_000 && blocked.waitMs <= 120_000, `${blocked.waitMs} ms`);
});

test('a database clock that went far back delays no request for longer than a window', async () => {
  const identity = newIdentity();
  await reserveAt(10 * WINDOW_MS, { identity, limit: 10, need: 7, want: 7 });
  const back = await reserveAt(0, { identity, limit: 10, need: 1 });
  assert.equal(back.used, 8, 'what was reserved still counts');
  assert.equal(back.waitMs, 0);
});

test('requests that were sent without a reservation count, and one that exceeds the limit by far delays the next by one window', async () => {
  const identity = newIdentity();
  assert.equal((await reserveAt(0, { identity, unreserved: 40 })).used, 41);
  const much = await reserveAt(10, { identity, unreserved: 5_000 });
  assert.ok(much.waitMs <= WINDOW_MS * 1.06, `${much.waitMs} ms`);
  const next = await reserveAt(WINDOW_MS * 3, { identity });
  assert.deepEqual([next.count, next.waitMs], [1, 0]);
});

test('the row of replaced credentials is removed a day later', async () => {
  const old = newIdentity();
  await reserveAt(-10 * 86_400_000, { identity: old });
  await reserveAt(0, { identity: newIdentity() });
  assert.deepEqual(await db.rows('select from risk_internal.request_budgets where identity = $1', [old]), []);
});

test('reservations at the same moment are all counted', async () => {
  const identity = newIdentity();
  const need = { identity, windowMs: WINDOW_MS, limit: 100_000, need: 1, want: 7, unreserved: 0 };
  const granted = await Promise.all(Array.from({ length: 60 }, () => reserveRequests(db.pool, need)));
  const [row] = await db.rows<{ sum: number }>(
    'select (select sum(n) from unnest(slices) n)::integer as sum from risk_internal.request_budgets where identity = $1',
    [identity],
  );
  assert.equal(
    row?.sum,
    granted.reduce((sum, { count }) => sum + count, 0),
  );
  assert.equal(row?.sum, 420);
});

/** A replica of the model: uses each reservation at random times of its life, loses some, and gives some back. */
test(
  'no window holds more than the limit, whatever replicas ask for, lose or give back',
  { timeout: 190_000 },
  async () => {
    const step = fc.record({
      pauseMs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 120_000 })),
      need: fc.integer({ min: 1, max: 16 }),
      want: fc.integer({ min: 0, max: 64 }),
      uses: fc.double({ min: 0, max: 1, noNaN: true }),
      when: fc.double({ min: 0, max: 1, noNaN: true }),
      gives: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 20, max: 300 }),
        fc.array(step, { minLength: 20, maxLength: 90, size: 'max' }),
        async (limit, steps) => {
          const identity = newIdentity();
          const sent: Sent[] = [];
          let now = 0;
          let newest = 0;
          for (const { pauseMs, need, want, uses, when, gives } of steps) {
            now += pauseMs;
            const got = await reserveAt(now, { identity, limit, need, want });
            const from = now + got.waitMs;
            assert.ok(from >= newest, 'nobody overtakes');
            newest = from;
            assert.ok(got.count >= 1 && got.count <= Math.max(need, want));
            const count = Math.round(got.count * uses);
            // Requests are sent within the life of the reservation, half of them in its last moment.
            const at = from + (when > 0.5 ? got.lifeMs - 1 : Math.floor(when * got.lifeMs));
            if (count > 0) sent.push({ at, count });
            if (gives && count < got.count)
              await giveRequestsBack(db.pool, {
                identity,
                windowMs: WINDOW_MS,
                slice: got.slice,
                count: got.count - count,
              });
            // A replica that waits does not ask.
            if (got.waitMs > 30_000) now += got.waitMs - 30_000;
          }
          assert.ok(most(sent, WINDOW_MS) <= limit, `${most(sent, WINDOW_MS)} of ${limit}`);
        },
      ),
      { numRuns: RUNS },
    );
  },
);

test('three replicas that always want more use at least nine tenths of what is allowed', async () => {
  const identity = newIdentity();
  const limit = 120;
  const sent: Sent[] = [];
  const replicas = [0, 0, 0];
  const end = 4 * WINDOW_MS;
  for (;;) {
    const next = replicas.indexOf(Math.min(...replicas));
    const now = replicas[next]!;
    if (now >= end) break;
    const got = await reserveAt(now, { identity, limit, need: 4, want: 16 });
    sent.push({ at: now + got.waitMs, count: got.count });
    // 200 ms for each request, four in parallel.
    replicas[next] = now + got.waitMs + Math.ceil(got.count / 4) * 200;
  }
  assert.ok(most(sent, WINDOW_MS) <= limit);
  const used = sent.filter(({ at }) => at < end).reduce((sum, { count }) => sum + count, 0);
  assert.ok(used >= 0.9 * 4 * limit, `${used} of ${4 * limit}`);
});
