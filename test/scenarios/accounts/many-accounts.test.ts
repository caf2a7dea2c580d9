// Hundreds of accounts and three replicas. Each slot of each account runs once, whichever replica is faster. Meanwhile
// the list of accounts changes, and some accounts fail all the time.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAccountFile } from '../../../src/account-file.ts';
import { createAccountList } from '../../../src/accounts/account-list.ts';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import { createPool } from '../../../src/db/pool.ts';
import { OperatorError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logger.ts';
import { createScheduler } from '../../../src/scheduler/scheduler.ts';
import { simulatedAccounts } from '../../../src/simulator/account-listing.ts';
import { startSimulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { slotFacts } from '../../../src/sync/claim/slot-facts.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';

const ACCOUNTS = Number(process.env['MANY_ACCOUNTS'] ?? 60);
const SLOTS = Number(process.env['MANY_SLOTS'] ?? 2);
const REPLICAS = 3;
const AT_ONCE = 4;
const FAILING = 3;
const HOUR = 3_600_000;
const TOKEN = 'many-accounts-token';
const STOPPED = new OperatorError({ code: 'INTERRUPTED', happened: 'x', means: 'x', todo: 'x' });

test(`${REPLICAS} replicas sync ${ACCOUNTS} accounts once in each slot, while the list changes and some accounts fail`, async (t) => {
  const db = await migratedDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-many-'));
  const file = path.join(folder, 'accounts');
  // The last ones join later, and the first one leaves.
  const ids = simulatedAccounts('5e1f0000000000000000000000000001', ACCOUNTS + FAILING + 2, 9);
  const [failing, healthy] = [ids.slice(0, FAILING), ids.slice(FAILING)];
  const early = healthy.slice(0, -2);
  const late = healthy.slice(1);
  const write = (listed: readonly string[]) => writeFile(file, [...failing, ...listed].join('\n'));
  await write(early);
  const start = new Date('2026-02-02T08:00:00Z');
  const simulator = await startSimulator({
    worlds: createWorld({ seed: 3, users: 5, start, days: 60, campaign: null }),
    now: () => start,
    auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key', accounts: healthy },
    rateLimit: null,
  });
  // A day ago, so that missed slots are made up for. The test sets the clock of the hosts; the database's clock goes on.
  const first = Math.floor(Date.now() / HOUR) * HOUR - 48 * HOUR;
  mock.timers.enable({ apis: ['Date'], now: first + 60_000 });
  const logger = createLogger({ level: 'silent', secrets: [], pretty: false, destination: { write() {} } });
  const auth = { kind: 'token', token: TOKEN } as const;
  const counted = { looks: 0, asked: 0, ran: 0, already_running: 0, slot_done: 0 };
  const replicas = Array.from({ length: REPLICAS }, () => {
    const pool = createPool({ url: db.url, max: 2 * AT_ONCE + 2, logger });
    const client = createCloudflareClient({ baseUrl: new URL(simulator.url), auth, logger, limit: null });
    const accounts = createAccountList({
      source: { kind: 'file', read: () => readAccountFile(file) },
      first: [],
      only: null,
      logger,
      onChange: () => undefined,
    });
    const scheduler = createScheduler({
      schedule: '0 * * * *',
      timezone: 'UTC',
      accounts,
      atOnce: AT_ONCE,
      logger,
      facts(accountIds, slot) {
        counted.looks += 1;
        counted.asked += accountIds.length;
        return slotFacts(pool, accountIds, slot);
      },
      async run(request) {
        const deps = { pool, client, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING };
        const outcome = await requestSync(deps, request);
        counted[outcome.kind] += 1;
        return outcome;
      },
      timing: { lookMs: 1_000, heldMs: 200, gatherMs: 50 },
      backOff: { firstMs: 2_000, longestMs: 4_000 },
    });
    return { pool, client, scheduler };
  });
  t.after(async () => {
    await Promise.all(replicas.map(({ scheduler }) => scheduler.stop(STOPPED)));
    mock.timers.reset();
    for (const { pool, client } of replicas) await Promise.all([pool.end(), client.close()]);
    await simulator.close();
    await rm(folder, { recursive: true });
    await db.close();
  });
  for (const { scheduler } of replicas) scheduler.start();

  const done = (slot: Date) =>
    db.rows<{ id: string; succeeded: number; others: number }>(
      `select account_id as id, count(*) filter (where status = 'succeeded')::integer as succeeded,
              count(*) filter (where status <> 'succeeded')::integer as others
         from risk.sync_runs join risk.accounts using (account_key) where scheduled_for = $1 group by 1`,
      [slot],
    );
  for (let n = 0; n < SLOTS; n += 1) {
    const slot = new Date(first + n * HOUR);
    const expected = n === 0 ? early : late;
    if (n > 0) {
      if (n === 1) await write(late);
      mock.timers.setTime(slot.getTime() + 60_000);
    }
    let rows = await done(slot);
    while (rows.filter(({ succeeded }) => succeeded > 0).length < expected.length) {
      await sleep(50);
      rows = await done(slot);
    }
    assert.deepEqual(
      rows
        .flatMap(({ id, succeeded, others }) => (failing.includes(id) ? [] : [[id, succeeded, others]]))
        .toSorted(),
      expected.map((id) => [id, 1, 0]).toSorted(),
      `slot ${n}: each account once, and no other`,
    );
    const failed = rows.filter(({ id }) => failing.includes(id));
    assert.deepEqual([failed.length, failed.every(({ succeeded }) => succeeded === 0)], [FAILING, true]);
  }
  const { looks, asked, ran, already_running: held, slot_done: tooLate } = counted;
  t.diagnostic(
    `${ran} runs; claims in vain: ${held} met a live lease, ${tooLate} a slot that was done; ${looks} looks at ${asked} accounts`,
  );
});
