// What staging does when a reply is lost, or when it comes late.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { claimLease, LEASE_TIMING, type Lease } from '../../src/sync/lease.ts';
import { createStager, type PageToStage } from '../../src/sync/stage.ts';
import { startCutProxy } from '../support/cut-proxy.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/migrated-database.ts';

let db: MigratedDatabase;
let lease: Lease;
before(async () => {
  db = await migratedDatabase();
  const claim = await claimLease(db.pool, {
    accountId: `account-${randomUUID()}`,
    owner: randomUUID(),
    trigger: 'cli',
    scheduledFor: null,
    identity: { host: 'here', process: '' },
    timing: LEASE_TIMING,
  });
  assert.ok(claim.kind === 'claimed');
  ({ lease } = claim);
});
after(() => db.close());

const page = (over: Partial<PageToStage>): PageToStage => ({
  pass: 1,
  page: 1,
  readOrder: 0,
  users: [],
  rejected: [],
  ...over,
});

test('a batch that is sent again replaces itself, and not an earlier reading of the same page', async (t) => {
  const proxy = await startCutProxy(db.url);
  const pool = testPool(proxy.url);
  t.after(async () => {
    await pool.end();
    await proxy.close();
  });
  const stager = createStager(pool, lease);
  const user = {
    user_id: randomUUID(),
    email: null,
    name: null,
    max_risk_level: 'high' as const,
    event_count: 1,
    last_event: '2026-01-01T00:00:00.000001Z',
  };
  await stager.add(page({ page: 2, readOrder: 1, users: [user] }));
  await stager.flush();
  proxy.arm('after');
  await stager.add(page({ page: 2, readOrder: 2, users: [{ ...user, event_count: 2 }] }));
  await stager.flush();
  assert.equal(proxy.cuts(), 1);
  const staged = await db.rows(
    'select read_order, event_count from risk_internal.staged_records where run_id = $1 order by 1',
    [lease.runId],
  );
  assert.deepEqual(staged, [
    { read_order: 1, event_count: 1 },
    { read_order: 2, event_count: 2 },
  ]);
  assert.deepEqual([...stager.acknowledged()], [[1, 2]]);
});

test('the late batch of a run that has lost its lease does not set back what is known of a rejected record', async () => {
  const rejected = [{ userId: randomUUID(), reason: 'email: not text', raw: '{}' }];
  for (const [runId, pass] of [
    [7, 1],
    [9, 2],
    [8, 3],
  ] as const) {
    const stager = createStager(db.pool, { accountKey: lease.accountKey, runId });
    await stager.add(page({ pass, rejected }));
    await stager.flush();
  }
  assert.deepEqual(
    await db.rows(
      'select first_run_id, last_run_id, last_pass from risk_internal.rejected_records where account_key = $1',
      [lease.accountKey],
    ),
    [{ first_run_id: '7', last_run_id: '9', last_pass: 2 }],
  );
});
