// `prune` as people call it, and what it keeps of runs. What it does to the history is in test/upkeep.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { writeBulkHistory } from '../../bench/reporting/bulk-history.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { claimLease } from '../../src/sync/claim/claim-lease.ts';
import { processIdentity } from '../../src/host/process-identity.ts';
import { isDue, pruneAfterRun } from '../../src/upkeep/prune/prune-after-run.ts';
import { interruption, runCommand } from '../support/run-command.ts';
import { leasesOf } from '../support/database/claimed-leases.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { quiet } from '../support/stage.ts';

const HOUR = 3_600_000;
const SNAPSHOTS = 240;
const ACCOUNT = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);
let db: MigratedDatabase;

beforeEach(async () => {
  db = await migratedDatabase();
  const start = new Date(Math.floor((Date.now() - SNAPSHOTS * HOUR) / 1000) * 1000).toISOString();
  for (const accountId of [ACCOUNT, OTHER])
    await writeBulkHistory(db.pool, {
      accountId,
      users: 20,
      snapshots: SNAPSHOTS,
      start,
      actsPerUser: 30,
      seed: accountId === OTHER ? 2 : 1,
    });
  await db.pool.query('drop table bulk_acts');
});
afterEach(() => db.close());

const prune = (...args: string[]) => runCommand(['prune', ...args], { DATABASE_URL: db.url });
const count = async (table: string, where = 'true') =>
  (await db.rows<{ n: number }>(`select count(*)::integer as n from ${table} where ${where}`))[0]!.n;
type Row = {
  account_id: string;
  dataset: string;
  row_count: number;
  bytes: number | null;
  is_dry_run: boolean;
};
const told = (stdout: string) => JSON.parse(stdout) as Row[];

test('without a retention, prune exits 78 and names the variables', async () => {
  // Also without a database, and with one that does not answer.
  for (const url of [db.url, 'postgres://nobody@127.0.0.1:1/nowhere']) {
    const { code, stderr } = await runCommand(['prune'], { DATABASE_URL: url, RETENTION_ACTIVITY: '' });
    assert.equal(code, 78);
    for (const name of ['ACTIVITY', 'LEVELS', 'IDENTITIES', 'RUNS'])
      assert.match(stderr, new RegExp(`RETENTION_${name}`));
  }
  assert.equal((await prune('--activity', 'soon')).code, 64);
  assert.equal((await prune('--activity', '-1d')).code, 64);
});

test('a dry run says which rows a prune would delete and how large they are, and the prune deletes exactly these', async () => {
  const before = await count('risk.user_activity');
  const feed = await db.rows('select * from risk_internal.feed_clock');
  const dry = told((await prune('--dry-run', '--activity', '48h', '--account', ACCOUNT, '--json')).stdout);
  assert.equal(await count('risk.user_activity'), before);
  assert.deepEqual(await db.rows('select * from risk_internal.feed_clock'), feed);
  const [would] = dry;
  assert.ok(would!.row_count > 0 && would!.bytes! > would!.row_count * 64);
  const { code, stdout } = await prune('--activity', '48h', '--account', ACCOUNT, '--json');
  assert.equal(code, 0);
  assert.equal(told(stdout)[0]!.row_count, would!.row_count);
  assert.equal(await count('risk.user_activity'), before - would!.row_count);
  const again = told((await prune('--activity', '48h', '--account', ACCOUNT, '--json')).stdout);
  assert.equal(again[0]!.row_count, 0);
  const [mark] = await db.rows<{ row_count: string }>('select row_count from risk.retention');
  assert.equal(Number(mark!.row_count), would!.row_count);
});

test('a question about an instant before the retention is refused, or the answer says which rows may have been deleted', async () => {
  await prune('--activity', '48h', '--levels', '24h');
  for (const args of [
    ['users', '--as-of', '5d ago'],
    ['diff', '5d ago'],
  ]) {
    const { code, stderr } = await runCommand(args, { DATABASE_URL: db.url });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /BEYOND_RETENTION[^]*whole since \d{4}-/);
  }
  assert.equal((await runCommand(['users', '--as-of', '1h ago'], { DATABASE_URL: db.url })).code, 0);
  assert.equal((await runCommand(['trends', '--since', '9d ago'], { DATABASE_URL: db.url })).code, 0);
  for (const [since, isTold] of [
    ['9d ago', true],
    ['1h ago', false],
  ] as const) {
    const { stderr } = await runCommand(['changes', '--since', since], { DATABASE_URL: db.url });
    assert.equal(/changes before .* may have been deleted/.test(stderr), isTold, stderr);
  }
  const [user] = await db.rows<{ user_id: string }>('select user_id from risk.users limit 1');
  const history = await runCommand(['history', user!.user_id], { DATABASE_URL: db.url });
  assert.match(history.stdout, /Levels before .* may have been deleted/);
});

