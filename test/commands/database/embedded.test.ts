// The commands on the embedded PostgreSQL, without a DATABASE_URL: what a person without any settings reads.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { demoDatabase, ensureDatabase, productDatabase } from '../../../src/db/create-database.ts';
import { findEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { createPool } from '../../../src/db/pool.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { newHome, onLinux, query } from '../../support/database/servers/embedded-home.ts';
import { dataHome } from '../../support/database/servers/postgres-server.ts';
import { runCommand } from '../../support/run-command.ts';

const DAY = 86_400_000;

describe('without a DATABASE_URL', { ...onLinux, concurrency: false }, () => {
  let folder: string;
  before(async () => {
    folder = (await newHome(dataHome(18))).dataHome;
  });
  const run = (...args: string[]) => runCommand(args, { XDG_DATA_HOME: folder, SYNC_SCHEDULE: '0 * * * *' });
  const urlOf = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('database', 'url', ...args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };

  test('before it is started there is no URL, and nothing to stop', async () => {
    const { code, stdout, stderr } = await run('database', 'url');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /error EMBEDDED_NOT_RUNNING[^]*zt-risk-sync database start/);
    assert.deepEqual((await run('database', 'stop')).stdout, 'was not running\n');
  });

  test('start says where it runs, whether or not it was started before, and url prints its address', async () => {
    const first = await run('database', 'start');
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^started: 127\.0\.0\.1:\d+, data in \//);
    const again = await run('database', 'start');
    assert.equal(again.stdout, first.stdout.replace('started', 'already running'));
    const url = await urlOf();
    assert.deepEqual(await query(url, 'select current_database()::text as name'), [
      { name: productDatabase },
    ]);
    assert.equal(new URL(await urlOf('--demo')).pathname, `/${demoDatabase}`);
  });

  test('a command that finds no history names the history of the demo, if it exists, and never reads it', async () => {
    const alone = await run('status');
    assert.equal(alone.code, 78);
    assert.match(alone.stderr, /^No DATABASE_URL is set: using the embedded Postgres at 127/m);
    assert.match(alone.stderr, /error DATABASE_BEHIND/);
    assert.doesNotMatch(alone.stderr, /demo/);

    const server = await findEmbedded({ dataHome: folder, home: folder });
    await ensureDatabase(server!.url, demoDatabase);
    const hint =
      /There is no history here\. The history of the demo is in a database of its own:\n.*database url --demo/;
    assert.match((await run('status')).stderr, hint);
    assert.equal((await run('migrate')).code, 0);
    const empty = await run('status');
    assert.equal(empty.code, 0);
    assert.match(empty.stdout, /^No account was ever synced here/);
    assert.match(empty.stderr, hint);
  });

  test('a history of its own is shown without the demo, and with a warning that it was never copied', async () => {
    const pool = createPool({ url: await urlOf(), max: 2, logger: { warn() {} } });
    try {
      const history = sampleHistory(pool);
      const account = await history.account('1'.repeat(32));
      for (const days of [90, 1])
        await history.snapshot(account, new Date(Date.now() - days * DAY).toISOString());
    } finally {
      await pool.end();
    }
    const { code, stdout, stderr } = await run('status');
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /demo/);
    assert.match(stdout.replace(/\s+/g, ' '), /90 days.*database backup/);
    const [row] = JSON.parse((await run('status', '--accounts', '--json')).stdout) as Record<
      string,
      unknown
    >[];
    assert.equal(row?.['account_id'], '1'.repeat(32));
  });

  test('doctor names it, and it cannot be published for replication', async () => {
    const { stdout } = await runCommand(['doctor', '--offline', '--json'], {
      XDG_DATA_HOME: folder,
      CLOUDFLARE_API_TOKEN: 'unused',
      CLOUDFLARE_ACCOUNT_ID: '1'.repeat(32),
    });
    const lines = JSON.parse(stdout) as { check: string; status: string; found: string }[];
    const found = (check: string) => lines.find((line) => line.check === check)?.found ?? '';
    assert.match(found('configuration'), /embedded database/);
    assert.match(found('database'), /, embedded, /);

    const refused = await run('publication', 'create');
    assert.deepEqual([refused.code, refused.stdout], [78, '']);
    assert.match(refused.stderr, /error WAL_LEVEL: The embedded PostgreSQL is not made for replication/);
    assert.deepEqual(await query(await urlOf(), 'select from pg_publication'), []);
  });

  test('stop ends it, and its data stays', async () => {
    assert.equal((await run('database', 'stop')).stdout, 'stopped\n');
    assert.equal((await run('database', 'url')).code, 1);
    assert.match((await run('status', '--accounts')).stdout, /^1{32} /m);
  });
});
