// Small accounts of which nothing, or less than half, can be accepted: the run fails in every such case.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { RunResult } from '../../../src/sync/run-sync.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { runSyncOf } from '../../support/stage.ts';
import { uuidOf } from '../../support/world/random-world.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const person = (n: number) => ({
  user_id: uuidOf(`mostly ${n}`),
  max_risk_level: 'high',
  event_count: 3,
  last_event: '2026-01-01T00:00:00Z',
});
const people = (count: number) => Array.from({ length: count }, (_, n) => person(n));
const unknownLevel = (record: object) => ({ ...record, max_risk_level: 'HIGH' });

function account() {
  const accountId = randomBytes(16).toString('hex');
  let lookups = 0;
  const sync = (
    records: readonly unknown[],
    over: { total?: number | null; accept?: boolean; dryRun?: boolean; perPage?: number } = {},
  ): Promise<RunResult> => {
    const { total = records.length, accept = false, dryRun = false, perPage = 50 } = over;
    return runSyncOf(
      accountId,
      {
        pool: db.pool,
        client: {
          summaryPage: ({ page, openReader }) =>
            serveRecords(
              records.slice((page - 1) * perPage, page * perPage),
              total === null ? {} : { total_count: total },
              openReader,
            ),
          async lookUpUser() {
            lookups++;
            return null;
          },
        },
        settings: { perPage, concurrency: 1 },
      },
      { acceptMassClear: accept, dryRun },
    );
  };
  const snapshots = () =>
    db.rows<{ users: number; baseline: boolean }>(
      `select user_count as users, is_baseline as baseline from risk.snapshots join risk.accounts using (account_key)
        where account_id = $1 order by snapshot_id`,
      [accountId],
    );
  return { sync, snapshots, lookups: () => lookups };
}

describe('a first run that accepts no user publishes no baseline:', () => {
  const spoilt: [title: string, spoil: (record: object) => unknown][] = [
    ['a level in capitals', unknownLevel],
    ['counts that are text', (record) => ({ ...record, event_count: '3' })],
    ['dates without a zone', (record) => ({ ...record, last_event: '2026-01-01T00:00:00' })],
    ['no readable ids', (record) => ({ ...record, user_id: undefined })],
    ['nothing but text', () => 'a user'],
    ['nothing but null', () => null],
  ];
  for (const [title, spoil] of spoilt)
    test(title, async () => {
      const { sync, snapshots } = account();
      for (const over of [{}, { accept: true }, { dryRun: true }, { perPage: 4 }, { total: null }]) {
        const { published, error } = await sync(people(15).map(spoil), over);
        assert.deepEqual([published, error?.code], [null, 'TOO_MANY_REJECTED']);
      }
      assert.deepEqual(await snapshots(), []);
      assert.equal((await sync(people(15))).error, null);
      assert.deepEqual(await snapshots(), [{ users: 15, baseline: true }]);
    });

  test('one of one and one of two rejected; but one of three rejected is published', async () => {
    const { sync, snapshots } = account();
    for (const size of [1, 2]) {
      const { error } = await sync(people(size).map((one, n) => (n === 0 ? unknownLevel(one) : one)));
      assert.equal(error?.code, 'TOO_MANY_REJECTED');
    }
    const { error, published } = await sync(people(3).map((one, n) => (n === 0 ? unknownLevel(one) : one)));
    assert.deepEqual([error, published?.users, await snapshots()], [null, 2, [{ users: 2, baseline: true }]]);
  });

  test('an answer without users, unless it states a total of 0', async () => {
    const { sync, snapshots } = account();
    for (const total of [15, null]) {
      const { error } = await sync([], { total });
      assert.equal(error?.code, 'EMPTY_ANSWER');
      assert.match(error.message, total === null ? /no total that confirms it/ : /states a total of 15/);
    }
    assert.deepEqual(await snapshots(), []);
    assert.equal((await sync([], { total: 0 })).error, null);
    assert.deepEqual(await snapshots(), [{ users: 0, baseline: true }]);
    // The account is known to have had no users.
    assert.equal((await sync([], { total: null })).error, null);
  });
});

test('no user is looked up, cleared or marked absent when most records are rejected and most users are missing', async () => {
  const { sync, snapshots, lookups } = account();
  await sync(people(40));
  const few = [...people(2).map(unknownLevel), person(2)];
  for (const accept of [false, true]) {
    const { error, published } = await sync(few, { accept });
    assert.deepEqual([error?.code, published, lookups()], ['TOO_MANY_REJECTED', null, 0]);
  }
  assert.equal((await snapshots()).length, 1);
});

test('a second pass with mostly rejected records fails the run, although the first pass would have succeeded', async () => {
  const { sync, snapshots } = account();
  const [a, b, c] = [person(0), person(1), person(2)];
  // Read page by page, the list names a user twice, so it is read again; then most of it is rejected.
  let readings = 0;
  const served = new Proxy([a, b, a, c], {
    get(list, key) {
      if (key !== 'slice') return Reflect.get(list, key) as unknown;
      return (from: number, to: number) => {
        if (from === 0) readings++;
        return list.slice(from, to).map((one) => (readings > 1 ? unknownLevel(one) : one));
      };
    },
  });
  const { error } = await sync(served, { perPage: 2, total: 3 });
  assert.equal(error?.code, 'TOO_MANY_REJECTED');
  assert.deepEqual(await snapshots(), []);
});
