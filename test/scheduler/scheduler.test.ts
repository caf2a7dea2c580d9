// The scheduler in this process, against a real database: what it retries, what it runs in parallel, what it leaves
// alone.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCloudflareClient } from '../../src/cloudflare/client.ts';
import { OperatorError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { createScheduler, type Scheduler, type SchedulerDeps } from '../../src/scheduler/scheduler.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { retireAccount } from '../../src/upkeep/accounts.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import { slotFacts } from '../../src/sync/claim/slot-facts.ts';
import { insertAccount } from '../support/database/insert-account.ts';
import { startFaultServer, type FaultServer } from '../support/faults/fault-server.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { fixedAccounts } from '../support/world/fixed-accounts.ts';
import { TEST_SETTINGS } from '../support/settings.ts';

const TOKEN = 'scheduler-test-token';
const STOPPED = new OperatorError({
  code: 'INTERRUPTED',
  happened: 'Stopped',
  means: 'Nothing unfinished was published',
  todo: 'Nothing',
});
const QUICK = { lookMs: 200, heldMs: 50, firstTroubleMs: 20, longestTroubleMs: 100, gatherMs: 10 };

describe('the scheduler', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let simulator: Simulator;
  let api: FaultServer;
  let scheduler: Scheduler | undefined;
  const logs: { message: string; account_id?: string; error_code?: string; todo?: string }[] = [];
  let accounts = 0;
  const newAccounts = (count: number) =>
    Array.from({ length: count }, () => (accounts += 1).toString(16).padStart(32, 'd'));
  const logger = createLogger({
    level: 'info',
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => logs.push(JSON.parse(line) as (typeof logs)[number]) },
  });
  const counted = { now: 0, most: 0 };

  before(async () => {
    db = await migratedDatabase();
    const start = new Date('2026-02-02T08:00:00Z');
    simulator = await startSimulator({
      worlds: createWorld({ seed: 3, users: 20, start, days: 60, campaign: null }),
      now: () => start,
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 1_000,
      rateLimit: null,
    });
    api = await startFaultServer(new URL(simulator.url));
  });
  afterEach(async () => {
    await scheduler?.stop(STOPPED);
    scheduler = undefined;
    mock.timers.reset();
    api.heal();
    api.onRequest(null);
    logs.length = 0;
  });
  after(async () => {
    await api.close();
    await simulator.close();
    await db.close();
  });

  const clientOf = () =>
    createCloudflareClient({
      baseUrl: api.url,
      auth: { kind: 'token', token: TOKEN },
      logger,
      limit: null,
    });

  function create(accountIds: string[], over: Partial<SchedulerDeps> = {}): Scheduler {
    const client = clientOf();
    scheduler = createScheduler({
      schedule: '0 0 1 1 *',
      timezone: 'UTC',
      accounts: fixedAccounts(accountIds),
      atOnce: 3,
      logger,
      facts: (ids, slot) => slotFacts(db.pool, ids, slot),
      async run(request) {
        counted.now += 1;
        counted.most = Math.max(counted.most, counted.now);
        try {
          return await requestSync(
            { pool: db.pool, client, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING },
            request,
          );
        } finally {
          counted.now -= 1;
        }
      },
      timing: QUICK,
      backOff: { firstMs: 50, longestMs: 200 },
      ...over,
    });
    return scheduler;
  }

  const runs = (accountId: string) =>
    db.rows<{ status: string; slot: Date | null; trigger: string }>(
      `select status, scheduled_for as slot, trigger from risk.sync_runs join risk.accounts using (account_key)
        where account_id = $1 order by run_id`,
      [accountId],
    );
  const logged = async (message: string, count = 1) => {
    for (let tries = 0; logs.filter((line) => line.message === message).length < count; tries += 1) {
      assert.ok(tries < 2_000, `"${message}" was never logged`);
      await sleep(10);
    }
  };

  test('retries a slot until it succeeds, and then rests', async () => {
    const [accountId] = newAccounts(1) as [string];
    let broken = 3;
    api.script([
      {
        when: () => broken > 0,
        fault: {
          name: 'refused',
          run(exchange) {
            broken -= 1;
            exchange.send({ status: 403, headers: { 'content-type': 'application/json' }, body: REFUSAL });
          },
        },
      },
    ]);
    create([accountId]).start();
    await logged('run succeeded');
    await sleep(500);
    const found = await runs(accountId);
    assert.deepEqual(
      found.map((run) => run.status),
      ['failed', 'failed', 'failed', 'succeeded'],
    );
    assert.equal(new Set(found.map((run) => run.slot?.getTime())).size, 1);
  });

  test('runs accounts in parallel, as many as allowed, and a failing account holds up no other', async () => {
    const ids = newAccounts(8);
    counted.most = 0;
    api.onRequest(() => sleep(60));
    await insertAccount(db.pool, ids[0]!);
    await retireAccount(db.pool, ids[0]!);
    create(ids).start();
    await logged('run succeeded', 7);
    assert.equal(counted.most, 3);
    const refused = logs.filter((line) => line.error_code === 'ACCOUNT_RETIRED');
    assert.deepEqual(
      refused.map((line) => line.account_id),
      [ids[0]],
      'it is logged once',
    );
  });

  test('finds a lost trigger later, and runs the account for the newest slot only', async () => {
    const [accountId] = newAccounts(1) as [string];
    // The newest slot of this schedule is minutes old, and many slots were missed.
    create([accountId], { schedule: '*/10 * * * *' }).start();
    await logged('run succeeded');
    const newest = Math.floor(Date.now() / 600_000) * 600_000;
    assert.deepEqual(
      (await runs(accountId)).map((run) => [run.status, newest - (run.slot?.getTime() ?? 0) < 600_000]),
      [['succeeded', true]],
    );
  });

  // This host's clock stands still, and the test sets it. The database's clock goes on.
  const HOUR = 3_600_000;
  const setClock = (at: number) => mock.timers.setTime(at);

  test('misses no slot of the day when a clock that was a day ahead is corrected', async () => {
    const [accountId] = newAccounts(1) as [string];
    const next = Math.ceil(Date.now() / HOUR) * HOUR;
    const tomorrow = next + 24 * HOUR;
    mock.timers.enable({ apis: ['Date'], now: tomorrow - 100 });
    create([accountId], { schedule: '0 * * * *' }).start();
    await logged('run succeeded');
    setClock(tomorrow);
    await logged('run succeeded', 2);
    setClock(next - 100);
    await logged('run succeeded', 3);
    assert.equal(logs.filter((line) => line.message.startsWith('the clock was set back')).length, 1);
    // The data is fresh now: this run happens only because node-cron fires.
    setClock(next);
    await logged('run succeeded', 4);
    assert.deepEqual(
      (await runs(accountId)).map((run) => run.slot?.getTime()),
      [tomorrow - HOUR, tomorrow, next - HOUR, next],
    );
  });

  test('finds a slot that begins during a check at the next check', async () => {
    const [accountId] = newAccounts(1) as [string];
    // A day ago, so that missed slots are made up for.
    const slot = Math.ceil(Date.now() / HOUR) * HOUR - 24 * HOUR;
    mock.timers.enable({ apis: ['Date'], now: slot - 100 });
    create([accountId], { schedule: '0 * * * *' }).start();
    const held = mock.method(Date, 'now', () => {
      held.mock.restore();
      // Too late for node-cron, which reports the slot as missed.
      setClock(slot + 2_000);
      return slot - 1;
    });
    await logged('run succeeded', 2);
    assert.deepEqual(
      (await runs(accountId)).map((run) => run.slot?.getTime()),
      [slot - HOUR, slot],
    );
  });

  test('leaves a run that another process has begun alone, and checks it later', async () => {
    const [accountId] = newAccounts(1) as [string];
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    api.onRequest(() => held);
    const by = create([accountId]);
    assert.deepEqual((await by.request(accountId)).status, 'started');
    by.start();
    await sleep(300);
    assert.equal((await runs(accountId)).length, 0);
    release();
    await logged('run succeeded', 2);
    // The slot is still run: no process had run it.
    assert.deepEqual(
      (await runs(accountId)).map((run) => [run.trigger, run.status]),
      [
        ['http', 'succeeded'],
        ['cron', 'succeeded'],
      ],
    );
  });

  test('logs an unreachable database once, and a database that refuses us each time, with the fix', async () => {
    const [accountId] = newAccounts(1) as [string];
    const asked = { times: 0 };
    const failing = (code: 'DATABASE_REFUSED' | 'DATABASE_UNAVAILABLE') => {
      asked.times = 0;
      const facts = async () => {
        asked.times += 1;
        throw new OperatorError({ code, happened: 'It failed', means: 'nothing', todo: 'Mend it' });
      };
      create([accountId], { facts }).start();
    };
    const said = () => logs.filter((line) => line.message === 'accounts cannot be synced now, trying again');
    failing('DATABASE_REFUSED');
    await logged('accounts cannot be synced now, trying again', 3);
    assert.deepEqual(new Set(said().map((line) => line.todo)), new Set(['Mend it']));
    await scheduler?.stop(STOPPED);
    logs.length = 0;
    failing('DATABASE_UNAVAILABLE');
    while (asked.times < 4) await sleep(5);
    assert.equal(said().length, 1);
  });

  test('an unreachable node stops only its own accounts, is logged once, and its accounts go on when it is back', async () => {
    const [sick, lost, healthy] = newAccounts(3) as [string, string, string];
    const node = { isAway: true, looks: 0, claims: 0 };
    const error = new OperatorError({
      code: 'DATABASE_NODE_AWAY',
      happened: 'A node is away',
      means: 'nothing',
      todo: 'Start it',
    });
    const runs: string[] = [];
    create([sick, lost, healthy], {
      async facts(ids, slot) {
        const { known } = await slotFacts(db.pool, ids, slot);
        if (!node.isAway || !ids.includes(sick)) return { known, away: new Map() };
        node.looks += 1;
        return {
          known: new Map([...known].filter(([id]) => id !== sick)),
          away: new Map([[sick, error]]),
        };
      },
      async run(request) {
        // Its node was lost after the check.
        if (node.isAway && request.accountId === lost) {
          node.claims += 1;
          throw error;
        }
        runs.push(request.accountId);
        const deps = {
          pool: db.pool,
          client: clientOf(),
          logger,
          settings: TEST_SETTINGS,
          timing: LEASE_TIMING,
        };
        return requestSync(deps, request);
      },
    }).start();
    while (node.looks < 3 || node.claims < 3 || !runs.includes(healthy)) await sleep(5);
    assert.deepEqual(new Set(runs), new Set([healthy]));
    const message = 'accounts of an unreachable node cannot be synced now, trying again';
    assert.equal(logs.filter((line) => line.message === message).length, 1);
    node.isAway = false;
    while (!runs.includes(sick) || !runs.includes(lost)) await sleep(5);
    await logged('run succeeded', 3);
    assert.equal(logs.filter((line) => line.error_code === 'UNEXPECTED').length, 0);
  });

  test('logs a requested run that cannot begin when its turn comes', async () => {
    const [running, waiting] = newAccounts(2) as [string, string];
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    api.onRequest(() => held);
    await insertAccount(db.pool, waiting);
    const by = create([running, waiting], { atOnce: 1, timing: { ...QUICK, queuedMs: 50 } });
    const first = by.request(running);
    assert.deepEqual(await by.request(waiting), { status: 'queued' });
    await first;
    await retireAccount(db.pool, waiting);
    release();
    await logged('requested run failed');
    const said = logs.filter((line) => line.message === 'requested run failed');
    assert.deepEqual(
      said.map((line) => [line.account_id, line.error_code]),
      [[waiting, 'ACCOUNT_RETIRED']],
    );
    await by.stop(STOPPED);
    // A caller that still waits gets the error, and nothing is logged.
    await assert.rejects(
      create([waiting]).request(waiting),
      (error) => error instanceof OperatorError && error.code === 'ACCOUNT_RETIRED',
    );
    assert.equal(logs.filter((line) => line.message === 'requested run failed').length, 1);
  });

  test('stopping ends the runs under way, and queued runs do not begin', async () => {
    const ids = newAccounts(6);
    api.onRequest(() => sleep(60_000, undefined, { ref: false }));
    const stopped = create(ids);
    stopped.start();
    await logged('run started', 3);
    await stopped.stop(STOPPED);
    const ended = (await Promise.all(ids.map(runs))).flat();
    assert.deepEqual(
      ended.map((run) => run.status),
      ['failed', 'failed', 'failed'],
    );
    assert.equal((await db.rows('select 1 from risk_internal.leases')).length, 0);
  });
});

const REFUSAL = Buffer.from(
  JSON.stringify({ success: false, errors: [{ code: 9109, message: 'Unauthorized' }], result: null }),
);