test('prune keeps the runs from which the program knows the state of the account', async () => {
  // Most runs were started by hand.
  await db.pool.query(
    'update risk.sync_runs set scheduled_for = null where run_id < (select max(run_id) - 5 from risk.sync_runs where account_key = 1)',
  );
  const newest = 'select max(run_id) from risk.sync_runs r where r.account_key = 1';
  // The newest success has no slot, and the newest complete walk is older than it.
  await db.pool.query(
    `update risk.sync_runs set scheduled_for = null, verdict = 'partial' where run_id = (${newest})`,
  );
  const { code, stderr } = await prune('--runs', '0s', '--account', ACCOUNT);
  assert.equal(code, 0, stderr);
  const left = await db.rows<{ verdict: string; slot: boolean }>(
    'select verdict, scheduled_for is not null as slot from risk.sync_runs where account_key = 1 order by run_id',
  );
  assert.deepEqual(left, [
    { verdict: 'complete', slot: true },
    { verdict: 'partial', slot: false },
  ]);
  assert.equal(await count('risk.sync_runs', 'account_key = 2'), SNAPSHOTS);
});

test('after a run, old rows are deleted once they span an hour, and nothing is written while no row is too old', async () => {
  const deps = { pool: db.pool, logger: quiet, timing: LEASE_TIMING };
  const retention = { activity: 500 * HOUR, levels: null, identities: null, runs: null };
  const signal = new AbortController().signal;
  const wal = async () =>
    (
      await db.rows<{ at: string }>(
        'select txid_current_snapshot()::text as at, last_snapshot_id from risk_internal.feed_clock',
      )
    )[0];
  const before = await wal();
  await pruneAfterRun(deps, { accountId: ACCOUNT, retention, signal });
  assert.deepEqual(await wal(), before, 'no transaction took an id');
  await pruneAfterRun(deps, {
    accountId: ACCOUNT,
    retention: { ...retention, activity: 100 * HOUR },
    signal,
  });
  const first = await count('risk.user_activity');
  // The newest snapshot that is at least 100 hours old is hardly older than that.
  await pruneAfterRun(deps, {
    accountId: ACCOUNT,
    retention: { ...retention, activity: 99.5 * HOUR },
    signal,
  });
  assert.equal(await count('risk.user_activity'), first, 'half an hour more is too little');
  await pruneAfterRun(deps, { accountId: ACCOUNT, retention: { ...retention, activity: 50 * HOUR }, signal });
  assert.ok((await count('risk.user_activity')) < first);
});

test('which rows are deleted after a run depends on the retention alone', () => {
  assert.equal(isDue(null, null), false);
  assert.equal(isDue(900 * HOUR, null), false);
  assert.equal(isDue(null, 0), true);
  assert.equal(isDue(1, 0), true);
  assert.equal(isDue(90_000, 90_000), false);
  assert.equal(isDue(90_901, 90_000), true, 'a hundredth of a short retention');
  assert.equal(isDue(400 * 24 * HOUR + HOUR, 400 * 24 * HOUR), false);
  assert.equal(isDue(400 * 24 * HOUR + HOUR + 1, 400 * 24 * HOUR), true, 'an hour of a long one');
});

test('prune gives way to a run of the account, and does not touch its lease', async () => {
  const claim = await claimLease(db.pool, {
    accountId: ACCOUNT,
    owner: '00000000-0000-4000-8000-000000000000',
    trigger: 'cli',
    scheduledFor: null,
    identity: processIdentity(),
    timing: LEASE_TIMING,
  });
  assert.equal(claim.kind, 'claimed');
  const lease = await db.rows('select * from risk_internal.leases');
  const before = await count('risk.user_activity');
  await pruneAfterRun(
    { pool: db.pool, logger: quiet, timing: LEASE_TIMING },
    {
      accountId: ACCOUNT,
      retention: { activity: HOUR, levels: null, identities: null, runs: null },
      signal: new AbortController().signal,
    },
  );
  assert.equal(await count('risk.user_activity'), before);
  assert.deepEqual(await db.rows('select * from risk_internal.leases'), lease);
});

