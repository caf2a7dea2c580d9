// `export`: every dataset in every format equals the tables, from one state of the database, with what the options choose.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { from } from 'pg-copy-streams';
import { DATASET_NAMES, datasetOf } from '../../src/export/datasets.ts';
import { exportDatasets, keepFiles } from '../../src/export/export-datasets.ts';
import { openFile } from '../../src/export/output.ts';
import { DATASET_TRUTH } from '../support/oracle/dataset-truth.ts';
import type { CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { labelAccount } from '../../src/upkeep/accounts.ts';
import { recordFailure } from '../../src/sync/record-run.ts';
import { emptyFacts } from '../support/world/publish-request.ts';
import { OperatorError } from '../../src/errors.ts';

const ONE = '1'.repeat(32);
const TWO = '2'.repeat(32);
const USERS = 40;
/** Text that CSV must quote, that JSON must escape, and that a spreadsheet would run. */
const NAME = `case n % 8 when 0 then null when 1 then '' when 2 then '=1+1' when 3 then E'two\\nlines, "quoted" \\\\N \\\\.'
  when 4 then E'\\t@tab' when 5 then E'\\u0001\\u2028\\U0001F469' when 6 then '＝wide' else '-dash' end`;
const ROLE = `feed_${randomBytes(6).toString('hex')}`;

const EVERYTHING = {
  accounts: null,
  since: null,
  until: null,
  snapshotId: null,
  format: 'csv',
  gzip: false,
  forPeople: false,
} as const;

let db: MigratedDatabase;
let folder: string;
let readerUrl: string;

before(async () => {
  db = await migratedDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'export-'));
  for (const id of [ONE, TWO]) {
    const lease = await claimAccount(db.pool, id);
    await seedAccount(db.pool, lease, { keys: USERS, present: 'n % 5 <> 0', name: NAME });
    if (id === TWO) await recordFailure(db.pool, lease, emptyFacts(), failure(), false);
    else await raiseAndClear(lease.accountKey);
  }
  await db.pool.query(
    `insert into risk.retention values (2, 'activity', '2000-01-01Z', null, 7, '2026-01-01Z', 1)`,
  );
  await labelAccount(db.pool, ONE, '=Head office');
  await db.pool.query(`create role ${ROLE} login password 'reader'`);
  await db.pool.query(`grant usage on schema risk, risk_bi to ${ROLE}`);
  await db.pool.query(
    `grant select on risk.accounts, risk.users, risk_bi.feed_clock, risk_bi.feed_epochs to ${ROLE}`,
  );
  const url = new URL(db.url);
  url.username = ROLE;
  url.password = 'reader';
  readerUrl = url.href;
});

after(async () => {
  await db.pool.query(`drop owned by ${ROLE}`);
  await db.pool.query(`drop role ${ROLE}`);
  await db.close();
  await rm(folder, { recursive: true });
});

function failure(): OperatorError {
  return new OperatorError({ code: 'NETWORK', happened: '+a', means: 'b', todo: 'c' });
}

const LATER = '2026-01-02T00:00:00Z';

/** A second snapshot, in which one user rose and one was cleared. */
async function raiseAndClear(account: number): Promise<void> {
  await db.pool.query(`
    with clock as (update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1 where account_key = 0 returning last_snapshot_id as id),
    snapshot as (insert into risk.snapshots select ${account}, id, '${LATER}', 'complete', 0.04, false, 31, 31, 0, 700, 0, 1, 0, 1, 0 from clock),
    closed as (update risk.user_levels l set valid_to = '${LATER}', end_reason = case l.user_key when 1 then 'reset' else 'changed' end, snapshot_id = clock.id
      from clock where l.account_key = ${account} and l.user_key in (1, 3) returning l.user_key, l.max_risk_level, l.snapshot_id),
    moved as (update risk.users u set max_risk_level = case u.user_key when 3 then 'high' end, snapshot_id = clock.id,
             level_since = case u.user_key when 3 then '${LATER}'::timestamptz end, cleared_at = case u.user_key when 1 then '${LATER}'::timestamptz end
      from clock where u.account_key = ${account} and u.user_key in (1, 3))
    insert into risk.user_levels (account_key, user_key, valid_from, max_risk_level, previous_level, change, snapshot_id)
    select ${account}, user_key, '${LATER}', 'high', max_risk_level, 'raised', snapshot_id from closed where user_key = 3`);
}

