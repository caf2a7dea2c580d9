// One account publishes for long, and others wait for the feed clock: no run fails, and nothing is lost.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

/** 50 in `npm run test:long`. */
const WAITING = Number(process.env['TEST_QUEUE'] ?? 6);

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url, perPageMax: 100 });
});
after(async () => {
  await scenario.close();
  await db.close();
});

const TOLD = "waiting for another account's publish";
const toldOf = () =>
  scenario.logs
    .map((line) => (line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {}))
    .filter(({ message }) => message === TOLD);

test('accounts that wait for a long publish say so, keep their leases, and all publish', async (t) => {
  const pool = testPool(db.url, WAITING + 12);
  t.after(() => pool.end());
  const [first, ...others] = Array.from({ length: WAITING + 1 }, () => scenario.account());
  for (const account of [first!, ...others]) await account.succeed();
  scenario.later();
  const reader = createWatermarkReader(db.pool);
  await reader.poll();

  const [writes, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const loading = first!.succeed({
    pool,
    async failpoint(name) {
      if (name !== 'publishing') return;
      writes.resolve();
      await mayEnd.promise;
    },
  });
  await writes.promise;
  // Leases that are silent for long: the heartbeat of whoever publishes has stopped.
  const lease = { ...LEASE_TIMING, heartbeatMs: 50, leaseMs: 1_000 };
  const waiting = Promise.all(others.map((account) => account.succeed({ pool, lease })));
  waiting.catch(() => undefined);
  const runs = async () => new Set(toldOf().map(({ run_id }) => run_id)).size;
  for (let tries = 0; (await runs()) < WAITING; tries++) {
    assert.ok(tries < 6_000, 'every run that waits says so');
    await sleep(10);
  }
  for (const line of toldOf())
    assert.match(String(line['held_by']), /^process \d+ \(user .*application zt-risk-sync/);

  const isExpired = `select from risk_internal.leases where heartbeat_at < now() - interval '1 second'`;
  while ((await db.rows(isExpired)).length <= WAITING) await sleep(10);
  for (const { id } of others) {
    const claim = await claimLease(db.pool, {
      accountId: id,
      owner: randomUUID(),
      trigger: 'cron',
      scheduledFor: null,
      identity: { host: 'there', process: '' },
      timing: lease,
    });
    assert.equal(claim.kind, 'held', 'no lease is taken over');
  }

  mayEnd.resolve();
  await reader.pollDuring(Promise.all([loading, waiting]));
  await reader.verify();
  for (const account of [first!, ...others.slice(0, 3)]) await account.assertPromises();
});
