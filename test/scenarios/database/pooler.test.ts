// Behind a pooler in transaction mode: line 21 of the faults in docs/reliability.md. Runs where PgBouncer is installed
// (Debian: apt-get install pgbouncer), and says so where it is not.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { migrate } from '../../../src/db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database/test-database.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import { findPgBouncer, startPooler, type Pooler } from '../../support/database/servers/pooler.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

const binary = findPgBouncer();

describe(
  'behind PgBouncer in transaction mode',
  { skip: binary === undefined ? 'PgBouncer is not installed' : false },
  () => {
    let database: TestDatabase;
    let pooler: Pooler;
    let scenario: Scenario;
    before(async () => {
      database = await createTestDatabase();
      // Fewer sessions than the program has connections, so that one connection's transactions use different sessions.
      pooler = await startPooler(database.url, binary ?? '', 3);
      const pool = testPool(pooler.url);
      await migrate(pool);
      await pool.end();
      scenario = await startScenario({ databaseUrl: pooler.url });
    });
    after(async () => {
      await scenario.close();
      await pooler.close();
      await database.drop();
    });

    test('several accounts sync at once over fewer sessions than connections, and a watermark misses nothing', async () => {
      const accounts = Array.from({ length: 4 }, () => scenario.account());
      const reader = createWatermarkReader(scenario.pool);
      for (let round = 1; round <= 3; round++) {
        await reader.pollDuring(Promise.all(accounts.map((account) => account.succeed())));
        scenario.later();
      }
      await reader.verify();
      for (const account of accounts) await account.assertPromises();
    });

    test('the pooler is killed and restarted during a walk and during a publish: the run goes on', async () => {
      for (const point of ['walked', 'publishing'] as const) {
        const account = scenario.account();
        await account.succeed();
        scenario.later();
        let restarts = 0;
        await account.succeed({
          async failpoint(name) {
            if (name === point && restarts++ === 0) await pooler.restart();
          },
        });
        assert.ok(restarts > 0);
        await account.assertPromises();
      }
    });
  },
);