const cli = (...args: string[]) => runCommand(['export', ...args], { DATABASE_URL: db.url }, folder);

async function exported(...args: string[]): Promise<CliResult> {
  const result = await cli(...args);
  assert.equal(result.code, 0, result.stderr);
  return result;
}

const at = (...parts: string[]) => path.join(folder, ...parts);
const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const rowsOf = async (...args: string[]) => lines((await exported(...args, '--format', 'ndjson')).stdout);

for (const name of DATASET_NAMES) {
  test(`${name}: NDJSON and CSV hold exactly the rows of the tables`, async () => {
    const columns = datasetOf(name, true).columns.map((column) => column.name);
    const select = `select ${columns.map((column) => `"${column}"`).join(', ')} from (${DATASET_TRUTH[name]}) t`;
    const { rows } = await db.pool.query<{ row: string }>(
      `select to_jsonb(r)::text as row from (${select}) r`,
    );
    const expected = rows.map(({ row }) => row).toSorted();
    assert.ok(expected.length > 0);
    const json = lines((await exported(name, '--identities', '--format', 'ndjson')).stdout);
    for (const row of json) assert.deepEqual(Object.keys(row), columns);
    const csv = (await exported(name, '--identities')).stdout;
    assert.equal(csv.slice(0, csv.indexOf('\n')), columns.join(','));
    assert.deepEqual(await loaded(select, csv, null), expected, 'CSV');
    assert.deepEqual(await loaded(select, null, json), expected, 'NDJSON');
    assert.equal(columns[0], 'account_id');
    assert.ok(columns.includes(['accounts', 'runs', 'retention'].includes(name) ? 'feed_id' : 'snapshot_id'));
  });
}

/** The rows after they were loaded into a table with the types of `like`: CSV by COPY, as a warehouse does it. */
async function loaded(like: string, csv: string | null, json: unknown): Promise<string[]> {
  const client = await db.pool.connect();
  try {
    await client.query('begin');
    await client.query(`create temporary table loaded on commit drop as ${like} limit 0`);
    if (csv !== null)
      await pipeline(Readable.from([csv]), client.query(from('copy loaded from stdin (format csv, header)')));
    else
      await client.query('insert into loaded select * from json_populate_recordset(null::loaded, $1)', [
        JSON.stringify(json),
      ]);
    const { rows } = await client.query<{ row: string }>('select to_jsonb(r)::text as row from loaded r');
    return rows.map(({ row }) => row).toSorted();
  } finally {
    await client.query('rollback');
    client.release();
  }
}

test('all writes every dataset that a later export can continue into a folder; a file appears whole, and nothing else is left', async () => {
  const { stdout } = await exported('all', '--out', at('all'), '--gzip');
  const names = (await readdir(at('all'))).toSorted();
  const goesOn = DATASET_NAMES.filter((name) => !['identities', 'snapshot-users'].includes(name));
  assert.deepEqual(names, ['datapackage.json', ...goesOn.map((name) => `${name}.csv.gz`)].toSorted());
  const text = gunzipSync(await readFile(at('all', 'users.csv.gz'))).toString();
  assert.equal(text, (await exported('users')).stdout);
  assert.match(stdout, /^users: 80 rows, \d+\.\d kB in .+users\.csv\.gz$/m);
  assert.match(stdout, /^Watermark \d+\. The next time, only what is new: --after \d+$/m);
  await exported('all', '--identities', '--format', 'ndjson', '--out', `${at('new')}/`);
  assert.ok((await readdir(at('new'))).includes('identities.ndjson'));
});

