// The command line as people and scripts use it, with the simulated API and a real database. One test of each kind of
// ending starts the bundle in its own process. All others run in this process, which is faster.
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client } from 'pg';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { createTestDatabase, type TestDatabase } from '../support/database/test-database.ts';

const ACCOUNT = '0123456789abcdef0123456789abcdef';
const AUTH = { token: 'a-token-nobody-may-see', email: 'admin@example.com', key: 'a-key-nobody-may-see' };

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-cli-'));
  database = await createTestDatabase();
  const start = new Date(Date.now() - 40 * 86_400_000);
  simulator = await startSimulator({
    worlds: createWorld({ seed: 5, users: 120, start, days: Number.POSITIVE_INFINITY }),
    now: () => new Date(),
    auth: AUTH,
    rateLimit: null,
  });
});

after(async () => {
  await simulator.close();
  await database.drop();
});

type Run = (args: string[], env?: Record<string, string>) => Promise<CliResult>;
const bundle: Run = (args, env) => runCli(args, env, folder);
const cli: Run = (args, env) => runCommand(args, env, folder);

function withToken(): Record<string, string> {
  return { ...target(), CLOUDFLARE_API_TOKEN: AUTH.token, CLOUDFLARE_ACCOUNT_ID: ACCOUNT };
}

function target(): Record<string, string> {
  return { CLOUDFLARE_BASE_URL: simulator.url, CLOUDFLARE_ALLOW_INSECURE: '1', DATABASE_URL: database.url };
}

function assertDiscreet(result: CliResult): void {
  for (const text of [result.stdout, result.stderr]) {
    assert(!text.includes(AUTH.token) && !text.includes(AUTH.key), 'a secret was printed');
    assert(!/@example\.com/.test(text), 'an email was printed');
  }
}

describe('the command line', () => {
  it('prints the help and exits 64 without a command', async () => {
    const { code, stderr } = await bundle([]);
    assert.equal(code, 64);
    for (const command of [
      'sync',
      'status',
      'trends',
      'users',
      'changes',
      'diff',
      'history',
      'export',
      'contract',
      'publication',
      'accounts',
      'rejected',
      'migrate',
      'database',
      'simulate',
      'demo',
      'completion',
    ]) {
      assert.match(stderr, new RegExp(`^  ${command}`, 'm'));
    }
  });

  it('exits 64 on an unknown command or option, and 0 for help and version', async () => {
    assert.equal((await cli(['frobnicate'])).code, 64);
    assert.equal((await cli(['sync', '--frobnicate'])).code, 64);
    assert.equal((await cli(['trends', '--since', 'yesteryear'])).code, 64);
    assert.equal((await cli(['sync', '--help'])).code, 0);
    assert.match((await bundle(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('says what to set when there are no credentials, and exits 78', async () => {
    const { code, stderr } = await bundle(['sync'], target());
    assert.equal(code, 78);
    assert.match(stderr, /CLOUDFLARE_API_TOKEN/);
    assert.match(stderr, /CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY/);
    assert.match(stderr, /CLOUDFLARE_ACCOUNT_ID/);
  });

  it('tells the user to run migrate when a reading command finds a database that was never migrated', async () => {
    const { code, stderr } = await cli(['status'], target());
    assert.equal(code, 78);
    assert.match(stderr, /DATABASE_BEHIND.*\n.*\n.*migrate/);
    assert.equal((await cli(['sync', '--no-migrate'], withToken())).code, 78);
    assert.equal((await cli(['migrate', '--check'], target())).code, 78);
  });
});

describe('sync', () => {
  it('publishes a snapshot with an API token, and prints it as one line of JSON', async () => {
    const result = await bundle(['sync', '--json'], withToken());
    assert.equal(result.code, 0, result.stderr);
    assertDiscreet(result);
    const lines = result.stdout.trim().split('\n');
    assert.equal(lines.length, 1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.deepEqual(Object.keys(line), [
      'account_id',
      'status',
      'verdict',
      'snapshot_id',
      'run_id',
      'users',
      'met',
      'carried',
      'appeared',
      'raised',
      'lowered',
      'cleared',
      'returned',
      'rejected',
      'duplicates',
      'pages',
      'passes',
      'expected_unseen',
      'requests',
      'retries',
      'duration_ms',
      'renamed',
      'activity_changed',
    ]);
    assert.deepEqual([line['renamed'], line['activity_changed']], [0, 0]);
    assert.equal(line['status'], 'succeeded');
    assert.equal(line['verdict'], 'complete');
    assert.equal(
      line['users'],
      await count(`select user_count from risk.snapshots where snapshot_id = ${Number(line['snapshot_id'])}`),
    );
    assert.equal(line['users'], await count(`select count(*) from risk_bi.users where is_present`));
  });

  it('publishes a snapshot with email and key', async () => {
    const before_ = await count('select count(*) from risk.snapshots');
    const result = await cli(['sync'], {
      ...target(),
      CLOUDFLARE_EMAIL: AUTH.email,
      CLOUDFLARE_API_KEY: AUTH.key,
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    });
    assert.equal(result.code, 0, result.stderr);
    assertDiscreet(result);
    assert.equal(await count('select count(*) from risk.snapshots'), before_ + 1);
  });

  it('exits 77 on a wrong token, names the permission, and does not print the token', async () => {
    const token = 'wrong-token-that-must-not-show';
    const { code, stdout, stderr } = await bundle(['sync', '--json'], {
      ...withToken(),
      CLOUDFLARE_API_TOKEN: token,
    });
    assert.equal(code, 77);
    assert.match(stderr, /Zero Trust: PII Read/);
    assert(!`${stdout}${stderr}`.includes(token));
    assert.equal((JSON.parse(stdout) as { status: string }).status, 'failed');
  });

  it('exits 78 on a wrong account', async () => {
    const { code, stderr } = await cli(['sync'], { ...withToken(), CLOUDFLARE_ACCOUNT_ID: 'not-an-account' });
    assert.equal(code, 78);
    assert.match(stderr, /ACCOUNT_NOT_FOUND/);
  });

  it('exits with the most severe exit code of several accounts, and still syncs the good one', async () => {
    const ids = `${ACCOUNT},not-an-account`;
    const { code, stdout } = await cli(['sync', '--json'], { ...withToken(), CLOUDFLARE_ACCOUNT_ID: ids });
    assert.equal(code, 78);
    const statuses = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status: string }).status);
    assert.deepEqual(statuses, ['succeeded', 'failed']);
    const narrowed = await cli(['sync', '--json', '--account', ACCOUNT], {
      ...withToken(),
      CLOUDFLARE_ACCOUNT_ID: ids,
    });
    assert.equal(narrowed.code, 0);
    const refused = await cli(['sync', '--account', 'somebody-else'], withToken());
    assert.equal(refused.code, 64);
    assert.match(
      refused.stderr,
      /ACCOUNT_NOT_CONFIGURED: Account "somebody-else" is not in CLOUDFLARE_ACCOUNT_ID/,
    );
  });

  it('publishes nothing in a dry run', async () => {
    const before_ = await count('select count(*) from risk.snapshots');
    const { code, stdout } = await cli(['sync', '--dry-run', '--json'], withToken());
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { status: string }).status, 'dry_run');
    assert.equal(await count('select count(*) from risk.snapshots'), before_);
    assert.equal(await count('select count(*) from risk_internal.leases'), 0);
  });

  it('points to the rejected records, and status does the same', async () => {
    simulator.setFaults(['bad-record']);
    try {
      const result = await cli(['sync'], withToken());
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stdout, /^  rejected 1 record: zt-risk-sync rejected list$/m);
      const status = await cli(['status'], target());
      assert.match(status.stdout, /^  1 rejected record waiting: zt-risk-sync rejected list$/m);
      const list = await cli(['rejected', 'list'], target());
      assert.match(list.stdout, /^[0-9a-f]{8}  max_risk_level: unknown level$/m);
      for (const shown of [result, status, list]) assertDiscreet(shown);
    } finally {
      simulator.setFaults([]);
    }
  });

  it('reads secrets from files, and a .env that the environment overrides', async () => {
    const file = path.join(folder, 'token');
    await writeFile(file, `${AUTH.token}\n`);
    await writeFile(
      path.join(folder, '.env'),
      `CLOUDFLARE_ACCOUNT_ID=${ACCOUNT}\nCLOUDFLARE_API_TOKEN_FILE=${file}\n`,
    );
    assert.equal((await bundle(['sync', '--json'], target())).code, 0);
    await writeFile(path.join(folder, '.env'), '');
  });

  it('exits 75 and says so when the database does not answer', async () => {
    const { code, stderr } = await bundle(['sync'], {
      ...withToken(),
      DATABASE_URL: 'postgres://u:hidden-word@127.0.0.1:1/x',
    });
    assert.equal(code, 75);
    assert.match(stderr, /DATABASE_UNAVAILABLE/);
    assert(!stderr.includes('hidden-word'));
  });
});

