// A database server that crashes, restarts, or comes back as a standby: lines 17 and 18 of the faults in
// docs/reliability.md. A separate server, which really goes down.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../../../src/db/migrate.ts';
import {
  startBreakableServer,
  type BreakableServer,
} from '../../support/database/servers/breakable-server.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import type { Asked } from '../../support/faults/fault-server.ts';
import { testPool } from '../../support/database/migrated-database.ts';

const PAGE = 1_000;
/** Users per range that is read. */
const RANGE = 5_000;

let server: BreakableServer;
let scenario: Scenario;
before(async () => {
  server = await startBreakableServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  const pool = testPool(server.url);
  await migrate(pool);
  await pool.end();
  scenario = await startScenario({ databaseUrl: server.url });
});
after(async () => {
  await scenario.close();
  await server.close();
});

/** Once, when this page is requested. */
function atPage(number: number, work: () => Promise<void>, { api } = scenario): void {
  let done = false;
  api.onRequest(async ({ kind, page }: Asked) => {
    if (done || kind !== 'summary' || page !== number) return;
    done = true;
    await work();
  });
}

/** Pages that are requested from the API. */
function countPages({ api } = scenario): { asked: number } {
  const pages = { asked: 0 };
  api.onRequest(({ kind }: Asked) => {
    if (kind === 'summary') pages.asked += 1;
  });
  return pages;
}

test('Postgres crashes between two ranges of the state: the run reads on, walks once, and publishes once', async (t) => {
  const large = await startScenario({ databaseUrl: server.url, users: 1.6 * RANGE, perPageMax: PAGE });
  t.after(() => large.close());
  const account = large.account();
  await account.succeed();
  large.later();
  let ranges = 0;
  const pages = countPages(large);
  const { facts } = await account.succeed({
    async failpoint(name) {
      if (name !== 'reading' || ++ranges !== 2) return;
      await server.crash();
      await server.start();
    },
  });
  assert.ok(ranges > 2, `${ranges} ranges`);
  assert.deepEqual([facts?.passes, pages.asked], [1, facts?.pages]);
  await scenario.pool.query('analyze');
  await account.assertPromises();
});

test('Postgres crashes during the publish, and the staged changes are lost: rolled back, sent again, published once', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  const pages = countPages();
  const crashes: string[] = [];
  const { facts } = await account.succeed({
    async failpoint(name) {
      if (name !== 'copied' && name !== 'publishing') return;
      crashes.push(name);
      // Once after the COPY, and once when everything is written.
      if (crashes.length !== 1 && crashes.length !== 3) return;
      await server.crash();
      await server.start();
    },
  });
  assert.deepEqual(crashes, ['copied', 'copied', 'publishing', 'copied', 'publishing']);
  assert.deepEqual([facts?.passes, pages.asked], [1, facts?.pages]);
  await account.assertPromises();
});

test('Postgres restarts during a walk: nothing is lost, and the walk goes on', async () => {
  const account = scenario.account();
  atPage(3, async () => {
    await server.halt();
    await server.start();
  });
  const { facts } = await account.succeed();
  assert.equal(facts?.passes, 1);
  await account.assertPromises();
});

test('Postgres is starting up (57P03): exit 75 at the claim; a walk under way waits for it', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  await server.halt();
  await server.startStandby('cold');
  await account.fail('DATABASE_UNAVAILABLE', 75);
  await server.halt();
  await server.start();
  atPage(3, async () => {
    await server.halt();
    await server.startStandby('cold');
    // The walk goes on, and finds the database starting up.
    void sleep(700)
      .then(() => server.halt())
      .then(() => server.start());
  });
  await account.succeed();
  await account.assertPromises();
});

test('the database is a read-only standby (25006): exit 75, nothing is published, and the message says to use the primary', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  await server.halt();
  await server.startStandby('hot');
  const { error } = await account.fail('DATABASE_READ_ONLY', 75);
  assert.match(error.message, /primary/);
  await server.halt();
  await server.start();
  await account.assertPromises();
});

test('the database becomes read-only during a walk: exit 75, and the next run takes over when it is the primary again', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  const lease = { heartbeatMs: 100, leaseMs: 700, pollMs: 50, graceMs: 1_000 };
  atPage(2, async () => {
    await server.halt();
    await server.startStandby('hot');
  });
  await account.fail('DATABASE_READ_ONLY', 75, { lease });
  await server.halt();
  await server.start();
  await account.assertPromises({ lease });
});
