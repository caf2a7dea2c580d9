// What `status` says about accounts in every state, with one slot a month, on the first.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { createRoles } from '../../src/db/roles.ts';
import { leases } from '../../src/db/schema.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const DAY = 86_400_000;
const now = Date.now();
const ago = (ms: number) => new Date(now - ms).toISOString();
const FIRST = new Date(
  Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth(), 1),
).toISOString();
const NEXT = new Date(
  Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth() + 1, 1),
).toISOString();
const id = (digit: number) => String(digit).repeat(32);
const [BUSY, STALE, LEFT, RETIRED, NEW] = [id(1), id(2), id(3), id(4), id(5)];

let db: MigratedDatabase;
const keys = new Map<string, number>();

before(async () => {
  db = await migratedDatabase();
  const sample = sampleHistory(db.pool);
  for (const account of [BUSY, STALE, LEFT, RETIRED, NEW])
    keys.set(account, await sample.account(account, account === STALE ? 'Head \u001b[2Joffice' : null));
  await db.pool.query('update risk.accounts set added_at = $1 where account_id <> $2', [ago(400 * DAY), NEW]);
  await db.pool.query('update risk.accounts set retired_at = $1 where account_id = $2', [
    ago(5 * DAY),
    RETIRED,
  ]);
  const key = (account: string) => keys.get(account)!;

  // A partial streak, a run under way, and the month's slot done.
  await sample.snapshot(key(BUSY), ago(40 * DAY));
  await sample.snapshot(key(BUSY), ago(30 * DAY), { verdict: 'partial' });
  await sample.snapshot(key(BUSY), ago(20 * DAY), {
    verdict: 'partial',
    evidence: { rejected_not_kept: { 'email: not text': 4, 'name: not text': 8 } },
  });
  await db.pool.query(
    'update risk.sync_runs set scheduled_for = $1, finished_at = $2, host = $3 where run_id = 3',
    [FIRST, new Date(now).toISOString(), 'host \u009b2J one'],
  );
  await lease(BUSY, 900, ago(60_000), new Date(now + 3_600_000).toISOString());
  await sample.rejected({ account_key: key(BUSY), record_hash: 'a'.repeat(64), raw: '{}', last_run_id: 3 });

  // Three failures since an old snapshot; the last failure belongs to the slot.
  await sample.snapshot(key(STALE), ago(100 * DAY));
  for (const scheduled_for of [null, null, FIRST])
    await sample.run({
      account_key: key(STALE),
      started_at: FIRST,
      finished_at: new Date(now).toISOString(),
      status: 'failed',
      error_code: 'PERMISSION_DENIED',
      error_message: 'refused',
      scheduled_for,
    });

  // A process that died during its run.
  await sample.snapshot(key(LEFT), ago(10 * DAY), { verdict: 'partial' });
  await lease(LEFT, 901, ago(2 * DAY), ago(2 * DAY));
  await sample.snapshot(key(RETIRED), ago(300 * DAY));
});

after(() => db.close());

async function lease(
  account: string,
  run_id: number,
  started_at: string,
  heartbeat_at: string,
): Promise<void> {
  await drizzle(db.pool)
    .insert(leases)
    .values({
      account_key: keys.get(account)!,
      run_id,
      owner: uuidOf(account),
      trigger: 'cron',
      started_at,
      heartbeat_at,
      host: 'host-two',
      process: '1',
    });
}