test('a single file takes its format from its file extension, and replaces an earlier file in one step', async () => {
  await writeFile(at('users.ndjson.gz'), 'old');
  await exported('users', '--out', at('users.ndjson.gz'));
  const rows = lines(gunzipSync(await readFile(at('users.ndjson.gz'))).toString());
  assert.equal(rows.length, 2 * USERS);
});

test('datasets show one state of the database, whatever is published meanwhile, and the watermark belongs to that state', async () => {
  const feed = async () =>
    (await db.rows<{ id: number }>('select feed_id::float8 as id from risk_bi.feed_clock'))[0]!.id;
  const before = await feed();
  const users = (await exported('users')).stdout;
  const part = (name: 'accounts' | 'users', open = async () => {}) => ({
    dataset: datasetOf(name, false),
    after: () => 0,
    open: async () => {
      await open();
      return openFile(at(`${name}.meanwhile.csv`));
    },
  });
  const result = await exportDatasets(
    { pool: db.pool, signal: new AbortController().signal, onProgress: () => undefined },
    {
      ...EVERYTHING,
      parts: [
        part('accounts'),
        part('users', async () => {
          const lease = await claimAccount(db.pool, '3'.repeat(32));
          await seedAccount(db.pool, lease, { keys: 3 });
        }),
      ],
    },
    () => undefined,
  );
  assert.ok(result !== null);
  assert.equal(result.feed[0]?.feedId, before);
  await keepFiles(result.written);
  assert.equal(await readFile(at('users.meanwhile.csv'), 'utf8'), users);
  assert.ok((await feed()) > before);
  const fresh = await rowsOf('users', '--after', String(before));
  assert.deepEqual([...new Set(fresh.map((row) => row['account_id']))], ['3'.repeat(32)]);
});

test('--account chooses by id or label, and --after also gives rows that were closed or changed since', async () => {
  const ids = async (...args: string[]) => [
    ...new Set((await rowsOf(...args)).map((row) => row['account_id'])),
  ];
  for (const name of DATASET_NAMES.filter((one) => one !== 'identities')) {
    const chosen = await ids(name, '--account', TWO);
    assert.deepEqual(chosen, name === 'level-changes' ? [] : [TWO], name);
  }
  assert.deepEqual(await ids('users', '--account', '=head OFFICE'), [ONE]);
  assert.deepEqual(await ids('users', '--account', '=Head office', '--account', TWO), [ONE, TWO]);
  const [, newest] = await rowsOf('snapshots', '--account', ONE);
  const after = String(Number(newest!['snapshot_id']) - 1);
  const levels = await rowsOf('levels', '--account', ONE, '--after', after);
  assert.deepEqual(
    levels.map((row) => [row['end_reason'], row['change']]).toSorted(),
    [
      ['changed', 'appeared'],
      [null, 'raised'],
      ['reset', 'appeared'],
    ].toSorted(),
  );
  assert.equal((await rowsOf('users', '--account', ONE, '--after', after)).length, 2);
  const runs = await rowsOf('runs', '--after', after);
  assert.deepEqual(
    runs.map((row) => [row['status'], row['error_code']]),
    [['failed', 'NETWORK']],
  );
});

test('--since and --until choose rows of a time, and periods that overlap it', async () => {
  const of = (...args: string[]) => rowsOf(...args, '--account', ONE);
  assert.equal((await of('snapshots', '--since', LATER)).length, 1);
  assert.equal((await of('snapshots', '--until', LATER)).length, 1);
  const ended = (row: Record<string, unknown>) => row['valid_to'] === null;
  assert.ok((await of('levels', '--since', LATER)).every(ended), 'a period that ended then is over');
  const early = await of('levels', '--since', '2025-12-31', '--until', LATER);
  assert.equal(early.length, USERS);
  assert.equal((await of('levels', '--until', '2025-12-30')).length, 0);
  assert.equal((await of('users', '--until', '2025-12-30')).length, USERS, 'users have no time');
  const said = (await cli('snapshots', '--since', '7d')).stderr;
  assert.doesNotMatch(said, /Watermark/, 'rows outside the span would be missing');
});

