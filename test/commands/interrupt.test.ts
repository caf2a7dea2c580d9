// Ctrl-C and SIGTERM in the middle of a walk, on the real command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { addAccount } from '../../src/sync/claim/account-row.ts';
import { untilLockWaiters } from '../support/database/lock-waits.ts';
import { CLI } from '../support/cli.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

const TOKEN = 'interrupt-test-token';

describe('a sync that is told to stop in the middle of its walk', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let simulator: Simulator;
  let quick: Simulator;
  before(async () => {
    db = await migratedDatabase();
    const start = new Date(Date.now() - 40 * 86_400_000);
    const options = {
      worlds: createWorld({ seed: 5, users: 300, start, days: Number.POSITIVE_INFINITY }),
      now: () => new Date(),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 1_000,
      rateLimit: null,
    };
    quick = await startSimulator(options);
    simulator = await startSimulator({
      ...options,
      perPageMax: 5,
      // Every ten pages cost a second of waiting, so the walk lasts long enough to be interrupted.
      faults: ['throttle'],
    });
  });
  after(async () => {
    await simulator.close();
    await quick.close();
    await db.close();
  });

  function sync(api: Simulator, accountIds: string, ...options: string[]) {
    const child = spawn(process.execPath, [CLI, 'sync', ...options], {
      cwd: tmpdir(),
      env: {
        PATH: process.env['PATH'] ?? '',
        CLOUDFLARE_BASE_URL: api.url,
        CLOUDFLARE_ALLOW_INSECURE: '1',
        CLOUDFLARE_API_TOKEN: TOKEN,
        CLOUDFLARE_ACCOUNT_ID: accountIds,
        DATABASE_URL: db.url,
      },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close') as Promise<[code: number | null]>;
    return { child, ended, stdout: () => stdout, stderr: () => stderr };
  }

  async function start(accountId: string) {
    const started = sync(simulator, accountId);
    while (!started.stderr().includes('throttled')) await sleep(20);
    return started;
  }

  const leasesAndRuns = async (accountId: string) => {
    const [row] = await db.rows<{ leases: number; run: string | null }>(
      `select (select count(*)::integer from risk_internal.leases l where l.account_key = a.account_key) as leases,
              (select concat_ws(' ', status, error_code, case when users_met between 1 and pages * 5 then 'met some' end)
                 from risk.sync_runs r where r.account_key = a.account_key) as run
         from risk.accounts a where account_id = $1`,
      [accountId],
    );
    return row;
  };

  for (const [title, signals] of [
    ['by SIGTERM', ['SIGTERM']],
    ['by Ctrl-C under npm, which passes it on: two signals at once', ['SIGINT', 'SIGINT']],
  ] as const) {
    test(`${title}: ends in order, records the run and releases the account`, async () => {
      const accountId = title.length.toString(16).padStart(32, 'a');
      const { child, ended, stderr } = await start(accountId);
      for (const signal of signals) {
        child.kill(signal);
        // Not in the same instant: the kernel would merge two signals into one.
        await sleep(5);
      }
      assert.equal((await ended)[0], 75);
      assert.match(stderr(), /error INTERRUPTED: Stopped by SIG(TERM|INT)\./);
      assert.deepEqual(await leasesAndRuns(accountId), { leases: 0, run: 'failed INTERRUPTED met some' });
    });
  }

  test('a signal during a publish lets the publish end, and the message names the accounts that were not reached', async () => {
    const [published, ...left] = ['d', 'e', 'f'].map((digit) => digit.repeat(32)) as [string, string, string];
    // A new account would wait for the clock before its run.
    await addAccount(db.pool, { accountId: published });
    const other = await db.pool.connect();
    try {
      await other.query('begin');
      await other.query('select 1 from risk_internal.feed_clock for update');
      const { child, ended, stdout, stderr } = sync(quick, [published, ...left].join(','), '--json');
      await untilLockWaiters(db.pool);
      child.kill('SIGTERM');
      await other.query('rollback');
      assert.equal((await ended)[0], 75);
      assert.match(
        stderr(),
        new RegExp(`INTERRUPTED: Stopped by SIGTERM before the sync of ${left.join(', ')}`),
      );
      const lines = stdout()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { account_id: string; status: string; error?: { code: string } });
      assert.deepEqual(
        lines.map((line) => [line.account_id, line.status, line.error?.code]),
        [
          [published, 'succeeded', undefined],
          ...left.map((accountId) => [accountId, 'failed', 'INTERRUPTED']),
        ],
      );
    } finally {
      other.release();
    }
  });

  test('a second, later signal ends the process at once, whatever it waits for', async () => {
    const accountId = 'c'.repeat(32);
    const { child, ended } = await start(accountId);
    const other = await db.pool.connect();
    try {
      // The lease cannot be released while it is locked.
      await other.query('begin');
      await other.query(
        'select 1 from risk_internal.leases join risk.accounts using (account_key) where account_id = $1 for update of leases',
        [accountId],
      );
      child.kill('SIGINT');
      await sleep(1_500);
      assert.equal(child.exitCode, null);
      child.kill('SIGINT');
      assert.equal((await ended)[0], 75);
      assert.deepEqual(await leasesAndRuns(accountId), { leases: 1, run: null });
    } finally {
      await other.query('rollback');
      other.release();
    }
  });
});
