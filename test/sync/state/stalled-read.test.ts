// The state read over connections that break or go silent after any byte. The result is exact, and only one range is
// read again. A stopped worker holds neither a snapshot nor a lock on the server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { startFaultProxy, type FaultProxy } from '../../support/faults/fault-proxy.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { assertStateIsExact, readAccountState } from '../../support/database/read-account-state.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { seedAccount } from '../../support/database/seeded-account.ts';
import { startStallingProxy } from '../../support/faults/stalling-proxy.ts';

const CUTS = Number(process.env['TEST_CUTS'] ?? 25);

describe('the state read', () => {
  let db: MigratedDatabase;
  let lease: Lease;
  let proxy: FaultProxy;
  before(async () => {
    db = await migratedDatabase();
    lease = await claimAccount(db.pool);
    await seedAccount(db.pool, lease, { keys: 13_000, present: 'n % 5 <> 0', absent: 'n % 11 = 0' });
    proxy = await startFaultProxy(db.url, { count: /^copy/i });
  });
  after(async () => {
    await proxy.close();
    await db.close();
  });

  /** Bytes of a whole read from the server, on a separate connection. */
  async function measure(): Promise<number> {
    const measured = await startStallingProxy(db.url);
    const pool = testPool(measured.url);
    await readAccountState(pool, lease);
    await pool.end();
    await measured.close();
    return measured.passed();
  }

  test('is exact when the connection is cut after any byte, and repeats only one range', async (t) => {
    const bytes = await measure();
    const cutIn = async (share: number, direction: 'to server' | 'to client') => {
      const pool = testPool(proxy.url);
      try {
        const [cuts, before] = [proxy.cuts(), proxy.passed()];
        // Only a few statements go to the server.
        proxy.cutAfter(Math.floor(share * (direction === 'to client' ? bytes : 6_000)), direction);
        await assertStateIsExact(db.pool, lease, await readAccountState(pool, lease));
        const [isCut, copies] = [proxy.cuts() > cuts, proxy.passed() - before];
        await proxy.heal();
        return { isCut, copies };
      } finally {
        await pool.end();
      }
    };
    const { copies: whole } = await cutIn(2, 'to client');
    let [cuts, again] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(9_999),
        fc.constantFrom('to client', 'to client', 'to server'),
        async (place, direction) => {
          const { isCut, copies } = await cutIn(place / 10_000, direction);
          if (isCut) cuts++;
          if (copies > whole) again++;
          assert.ok(copies <= whole + 2, `${copies} statements instead of ${whole}`);
        },
      ),
      { numRuns: CUTS },
    );
    t.diagnostic(
      `${cuts} of ${CUTS} were cut off, ${again} in a COPY; ${whole} COPYs and ${bytes} bytes in all`,
    );
    assert.ok(cuts > CUTS / 2 && again > 0);
  });

  const backends = () =>
    db.rows<{ state: string; holds: boolean; locks: number }>(
      `select state, backend_xmin is not null or backend_xid is not null as holds,
              (select count(*)::integer from pg_locks l where l.pid = a.pid and granted and locktype <> 'virtualxid') as locks
         from pg_stat_activity a where datname = current_database() and pid <> pg_backend_pid() and application_name = 'zt-risk-sync'
          and client_port = any ($1)`,
      [ports],
    );
  let ports: number[] = [];

  /** The state of the server's sessions while the reader has stopped after `bytes`. */
  async function whileStopped(who: Lease, bytes: number): Promise<void> {
    const stalling = await startStallingProxy(db.url);
    const pool = testPool(stalling.url);
    try {
      stalling.stallAfter(bytes);
      const reading = readAccountState(pool, who);
      reading.catch(() => undefined);
      for (let waited = 0; !stalling.stalled() && waited < 5_000; waited += 10) await sleep(10);
      assert.ok(stalling.stalled(), `nothing stalled after ${bytes} bytes`);
      ports = stalling.ports();
      // A statement that was under way at the stop ends on its own.
      let left = await backends();
      for (let waited = 0; left.some(({ state }) => state !== 'idle') && waited < 3_000; waited += 50) {
        await sleep(50);
        left = await backends();
      }
      assert.ok(left.length > 0);
      for (const one of left)
        assert.deepEqual(one, { state: 'idle', holds: false, locks: 0 }, `after ${bytes} bytes`);
      stalling.resume();
      await assertStateIsExact(db.pool, who, await reading);
    } finally {
      await pool.end();
      await stalling.close();
    }
  }

  test('holds no snapshot and no lock while the reader has stopped after any byte, and goes on when it is resumed', async () => {
    const bytes = await measure();
    for (const share of [0.001, 0.1, 0.3, 0.5, 0.7, 0.9])
      await whileStopped(lease, Math.floor(bytes * share));
  });

  test('also holds no snapshot and no lock when names have 10,000 characters', async () => {
    const other = await claimAccount(db.pool);
    await seedAccount(db.pool, other, { keys: 700, name: `repeat('👩', 10000)` });
    for (const bytes of [100_000, 3_000_000, 11_000_000]) await whileStopped(other, bytes);
  });
});
