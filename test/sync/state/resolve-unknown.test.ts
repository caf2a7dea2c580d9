// Users who are not in the state: cleared users come back with their key, all others are new.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import { keyedHash } from '../../../src/keyed-hash.ts';
import { resolveUnknown } from '../../../src/sync/state/resolve-unknown.ts';
import {
  ACTIVITY,
  IDENTITY,
  LEVEL,
  readUserId,
  type UserValues,
} from '../../../src/sync/state/user-table.ts';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { readAccountState, type Reading } from '../../support/database/read-account-state.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { seedAccount, userIdOf } from '../../support/database/seeded-account.ts';
import { NO_IDENTITY } from '../../../src/user-risk.ts';

describe('users who are not in the state', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  async function clearedAccount(keys: number): Promise<{ lease: Lease; reading: Reading; ids: string[] }> {
    const lease = await claimAccount(db.pool);
    const lastEvent = `'2025-12-01T10:00:00Z'::timestamptz + n * interval '1 s'`;
    await seedAccount(db.pool, lease, { keys, present: 'n % 100 = 0', events: 'n', lastEvent });
    const rows = await db.rows<{ id: string }>(
      `select ${userIdOf(lease.accountId)} as id from generate_series(1, ${keys + 50}) n order by n`,
    );
    return { lease, reading: await readAccountState(db.pool, lease), ids: rows.map(({ id }) => id) };
  }

  function meet({ table }: Reading, userId: string, isAccepted = true): number {
    const id = new Int32Array(4);
    readUserId(userId, id);
    const row = table.findOrAdd(id);
    table.note(row, isAccepted);
    return row;
  }

  function valuesOf({ key }: Reading, n: number): UserValues {
    const identity = Buffer.alloc(IDENTITY_MAX_BYTES);
    const hash = new Uint32Array(2);
    const end = encodeIdentity(
      { ...NO_IDENTITY, email: `user${n}@example.com`, name: `User ${n}` },
      identity,
      0,
    );
    keyedHash(key, identity, 0, end, hash, 0);
    const seconds = Date.parse('2025-12-01T10:00:00Z') / 1000 + n;
    return { level: ((n % 3) + 1) as 1 | 2 | 3, eventCount: n, lastEvent: { seconds, micros: 0 }, hash };
  }

  test('get their key and what the history holds, in batches, also over a connection that breaks', async () => {
    const keys = 12_500;
    const { lease, reading, ids } = await clearedAccount(keys);
    const rows = ids.map((id) => meet(reading, id));
    const proxy = await startFaultProxy(db.url);
    const pool = testPool(proxy.url);
    proxy.cutAfter(400_000, 'to client');
    await resolveUnknown({ ...reading, pool }, lease, reading.state);
    assert.equal(proxy.cuts(), 1);
    await pool.end();
    await proxy.close();
    const { table } = reading;
    for (const [index, row] of rows.entries()) {
      const n = index + 1;
      const isNew = n > keys;
      assert.equal(table.key(row), isNew ? 0 : n);
      assert.equal(table.level(row), isNew || n % 100 !== 0 ? 0 : (n % 3) + 1);
      assert.equal(table.isAbsent(row), false);
      const wanted = isNew ? LEVEL | ACTIVITY | IDENTITY : n % 100 === 0 ? 0 : LEVEL;
      assert.equal(table.compare(row, valuesOf(reading, n)), wanted, `user ${n}`);
    }
  });

  test('stay unknown when only rejected records met them', async () => {
    const { lease, reading, ids } = await clearedAccount(200);
    const row = meet(reading, ids[4] ?? '', false);
    await resolveUnknown({ ...reading, pool: db.pool }, lease, reading.state);
    assert.equal(reading.table.key(row), 0);
  });

  test('and are present now were written by another writer: STATE_MOVED', async () => {
    const { lease, reading, ids } = await clearedAccount(200);
    meet(reading, ids[4] ?? '');
    await db.pool.query(
      `update risk.users set max_risk_level = 'low', cleared_at = null, level_since = now()
        where account_key = ${lease.accountKey} and user_key = 5`,
    );
    await assert.rejects(resolveUnknown({ ...reading, pool: db.pool }, lease, reading.state), {
      code: 'STATE_MOVED',
      exit: 75,
    });
  });

  test('and have no identity were not written by the worker: STATE_BROKEN', async () => {
    const { lease, reading, ids } = await clearedAccount(200);
    meet(reading, ids[4] ?? '');
    await db.pool.query(
      `delete from risk.user_identities where account_key = ${lease.accountKey} and user_key = 5`,
    );
    await assert.rejects(resolveUnknown({ ...reading, pool: db.pool }, lease, reading.state), {
      code: 'STATE_BROKEN',
      exit: 1,
    });
  });
});
