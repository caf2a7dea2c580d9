// The connection of a run goes silent while it writes rejected records. No other run waits for its locks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseTiming } from '../../../src/sync/claim/lease.ts';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { personOf, servedAccount } from '../../support/api/served-account.ts';

const SHORT: LeaseTiming = { heartbeatMs: 100, leaseMs: 900, pollMs: 50, graceMs: 1_000 };

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

test('a run that stops while it writes rejected records delays no other run of the account', async (t) => {
  const proxy = await startFaultProxy(db.url);
  const pool = testPool(proxy.url);
  const account = servedAccount(db.pool, 200);
  const flawed = Array.from({ length: 9 }, (_, n) => ({ ...personOf(account.id, 500 + n), event_count: -1 }));
  // Four are known, five are new.
  assert.equal((await account.sync({ beside: flawed.slice(0, 4) })).error, null);
  proxy.cutAt(/^copy data$/, 'after');
  const stopped = account.sync({ pool, timing: SHORT, beside: flawed }).catch((error: unknown) => error);
  t.after(async () => {
    await proxy.close();
    await stopped;
    await pool.end();
  });
  while (proxy.cuts() === 0) await sleep(20);
  // Its other connections also go silent, as in a stopped process.
  proxy.stall();
  await sleep(SHORT.leaseMs * 2);
  const began = performance.now();
  const { error } = await account.sync({ timing: SHORT, beside: flawed });
  assert.equal(error, null, error?.message);
  assert.ok(performance.now() - began < 5_000);
});