test('snapshot-users is the newest snapshot or the one that is named, with email and name only if asked for', async () => {
  const [first] = await rowsOf('snapshots', '--account', ONE);
  const named = await rowsOf('snapshot-users', '--snapshot', String(first!['snapshot_id']));
  assert.equal(named.length, 32);
  assert.equal((await rowsOf('snapshot-users', '--account', ONE)).length, 31);
  assert.ok(!('email' in named[0]!));
  await refused('SNAPSHOT_NOT_FOUND', 1, 'snapshot-users', '--snapshot', '999');
});

test('CSV is raw for programs; for people, no text begins like a formula', async () => {
  const cells = async (...args: string[]) =>
    (await exported('identities', '--identities', '--account', TWO, ...args)).stdout;
  const raw = await cells();
  assert.match(raw, /,=1\+1,/);
  const people = await cells('--for-people');
  for (const start of ["'=1+1", "'\t@tab", "'＝wide", "'-dash"])
    assert.ok(people.includes(`,${start}`), start);
  assert.doesNotMatch(people, /,"?[=+@\t＝-]/);
  const runs = (await exported('runs', '--for-people')).stdout;
  assert.match(runs, /,'\+a/);
});

async function refused(code: string, exit: number, ...args: string[]): Promise<void> {
  const result = await cli(...args);
  assert.match(result.stderr, new RegExp(`^error ${code}: `), args.join(' '));
  assert.deepEqual([result.code, result.stdout], [exit, ''], args.join(' '));
}

test('options that contradict each other exit 64, and nothing is written', async () => {
  await refused('IDENTITIES_NOT_ASKED', 64, 'identities');
  await refused('EXPORT_OPTIONS', 64, 'users', 'runs');
  await refused('EXPORT_OPTIONS', 64, 'all', '--out', at('one.csv'));
  await refused('WATERMARK_UNKNOWN', 64, 'runs', '--after', '9999');
  await refused('TIMES_SWAPPED', 64, 'runs', '--since', '2026-02-01', '--until', '2026-01-01');
  await refused('ACCOUNT_UNKNOWN', 1, 'users', '--account', 'nobody');
  assert.equal((await cli('nothing')).code, 64);
  assert.ok(!(await readdir(folder)).includes('one.csv'));
});

test('a role that may not read a dataset gets 77 and the role to ask for', async () => {
  const reader = (...args: string[]) => runCommand(['export', ...args], { DATABASE_URL: readerUrl }, folder);
  const users = await reader('users');
  assert.equal(users.code, 0, users.stderr);
  assert.match(users.stderr, /^Watermark \d+/m);
  for (const [code, ...args] of [
    ['DATABASE_PERMISSION', 'users', 'levels', '--out', at('denied')],
    ['IDENTITIES_DENIED', 'identities', '--identities'],
    ['IDENTITIES_DENIED', 'snapshot-users', '--identities'],
  ] as const) {
    const result = await reader(...args);
    assert.equal(result.code, 77);
    assert.match(
      result.stderr,
      new RegExp(`^error ${code}: .*\\n.*\\n.*(risk_reader|risk\\.user_identities)`),
    );
  }
  assert.deepEqual(await readdir(at('denied')), [], 'of several datasets, all or none');
});

test('an export that cannot be written, or is interrupted, leaves no file and keeps the earlier one', async () => {
  const stop = new AbortController();
  const target = at('kept.csv');
  await writeFile(target, 'earlier');
  const part = { dataset: datasetOf('users', false), after: () => 0, open: () => openFile(target) };
  const interrupted = exportDatasets(
    { pool: db.pool, signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) },
    { ...EVERYTHING, parts: [part] },
    () => undefined,
  );
  await assert.rejects(interrupted, /^Error: stopped$/);
  await refused('OUTPUT_FAILED', 1, 'users', '--out', at('kept.csv', 'below-a-file.csv'));
  assert.equal(await readFile(target, 'utf8'), 'earlier');
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith('.part')),
    [],
  );
  assert.equal((await db.pool.query('select 1')).rowCount, 1);
});
