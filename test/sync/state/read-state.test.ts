// The state read returns what the database holds, however the keys are distributed and however long the names are. It
// refuses a state that contradicts itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isOperatorError } from '../../../src/errors.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { assertStateIsExact, readAccountState } from '../../support/database/read-account-state.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { seedAccount, SEEDED_AT, type Seed } from '../../support/database/seeded-account.ts';

describe('the state read', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  async function seeded(seed: Seed): Promise<Lease> {
    const lease = await claimAccount(db.pool);
    await seedAccount(db.pool, lease, seed);
    return lease;
  }

  async function assertReads(seed: Seed, pool = db.pool): Promise<Lease> {
    const lease = await seeded(seed);
    await assertStateIsExact(db.pool, lease, await readAccountState(pool, lease));
    return lease;
  }

  const SHAPES: [what: string, seed: Seed][] = [
    ['an account whose snapshot counts no users', { keys: 1, keep: 'false' }],
    ['one user', { keys: 1 }],
    ['12,000 users, a tenth of them absent', { keys: 12_000, absent: 'n % 10 = 0' }],
    ['gaps between keys of users who were erased', { keys: 13_000, keep: 'n % 7 = 0 or n > 12000' }],
    ['present users only at the lowest keys', { keys: 12_000, present: 'n <= 6000' }],
    ['present users only at the highest keys', { keys: 12_000, present: 'n > 6000' }],
    ['a single present user in the middle', { keys: 12_000, present: 'n = 7007' }],
    ['every second user cleared', { keys: 12_000, present: 'n % 2 = 0' }],
    [
      'identities that are null or empty',
      {
        keys: 500,
        email: `case n % 3 when 0 then null when 1 then '' else 'a' end`,
        name: `case when n % 2 = 0 then null else '' end`,
      },
    ],
    [
      'the first and the last instants that the API can serve',
      {
        keys: 60,
        lastEvent: `(array['0001-01-01T00:00:00Z', '9999-12-31T23:59:58.999999Z', '1969-12-31T23:59:59.999999Z', '2000-01-01T00:00:00Z'])[n % 4 + 1]::timestamptz`,
      },
    ],
    [
      'infinity as the last event',
      {
        keys: 60,
        lastEvent: `case n % 3 when 0 then 'infinity' when 1 then '-infinity' else '2026-01-01' end::timestamptz`,
      },
    ],
  ];
  for (const [what, seed] of SHAPES) test(`is exact for ${what}`, async () => void (await assertReads(seed)));

  test('reads by keys when a few present users lie among many cleared ones, and reads no identity of the cleared ones', async () => {
    const proxy = await startFaultProxy(db.url, { count: /user_identities.*= any/s });
    const pool = testPool(proxy.url);
    try {
      const lease = await assertReads(
        { keys: 20_000, present: 'n % 200 = 3', name: `repeat('x', 300) || n` },
        pool,
      );
      assert.ok(proxy.passed() > 0, 'nothing was read by keys');
      // If everything were read, the identities of the cleared users alone would be 6 MB.
      await assertStateIsExact(db.pool, lease, await readAccountState(pool, lease));
    } finally {
      await pool.end();
      await proxy.close();
    }
  });

  test('is exact where names have 10,000 characters of four bytes', async () => {
    await assertReads({
      keys: 260,
      name: `case when n % 2 = 0 then repeat('👩', 10000) else 'short ' || n end`,
    });
  });

  const changes: [what: string, sql: (account: number) => string][] = [
    [
      'a level that was changed by hand',
      (a) => `update risk.users set max_risk_level = 'high' where account_key = ${a} and user_key = 3`,
    ],
    [
      'a counter that was changed by hand',
      (a) =>
        `update risk.users set event_count = event_count + 1 where account_key = ${a} and user_key = 6000`,
    ],
    ['a deleted user', (a) => `delete from risk.users where account_key = ${a} and user_key = 6001`],
    [
      'an inserted user',
      (
        a,
      ) => `insert into risk.users select account_key, 6002, gen_random_uuid(), max_risk_level, event_count, last_event, level_since,
         identity_since, first_seen_at, absent_since, cleared_at, snapshot_id from risk.users where account_key = ${a} and user_key = 1`,
    ],
    [
      'a user without an identity',
      (a) => `delete from risk.user_identities where account_key = ${a} and user_key = 5999`,
    ],
    [
      'a user whose identity has ended',
      (a) =>
        `update risk.user_identities set valid_to = valid_from + interval '1 s' where account_key = ${a} and user_key = 1`,
    ],
    ['a snapshot without its levels', (a) => `delete from risk.snapshot_levels where account_key = ${a}`],
    [
      'all users lost, although the snapshot is there',
      (a) => `delete from risk.users where account_key = ${a}`,
    ],
  ];
  for (const [what, sql] of changes)
    test(`refuses ${what}: STATE_BROKEN, and the message names doctor`, async () => {
      const lease = await seeded({ keys: 6_003, keep: 'n <> 6002' });
      await readAccountState(db.pool, lease);
      await db.pool.query(sql(lease.accountKey));
      await assert.rejects(readAccountState(db.pool, lease), (error) => {
        assert.ok(isOperatorError(error), String(error));
        assert.deepEqual([error.code, error.exit], ['STATE_BROKEN', 1]);
        assert.match(error.todo, /doctor/);
        assert.doesNotMatch(error.message, /@example|User \d/);
        return true;
      });
    });

  test('refuses a present user when the newest snapshot counts no users', async () => {
    const lease = await seeded({ keys: 5, present: 'false' });
    await readAccountState(db.pool, lease);
    await db.pool.query(
      `update risk.users set max_risk_level = 'low', cleared_at = null, level_since = now() where account_key = ${lease.accountKey} and user_key = 2`,
    );
    await assert.rejects(readAccountState(db.pool, lease), { code: 'STATE_BROKEN' });
  });

  test('refuses a clock that is behind the newest snapshot, and tolerates five minutes', async () => {
    const lease = await seeded({ keys: 5 });
    const before = (minutes: number) => new Date(Date.parse(SEEDED_AT) - minutes * 60_000).toISOString();
    await readAccountState(db.pool, lease, { observedAt: before(5) });
    await assert.rejects(readAccountState(db.pool, lease, { observedAt: before(5.001) }), {
      code: 'CLOCK_BACKWARDS',
      exit: 75,
    });
  });

  test('refuses changes of another writer between the header and the last range: STATE_MOVED', async () => {
    for (const at of [1, 2, 3]) {
      const lease = await seeded({ keys: 12_000 });
      let ranges = 0;
      const onRange = async () => {
        if (++ranges !== at) return;
        // As another run or upkeep would leave it: the rows and the account_writers row change together.
        await db.pool.query(`
          update risk.users set max_risk_level = 'high' where account_key = ${lease.accountKey} and user_key in (2, 7000, 11999);
          update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1;
          update risk_internal.account_writers set last_snapshot_id = (select last_snapshot_id from risk_internal.feed_clock)
           where account_key = ${lease.accountKey}`);
      };
      await assert.rejects(readAccountState(db.pool, lease, { onRange }), { code: 'STATE_MOVED', exit: 75 });
      assert.ok(ranges >= 3);
    }
  });

  test('stops between two ranges when it is told to', async () => {
    const lease = await seeded({ keys: 12_000 });
    const stop = new AbortController();
    const reason = new Error('enough');
    let ranges = 0;
    const onRange = async () => {
      if (++ranges === 2) stop.abort(reason);
    };
    await assert.rejects(
      readAccountState(db.pool, lease, { onRange, signal: stop.signal }),
      (e) => e === reason,
    );
    assert.equal(ranges, 2);
  });
});