describe('the reading commands', () => {
  it('print the state, the runs and the trend as a table, JSON and CSV', async () => {
    const status = await cli(['status'], target());
    assert.match(
      status.stdout,
      new RegExp(`^${ACCOUNT}  \\d+ users, .* ago \\(snapshot \\d+, complete\\)`, 'm'),
    );
    assert.match(status.stdout, /PERMISSION_DENIED/);
    const runs = JSON.parse((await cli(['status', '--format', 'json'], target())).stdout) as {
      run_id: number;
    }[];
    assert(runs.length > 3);
    const run = await cli(['status', '--run', String(runs.at(-1)?.run_id)], target());
    assert.match(run.stdout, /^paging {5}1,000 a page were requested/m);
    const trend = JSON.parse((await cli(['trends', '--format', 'json'], target())).stdout) as {
      low: number;
    }[];
    // Two if midnight passes during the test.
    assert(trend.length === 1 || trend.length === 2);
    const csv = (await cli(['trends', '--format', 'csv'], target())).stdout;
    assert.match(
      csv,
      /^account_id,day,low,medium,high,verdict,user_count,high_share,is_observed,starts_at,snapshot_id,observed_at\n/,
    );
    for (const result of [status, run]) assertDiscreet(result);
  });

  it('label, retire and restore an account', async () => {
    assert.equal((await cli(['accounts', 'label', ACCOUNT, 'Head office'], target())).code, 0);
    assert.match((await cli(['accounts'], target())).stdout, /Head office/);
    const byLabel = await cli(['sync', '--account', 'head office', '--json'], withToken());
    assert.equal((JSON.parse(byLabel.stdout) as { account_id: string }).account_id, ACCOUNT);
    assert.equal((await cli(['accounts', 'retire', ACCOUNT], target())).code, 0);
    const refused = await cli(['sync'], withToken());
    assert.equal(refused.code, 78);
    assert.match(refused.stderr, /ACCOUNT_RETIRED/);
    assert.equal((await cli(['accounts', 'restore', ACCOUNT], target())).code, 0);
    assert.equal((await cli(['sync'], withToken())).code, 0);
    assert.equal((await cli(['accounts', 'retire', 'unknown'], target())).code, 1);
  });
});

async function count(query: string): Promise<number> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, string>>(query);
    return Number(Object.values(rows[0] ?? {})[0]);
  } finally {
    await client.end();
  }
}
