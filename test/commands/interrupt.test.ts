// Ctrl-C and SIGTERM in the middle of a walk, at the real command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { CLI } from '../support/cli.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/migrated-database.ts';

const TOKEN = 'interrupt-test-token';

describe('a sync that is told to stop in the middle of its walk', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let simulator: Simulator;
  before(async () => {
    db = await migratedDatabase();
    const start = new Date(Date.now() - 40 * 86_400_000);
    simulator = await startSimulator({
      worlds: createWorld({ seed: 5, users: 300, start, days: Number.POSITIVE_INFINITY }),
      now: () => new Date(),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 5,
      rateLimit: null,
      // A second of waiting for every ten pages: the walk lasts long enough to be interrupted.
      faults: ['throttle'],
    });
  });
  after(async () => {
    await simulator.close();
    await db.close();
  });

  async function start(accountId: string) {
    const child = spawn(process.execPath, [CLI, 'sync'], {
      cwd: tmpdir(),
      env: {
        PATH: process.env['PATH'] ?? '',
        CLOUDFLARE_BASE_URL: simulator.url,
        CLOUDFLARE_ALLOW_INSECURE: '1',
        CLOUDFLARE_API_TOKEN: TOKEN,
        CLOUDFLARE_ACCOUNT_ID: accountId,
        DATABASE_URL: db.url,
      },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close') as Promise<[code: number | null]>;
    while (!stderr.includes('throttled')) await sleep(20);
    return { child, ended, stderr: () => stderr };
  }

  const leasesAndRuns = async (accountId: string) => {
    const [row] = await db.rows<{ leases: number; run: string | null }>(
      `select (select count(*)::integer from risk_internal.leases l where l.account_key = a.account_key) as leases,
              (select status || ' ' || error_code from risk.sync_runs r where r.account_key = a.account_key) as run
         from risk.accounts a where account_id = $1`,
      [accountId],
    );
    return row;
  };

  for (const [title, signals] of [
    ['by SIGTERM', ['SIGTERM']],
    ['by Ctrl-C under npm, which sends it on: two signals at once', ['SIGINT', 'SIGINT']],
  ] as const) {
    test(`${title}: ends in order, records the run and gives the account free`, async () => {
      const accountId = title.length.toString(16).padStart(32, 'a');
      const { child, ended, stderr } = await start(accountId);
      for (const signal of signals) {
        child.kill(signal);
        // Not in the same instant: the kernel would make one of them.
        await sleep(5);
      }
      assert.equal((await ended)[0], 75);
      assert.match(stderr(), /error INTERRUPTED: Stopped by SIG(TERM|INT)\./);
      assert.deepEqual(await leasesAndRuns(accountId), { leases: 0, run: 'failed INTERRUPTED' });
    });
  }

  test('a second signal, later, ends it at once, whatever it waits for', async () => {
    const accountId = 'c'.repeat(32);
    const { child, ended } = await start(accountId);
    const other = await db.pool.connect();
    try {
      // Nobody can give the lease back while it is locked.
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