async function status(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runStatus(db.url, ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

function runStatus(url: string, ...args: string[]) {
  const env = { DATABASE_URL: url, SYNC_SCHEDULE: '0 0 1 * *', SYNC_TIMEZONE: 'UTC' };
  return runCommand(['status', ...args], env);
}

/** The lines of one account, with wrapping undone. */
async function linesOf(account: string): Promise<string> {
  const text = (await status('--accounts')).replace(/\n {4}/g, ' ');
  const lines = text.split('\n');
  const from = lines.findIndex((line) => line.startsWith(account));
  const length = lines.slice(from + 1).findIndex((line) => !line.startsWith('  '));
  return lines.slice(from, from + 1 + length).join('\n');
}

describe('status', () => {
  it('shows a fresh account with a run under way, a partial streak and waiting rejected records', async () => {
    const text = await linesOf(BUSY);
    assert.match(text, /^1{32}  0 users, 20 days ago \(snapshot 3, partial\)$/m);
    assert.match(text, /^  fresh: stale after 62 days without a snapshot/m);
    assert.match(text, /^  running: run 900 since .* on host host-two$/m);
    assert.match(
      text,
      /^  last slot \d{4}-\d\d-01 00:00 UTC: succeeded in run 3 on host host \ufffd2J one$/m,
    );
    assert.match(
      text,
      new RegExp(
        `^  partial snapshots in a row: 2; the last complete one was at ${ago(40 * DAY).slice(0, 10)}`,
        'm',
      ),
    );
    assert.match(text, /^  1 rejected record waiting: zt-risk-sync rejected list$/m);
    assert.doesNotMatch(text, /failed/);
  });

  it('shows that an account is stale, and how many runs failed in a row', async () => {
    const text = await linesOf(STALE);
    assert.match(
      text,
      /^2{32} \(Head \ufffd\[2Joffice\)\n  0 users, 100 days ago \(snapshot 4, complete\)$/m,
    );
    assert.match(text, /^  STALE: no snapshot for more than 62 days/m);
    assert.match(text, /^  no sync is running$/m);
    assert.match(text, /^  last slot .*: failed in run 7 on host a-host \(PERMISSION_DENIED\)$/m);
    assert.match(text, /^  failed runs in a row since then: 3$/m);
  });

  it('shows a silent run, and a slot without a run', async () => {
    const text = await linesOf(LEFT);
    assert.match(
      text,
      /^  silent: run 901 .*, no heartbeat for 2 days; it is publishing or waits to, or the next run takes over$/m,
    );
    assert.match(text, /^  last slot .*: no run for it has ended yet$/m);
    assert.match(text, /^  partial snapshots in a row: 1; no complete one yet$/m);
    await db.pool.query('delete from risk_internal.leases where run_id = 901');
    assert.match(await linesOf(LEFT), /: no run for it; is serve running with this schedule\?$/m);
  });

  it('shows no problem for a retired account, and no missed slot for a new one', async () => {
    assert.match(await linesOf(RETIRED), /^4{32}  retired [^\n]+$/);
    const text = await linesOf(NEW);
    assert.match(text, /^5{32}  no snapshot yet\n  no sync is running$/);
    const added = async (at: string) =>
      db.pool.query('update risk.accounts set added_at = $1 where account_id = $2', [at, NEW]);
    await added(ago(63 * DAY));
    assert.match(await linesOf(NEW), /^5{32}  no snapshot yet\n  STALE: no snapshot for more than 62 days/);
    await added(ago(0));
  });

  it('ends with the next slot and the runs, unless --accounts is given', async () => {
    const next = `next slot of the schedule (0 0 1 * *, UTC): ${NEXT.slice(0, 10)} 00:00 UTC, in `;
    const whole = (await status()).replace(/\n {2}(?=\S)/g, ' ');
    assert.ok(whole.includes(next));
    assert.match(whole, /^run +started/m);
    assert.match(whole, /^Times of runs are in UTC\.$/m);
    assert.doesNotMatch(await status('--accounts'), /^run +started/m);
    for (const line of (await status()).split('\n')) assert.ok(line.length <= 80, line);
  });

  it('shows the runs of each account below it, so that a busy account hides no other', async () => {
    const blocks = (await status('--limit', '2')).split(/^(?=\d{32} )/m);
    const runs = (account: string) => {
      const block = blocks.find((one) => one.startsWith(account)) ?? assert.fail(account);
      return [...block.matchAll(/^ *(\d+) +\d{4}-\d\d-\d\d /gm)].map((match) => Number(match[1]));
    };
    assert.deepEqual(runs(BUSY), [3, 2]);
    assert.deepEqual(runs(STALE), [7, 6]);
    assert.deepEqual(runs(LEFT), [8]);
    assert.deepEqual(runs(RETIRED), []);
    assert.match(blocks.find((one) => one.startsWith(NEW)) ?? '', /^  no run has ended yet$/m);
    assert.match(await status('--account', RETIRED), /^ *9 +\d{4}-/m);
    const rows = JSON.parse(await status('--limit', '1', '--format', 'json')) as { run_id: number }[];
    assert.deepEqual(
      rows.map(({ run_id }) => run_id),
      [9, 8, 7, 3],
    );
  });

  it('shows times in the requested zone, and more of each run where there is room', async () => {
    const stdout = await status('--timezone', 'Asia/Tokyo');
    assert.match(stdout, /^  last slot \d{4}-\d\d-01 09:00 \+09:00: succeeded/m);
    assert.match(stdout, /^Times of runs are in Asia\/Tokyo\.$/m);
    const run = await status('--run', '7', '--timezone', 'Asia/Tokyo');
    assert.match(run, /^when +\d{4}-\d\d-01 09:00 \+09:00, took/m);
    const env = { DATABASE_URL: db.url, SYNC_SCHEDULE: '0 0 1 * *', COLUMNS: '160' };
    const wide = await runCommand(['status', '--account', STALE], env);
    assert.match(wide.stdout, /^run .* snapshot +pages +passes +requests +rejected +host$/m);
    assert.match(wide.stdout, /^ *7 .* PERMISSION_DENIED .* a-host$/m);
  });

  it('shows one run with its evidence as JSON, without it as CSV, and only of the accounts that were asked for', async () => {
    const partial = JSON.parse(await status('--run', '3', '--format', 'json')) as Record<string, unknown>;
    assert.deepEqual(
      [
        partial['account_id'],
        partial['run_id'],
        partial['verdict'],
        partial['scheduled_for'],
        partial['evidence'],
      ],
      [BUSY, 3, 'partial', FIRST, { rejected_not_kept: { 'email: not text': 4, 'name: not text': 8 } }],
    );
    const [header, row, ...others] = (await status('--run', '7', '--format', 'csv')).trimEnd().split('\n');
    assert.match(header!, /^account_id,run_id,trigger,scheduled_for,status,/);
    assert.match(row!, new RegExp(`^${STALE},7,cron,${FIRST},failed,,,.*,PERMISSION_DENIED,refused$`));
    assert.deepEqual(others, []);
    assert.match(await status('--run', '7', '--account', STALE), /PERMISSION_DENIED/);
    for (const args of [
      ['--run', '7', '--account', BUSY],
      ['--run', '4711'],
      ['--run', '4711', '--format', 'json'],
    ]) {
      const { code, stdout, stderr } = await runStatus(db.url, ...args);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, /^error RUN_NOT_FOUND: /);
    }
  });

  it('shows no user counts for a run whose process died', async () => {
    await sampleHistory(db.pool).run({
      account_key: keys.get(NEW)!,
      run_id: 950,
      trigger: 'cli',
      status: 'abandoned',
      started_at: ago(1_000),
      error_code: 'ABANDONED',
    });
    try {
      assert.match(await status('--account', NEW), /^950 .* cli +– +abandoned +ABANDONED$/m);
    } finally {
      await db.pool.query('delete from risk.sync_runs where run_id = 950');
    }
  });

  it('refuses an unknown account in every format', async () => {
    for (const format of ['table', 'json', 'csv']) {
      const { code, stdout, stderr } = await runStatus(db.url, '--account', 'typo', '--format', format);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /ACCOUNT_UNKNOWN/);
    }
  });

  it('shows a read-only role everything except which sync is running, and says so', async () => {
    await createRoles(db.pool);
    await db.pool.query("create role status_reader login password 'reader' in role risk_reader");
    const url = Object.assign(new URL(db.url), { username: 'status_reader', password: 'reader' }).href;
    try {
      const { code, stdout, stderr } = await runStatus(url);
      assert.equal(code, 0, stderr);
      assert.match(
        stdout.replaceAll(/\n {4}/g, ' '),
        /^  this database role may not read which sync is running/m,
      );
      assert.doesNotMatch(stdout, /no sync is running|running: run|serve running/);
      assert.match(stdout, /^ *7 +\d{4}-.* PERMISSION_DENIED$/m);
      const { stdout: text } = await runStatus(url, '--accounts', '--format', 'json');
      const [busy] = JSON.parse(text) as Record<string, unknown>[];
      assert.deepEqual(
        ['account_id', 'partial_in_a_row', 'is_running', 'running_run_id', 'rejected_waiting'].map(
          (name) => busy?.[name],
        ),
        [BUSY, 2, null, null, null],
      );
      assert.match((await runStatus(url, '--run', '7')).stdout, /PERMISSION_DENIED/);
    } finally {
      await db.pool.query('drop role status_reader');
    }
  });

  it('gives one row per account as JSON', async () => {
    const rows = JSON.parse(await status('--accounts', '--format', 'json')) as Record<string, unknown>[];
    const of = (account: string) => rows.find((row) => row['account_id'] === account)!;
    const some = (row: Record<string, unknown>, names: string[]) => names.map((name) => row[name]);
    const streaks = [
      'is_stale',
      'failed_in_a_row',
      'partial_in_a_row',
      'rejected_waiting',
      'rejected_not_kept',
      'is_running',
    ];
    assert.deepEqual(some(of(BUSY), streaks), [false, 0, 2, 1, 12, true]);
    assert.deepEqual(some(of(STALE), streaks), [true, 3, 0, 0, 0, false]);
    assert.deepEqual(some(of(RETIRED), streaks), [null, 0, 0, 0, 0, false]);
    assert.deepEqual(some(of(NEW), streaks), [null, 0, 0, 0, 0, false]);
    const slot = ['last_slot', 'last_slot_status', 'last_slot_run_id', 'next_slot'];
    assert.deepEqual(some(of(STALE), slot), [FIRST, 'failed', 7, NEXT]);
    assert.equal(of(BUSY)['stale_after_seconds'], (62 * DAY) / 1000);
    const age = of(STALE)['age_seconds'] as number;
    assert.ok(age >= (100 * DAY) / 1000 && age < (101 * DAY) / 1000);
    const csv = await status('--accounts', '--format', 'csv', '--account', STALE);
    assert.equal(csv.split('\n').length, 3);
    assert.match(csv, /^account_id,label,retired_at,snapshot_id,/);
  });

  it('still gives the runs as JSON without --accounts', async () => {
    const rows = JSON.parse(await status('--format', 'json')) as Record<string, unknown>[];
    assert.equal(rows.length, 9);
    assert.deepEqual(Object.keys(rows[0]!).slice(0, 4), ['account_id', 'run_id', 'trigger', 'scheduled_for']);
  });

  it('sums up many accounts, and names those that need a look; --all and JSON have each', async () => {
    const own = await migratedDatabase();
    try {
      const sample = sampleHistory(own.pool);
      const many = Array.from({ length: 23 }, (_, n) => `a${String(n).padStart(31, '0')}`);
      for (const account of many.slice(1)) await sample.snapshot(await sample.account(account), ago(DAY));
      const key = await sample.account(many[0]!, 'Head office');
      const failure = { status: 'failed', error_code: 'NETWORK', error_message: 'x' } as const;
      await sample.run({ account_key: key, started_at: ago(DAY), scheduled_for: FIRST, ...failure });
      const { stdout, code } = await runStatus(own.url);
      assert.equal(code, 0);
      assert.match(stdout, /^23 accounts with 0 users: 22 fresh, 1 new$/m);
      assert.match(stdout, /^no sync is running$/m);
      assert.match(stdout, /^a0{31}  1 failed run/m);
      assert.doesNotMatch(stdout, /^a0{30}1/m);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
      const all = (await runStatus(own.url, '--all', '--accounts')).stdout;
      for (const account of many) assert.ok(all.includes(account));
      const one = (await runStatus(own.url, '--account', many[5]!)).stdout;
      assert.match(one, /^a0{30}5  0 users, 24 h ago/m);
      const rows = JSON.parse((await runStatus(own.url, '--accounts', '--json')).stdout) as unknown[];
      assert.equal(rows.length, 23);
    } finally {
      await own.close();
    }
  });
});
