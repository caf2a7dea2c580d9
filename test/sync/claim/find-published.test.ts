// Whether a run was published, when the reply to its COMMIT was lost.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { fence, findPublished, releaseLease, type Lease } from '../../../src/sync/claim/lease.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { leasesOf, newAccount } from '../../support/database/claimed-leases.ts';

let db: MigratedDatabase;
let leases: ReturnType<typeof leasesOf>;
before(async () => {
  db = await migratedDatabase();
  leases = leasesOf(db);
});
after(() => db.close());

describe('after a COMMIT without a reply', () => {
  const publishRow = async (lease: Lease, snapshotId: number) => {
    await db.rows(
      `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count,
         carried_count, event_count, appeared, raised, lowered, cleared, returned)
       values ($1, $2, date_trunc('milliseconds', now()), 'complete', true, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
      [lease.accountKey, snapshotId],
    );
    await db.rows('update risk_internal.feed_clock set last_snapshot_id = $1', [snapshotId]);
  };
  const runRow = sql.raw(
    'insert into risk.sync_runs (account_key, run_id, trigger, status, verdict, started_at, finished_at, host, snapshot_id, feed_id) values',
  );

  test('a run without a row was not published', async () => {
    const lease = await leases.claimed(newAccount());
    assert.equal(await findPublished(db.pool, lease), null);
  });

  test('a run that failed was not published', async () => {
    const lease = await leases.claimed(newAccount());
    await db.rows(
      `insert into risk.sync_runs (account_key, run_id, trigger, status, started_at, finished_at, host, error_code, feed_id)
       values ($1, $2, 'cli', 'failed', now(), now(), 'h', 'X', 1)`,
      [lease.accountKey, lease.runId],
    );
    assert.equal(await findPublished(db.pool, lease), null);
  });

  for (const end of ['commits', 'rolls back'] as const) {
    test(`findPublished waits for the old transaction to end: it ${end}`, async () => {
      const lease = await leases.claimed(newAccount());
      const snapshotId = 1_000_000 + lease.runId;
      await publishRow(lease, snapshotId);
      let answered = false;
      let finding: ReturnType<typeof findPublished> | undefined;
      await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
        await fence(tx, lease);
        await tx.execute(
          sql`${runRow} (${lease.accountKey}, ${lease.runId}, 'cli', 'succeeded', 'complete', now(), now(), 'h', ${snapshotId}, ${snapshotId})`,
        );
        await releaseLease(tx, lease);
        finding = findPublished(db.pool, lease).then((found) => {
          answered = true;
          return found;
        });
        await sleep(150);
        assert.equal(answered, false, 'a plain read would have answered already');
        if (end === 'rolls back') throw new Error('rolled back');
      }).catch((error: Error) => assert.equal(error.message, 'rolled back'));
      assert.deepEqual(await finding, end === 'commits' ? { snapshotId } : null);
    });
  }
});
