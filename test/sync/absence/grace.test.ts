// A signal that arrives while a run publishes: the publish gets a grace period. After it, the publish is rolled back
// and the failure recorded.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OperatorError } from '../../../src/errors.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { startScenario, TOKEN, type Scenario } from '../../support/faults/fault-scenario.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { clientOf, runSyncOf } from '../../support/stage.ts';

describe('a publish that gets a signal', () => {
  let db: MigratedDatabase;
  let scenario: Scenario;
  before(async () => {
    db = await migratedDatabase();
    scenario = await startScenario({ databaseUrl: db.url });
  });
  after(async () => {
    await scenario.close();
    await db.close();
  });

  test('and does not end within its grace period is rolled back and recorded, and the next run succeeds', async (t) => {
    const account = scenario.account();
    await account.succeed();
    scenario.later();
    const client = clientOf(t, scenario.api.url, { token: TOKEN });
    const stop = new AbortController();
    const reason = new OperatorError({
      code: 'INTERRUPTED',
      happened: 'Stopped',
      means: 'Nothing unfinished was published',
      todo: 'Start it again',
    });
    const other = await db.pool.connect();
    await other.query('begin');
    // The clock stays free: the failed run needs a value of it.
    await other.query('select 1 from risk.users for update');
    const before = await db.rows('select * from risk.users order by user_key');
    const running = runSyncOf(
      account.id,
      { pool: db.pool, client, timing: { ...LEASE_TIMING, graceMs: 300 } },
      { trigger: 'cron', scheduledFor: new Date(), signal: stop.signal },
    );
    await untilLockWaiters(db.pool);
    const began = performance.now();
    stop.abort(reason);
    const outcome = await running;
    assert.ok(performance.now() - began >= 300, 'it had its grace period');
    await other.query('rollback');
    other.release();
    assert.equal(outcome.error, reason);
    assert.equal(outcome.published, null);
    assert.deepEqual(await db.rows('select * from risk.users order by user_key'), before);
    assert.deepEqual(
      await db.rows(`select status, error_code, trigger from risk.sync_runs order by run_id desc limit 1`),
      [{ status: 'failed', error_code: 'INTERRUPTED', trigger: 'cron' }],
    );
    await account.assertPromises();
  });
});