/** `prune`, told to go on or to stop once it waits for a run of the account. */
const pruneBeside = (then: () => void, signal: AbortSignal, ...args: string[]) => {
  let isTold = false;
  return runCommand(['prune', ...args], { DATABASE_URL: db.url }, undefined, undefined, false, {
    signal,
    onStderr(text) {
      if (isTold || !/^Run \d+ works on this account/m.test(text)) return;
      isTold = true;
      then();
    },
  });
};

test('prune says once that it waits for a run of the account, and goes on when the run has ended', async () => {
  const leases = leasesOf(db);
  const lease = await leases.claimed(OTHER);
  const later = () => setTimeout(() => void leases.release(lease), 1_500);
  const { code, stdout, stderr } = await pruneBeside(
    later,
    new AbortController().signal,
    '--activity',
    '48h',
    '--json',
  );
  assert.equal(code, 0, stderr);
  assert.equal(
    stderr,
    `Run ${lease.runId} works on this account: prune continues when it has ended\n`,
    'once, however long it waits',
  );
  const rows = told(stdout).filter(({ dataset }) => dataset === 'activity');
  assert.deepEqual(
    rows.map(({ account_id, row_count }) => [account_id, row_count > 0]),
    [
      [ACCOUNT, true],
      [OTHER, true],
    ],
  );
});

test('an interrupted prune reports what it has deleted, and that the next prune goes on from there', async () => {
  const lease = await leasesOf(db).claimed(OTHER);
  const before = await count('risk.user_activity');
  const interrupt = new AbortController();
  const { code, stdout, stderr } = await pruneBeside(
    () => interrupt.abort(interruption()),
    interrupt.signal,
    '--activity',
    '48h',
    '--json',
  );
  assert.equal(code, 75);
  assert.match(
    stderr,
    /error INTERRUPTED: Stopped by SIGINT[^]*What was deleted stays deleted[^]*prune` again/,
  );
  const [first, second, ...others] = told(stdout).filter(({ dataset }) => dataset === 'activity');
  assert.deepEqual(others, []);
  assert.deepEqual([second?.account_id, second?.row_count], [OTHER, 0]);
  assert.equal(first!.row_count, before - (await count('risk.user_activity')));
  assert.ok(first!.row_count > 0);
  await leasesOf(db).release(lease);
  const again = told((await prune('--activity', '48h', '--json')).stdout);
  assert.deepEqual(
    again.filter(({ dataset }) => dataset === 'activity').map((row) => row.row_count > 0),
    [false, true],
  );
});

test('a prune that fails or is stopped before it deleted anything prints no table', async () => {
  const stopped = new AbortController();
  stopped.abort(interruption());
  const { code, stdout } = await pruneBeside(() => undefined, stopped.signal, '--activity', '48h');
  assert.deepEqual([code, stdout], [75, '']);
  const dry = await pruneBeside(() => undefined, stopped.signal, '--activity', '48h', '--dry-run');
  assert.deepEqual([dry.code, dry.stdout], [75, '']);
});

test('without any account there is nothing to prune, and prune says so', async () => {
  const empty = await migratedDatabase();
  try {
    const env = { DATABASE_URL: empty.url };
    const { code, stdout } = await runCommand(['prune', '--activity', '48h'], env);
    assert.equal(code, 0);
    assert.match(stdout, /^No account was ever synced here/);
    assert.deepEqual(told((await runCommand(['prune', '--activity', '48h', '--json'], env)).stdout), []);
  } finally {
    await empty.close();
  }
});

test('a prune reports since when the parts that it pruned are whole, whatever was pruned before', async () => {
  await prune('--activity', '48h', '--account', ACCOUNT);
  const { code, stdout } = await prune('--levels', '24h', '--account', ACCOUNT, '--json');
  assert.equal(code, 0);
  const rows = JSON.parse(stdout) as { dataset: string; whole_since: string | null }[];
  assert.deepEqual(
    rows.map(({ dataset, whole_since }) => [dataset, whole_since === null]),
    [
      ['levels', false],
      ['rejected', true],
    ],
  );
  const [mark] = await db.rows<{ at: Date }>(
    `select whole_since as at from risk.retention where dataset = 'levels'`,
  );
  assert.equal(rows[0]!.whole_since, new Date(mark!.at).toISOString());
});
