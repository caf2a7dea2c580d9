// Permits from the shared limit, with a real database. Sleeping moves the process's clock and takes no time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as settled } from 'node:timers/promises';
import { identify } from '../../../src/cloudflare/pace/identify.ts';
import { createPermits, type Permits } from '../../../src/cloudflare/pace/permits.ts';
import type { SharedBudget } from '../../../src/cloudflare/pace/reservations.ts';
import { openSharedBudget } from '../../../src/context.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database/test-database.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { quiet } from '../../support/stage.ts';

let db: MigratedDatabase;
let empty: TestDatabase;
before(async () => {
  db = await migratedDatabase();
  empty = await createTestDatabase();
});
after(async () => {
  await db.close();
  await empty.drop();
});

const signal = new AbortController().signal;
const LIMIT = { requests: 400, windowMs: 300_000 };

type Stage = {
  permits: Permits;
  /** What the database was asked for, in order. */
  asked: { need: number; want: number; unreserved: number }[];
  /** Resolves when every question so far has its answer. */
  answered(): Promise<void>;
  said: string[];
  now(): number;
  wait(ms: number): void;
  /** How many requests the row holds as reserved. */
  reserved(): Promise<number>;
  away(isAway: boolean): void;
  unmigrated(isUnmigrated: boolean): void;
};

let stages = 0;

async function onStage(t: { after(done: () => Promise<void>): void }): Promise<Stage> {
  const identity = identify({ kind: 'token', token: `token ${++stages}` }, 'https://api.example.com');
  const here = openSharedBudget({ url: db.url, isEmbedded: false }, quiet);
  const nowhere = openSharedBudget({ url: 'postgres://nobody@127.0.0.1:1/none', isEmbedded: false }, quiet);
  const blank = openSharedBudget({ url: empty.url, isEmbedded: false }, quiet);
  let reached = here;
  let time = 1_000;
  const asked: Stage['asked'] = [];
  const answers: Promise<unknown>[] = [];
  const said: string[] = [];
  const log = (_: unknown, message?: string) => void said.push(message ?? String(_));
  const shared: SharedBudget = {
    reserve(ask) {
      asked.push({ need: ask.need, want: ask.want, unreserved: ask.unreserved });
      const answer = reached.reserve(ask);
      answers.push(answer);
      return answer;
    },
    giveBack: (of) => reached.giveBack(of),
    block: (of) => reached.block(of),
  };
  const permits = createPermits({
    shared,
    identity: () => identity,
    limit: () => LIMIT,
    now: () => time,
    async sleep(ms, rest) {
      rest.throwIfAborted();
      time += ms;
    },
    logger: { info: log, warn: log } as never,
  });
  t.after(async () => {
    await permits.close();
    await here.close();
    await nowhere.close();
    await blank.close();
  });
  return {
    permits,
    asked,
    async answered() {
      await Promise.allSettled(answers);
    },
    said,
    now: () => time,
    wait: (ms) => void (time += ms),
    async reserved() {
      const [row] = await db.rows<{ sum: number }>(
        'select (select sum(n) from unnest(slices) n)::integer as sum from risk_internal.request_budgets where identity = $1',
        [identity],
      );
      return row?.sum ?? 0;
    },
    away(isAway) {
      reached = isAway ? nowhere : here;
    },
    unmigrated(isUnmigrated) {
      reached = isUnmigrated ? blank : here;
    },
  };
}

test('a small account reserves few requests, and gives back what it did not need', async (t) => {
  const { permits, asked, reserved } = await onStage(t);
  for (let i = 0; i < 3; i++) await permits.take(signal);
  await permits.close();
  assert.ok(asked.every(({ want }) => want <= 4));
  assert.equal(await reserved(), 3);
});

test('many parallel requests need few round trips, and are sent in order of arrival', async (t) => {
  const { permits, asked, reserved } = await onStage(t);
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      await permits.take(signal);
      order.push(index);
    }),
  );
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.ok(asked.length <= 4, `${asked.length} round trips`);
  await permits.close();
  assert.equal(await reserved(), 200);
});

test('while the database is unreachable, few requests are sent, and they are reported when it is back', async (t) => {
  const { permits, said, now, reserved, away } = await onStage(t);
  away(true);
  for (let i = 0; i < 100; i++) await permits.take(signal);
  assert.ok(now() < 60_000, 'a quarter of the limit does not wait');
  await permits.take(signal);
  assert.ok(now() >= 300_000, 'the next one waits until the first has left the window');
  away(false);
  let taken = 101;
  const take = async () => {
    await permits.take(signal);
    taken += 1;
  };
  // The process asks the database in parallel, so the requests do not wait for it.
  while (!said.includes('the shared request budget is reached again')) {
    await take();
    await settled(2);
  }
  for (let i = 0; i < 20; i++) await take();
  await permits.close();
  assert.equal(
    said.filter((line) => line.includes('cannot be reached')).length,
    1,
    'told once, however often it was tried',
  );
  assert.equal(await reserved(), taken);
});

test('while the database has no tables, requests are sent without it and without a message, and are reported later', async (t) => {
  const { permits, said, reserved, asked, answered, unmigrated } = await onStage(t);
  unmigrated(true);
  for (let i = 0; i < 5; i++) await permits.take(signal);
  assert.equal(asked.length, 1);
  assert.equal(await reserved(), 0);
  unmigrated(false);
  let taken = 5;
  while (asked.length < 2) {
    await permits.take(signal);
    taken += 1;
  }
  await answered();
  for (let i = 0; i < 20; i++, taken++) await permits.take(signal);
  await permits.close();
  assert.deepEqual(said, []);
  assert.equal(await reserved(), taken);
});

test('gives the rest of the shared limit as of the last answer, and the whole limit after the window', async (t) => {
  const { permits, wait } = await onStage(t);
  assert.equal(permits.left(), null);
  for (let i = 0; i < 3; i++) await permits.take(signal);
  const { remaining, resetMs, ...limit } = permits.left()!;
  assert.deepEqual(limit, { quota: 400, windowMs: 300_000 });
  assert.ok(remaining > 390 && remaining < 400, `${remaining} left`);
  assert.ok(resetMs > 0, `${resetMs} ms`);
  wait(resetMs);
  assert.deepEqual(permits.left(), { ...limit, remaining: 400, resetMs: 0 });
});

test('a request that is cancelled while it waits leaves its place to the next', async (t) => {
  const { permits, reserved } = await onStage(t);
  const given = new AbortController();
  const waiting = permits.take(given.signal);
  const next = permits.take(signal);
  given.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  await next;
  await permits.close();
  assert.equal(await reserved(), 1);
});

test('a hash names the credentials: equal for the same ones, different for others and for other addresses', () => {
  const token = { kind: 'token', token: 'one' } as const;
  const key = { kind: 'key', email: 'ada@example.com', key: 'one' } as const;
  const here = 'https://api.cloudflare.com';
  const names = [identify(token, here), identify(token, 'https://other.example'), identify(key, here)];
  assert.equal(new Set(names).size, 3);
  assert.equal(identify({ ...key }, here), names[2]);
  for (const name of names) assert.match(name, /^[0-9a-f]{64}$/);
});
