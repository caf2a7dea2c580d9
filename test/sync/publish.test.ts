// What publish refuses, on staged rows and a lease of its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { claimLease, LEASE_TIMING, type Lease } from '../../src/sync/lease.ts';
import { publish, type PublishRequest } from '../../src/sync/publish.ts';
import { createStager } from '../../src/sync/stage.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/migrated-database.ts';

describe('publish', () => {
  let db: MigratedDatabase;
  let lease: Lease;
  let request: PublishRequest;

  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  beforeEach(async () => {
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
    const stager = createStager(db.pool, lease);
    const user = {
      user_id: randomUUID(),
      email: null,
      name: null,
      max_risk_level: 'high' as const,
      event_count: 1,
      last_event: '2026-01-01T00:00:00.000001Z',
    };
    await stager.add({ pass: 1, page: 1, readOrder: 0, users: [user], rejected: [] });
    await stager.flush();
    request = {
      lease,
      observedAt: lease.startedAt,
      verdict: 'complete',
      expectedUnseen: null,
      acknowledged: stager.acknowledged(),
      records: 1,
      unreadable: 0,
      answers: { confirmation: 'asked', byUser: new Map() },
      acceptMassClear: false,
      maxClearedRatio: 0.5,
      dryRun: false,
      facts: {
        passes: 1,
        pages: 1,
        requests: 1,
        retries: 0,
        bytes: 0,
        usersMet: 1,
        duplicates: 0,
        rejected: 0,
        totalFirst: 1,
        totalLast: 1,
        lookups: 0,
        evidence: {},
      },
    };
  });

  const published = async (): Promise<number> =>
    (await db.rows(`select from risk.snapshots where account_key = ${lease.accountKey}`)).length;

  test('publishes what was staged under its own lease, and gives the lease free', async () => {
    const result = await publish(db.pool, request);
    assert.equal(result.users, 1);
    assert.equal(await published(), 1);
    assert.deepEqual(
      await db.rows(`select from risk_internal.leases where account_key = ${lease.accountKey}`),
      [],
    );
  });

  // A takeover also empties staging, which alone would stop most late publishers, but not one of an empty account.
  test('refuses a lease that is somebody else’s by now, though everything it staged is there', async () => {
    await db.pool.query('update risk_internal.leases set owner = $1 where account_key = $2', [
      randomUUID(),
      lease.accountKey,
    ]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  test('refuses a lease that is gone', async () => {
    await db.pool.query('delete from risk_internal.leases where account_key = $1', [lease.accountKey]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  test('refuses staging that does not hold what was acknowledged, in either direction', async () => {
    for (const rows of [0, 2]) {
      await assert.rejects(publish(db.pool, { ...request, acknowledged: new Map([[1, rows]]) }), {
        code: 'STAGING_LOST',
      });
    }
    assert.equal(await published(), 0);
  });
});
