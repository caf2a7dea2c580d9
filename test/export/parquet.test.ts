// `export --format parquet`: DuckDB reads every dataset back with its types and exactly the rows of the NDJSON export.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { binaryRows } from '../../src/export/binary-rows.ts';
import { DATASET_NAMES, datasetOf, type ColumnKind } from '../../src/export/datasets.ts';
import { recordFailure } from '../../src/sync/record-run.ts';
import { OperatorError } from '../../src/errors.ts';
import { duckdb } from '../support/duckdb.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { emptyFacts } from '../support/world/publish-request.ts';

const USERS = 1_000;
/** With these, the activity has several row groups. */
const MORE = 20_000;
const TYPES: Record<ColumnKind, string> = {
  text: 'VARCHAR',
  outside: 'VARCHAR',
  uuid: 'VARCHAR',
  time: 'TIMESTAMP WITH TIME ZONE',
  integer: 'INTEGER',
  bigint: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
};

let db: MigratedDatabase;
let folder: string;

before(async () => {
  db = await migratedDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'parquet-'));
  const lease = await claimAccount(db.pool, '1'.repeat(32));
  await seedAccount(db.pool, lease, {
    keys: USERS,
    present: 'n % 5 <> 0',
    name: `case n % 3 when 0 then null when 1 then '' else E'\\u00fc\\U0001F469\\n' || n end`,
    lastEvent: `case n when 1 then '0001-01-01Z'::timestamptz when 2 then '9999-12-31 23:59:59.999999Z' else '1969-12-31Z'::timestamptz + n * interval '1.000001 s' end`,
  });
  await db.pool
    .query(`insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
    select ${lease.accountKey}, 1, '2026-01-02Z'::timestamptz + n * interval '1 s', 100, '2026-01-01Z'::timestamptz + n * interval '1 s', 1 from generate_series(1, ${MORE}) n`);
  const error = new OperatorError({ code: 'NETWORK', happened: 'a', means: 'b', todo: 'c' });
  await recordFailure(db.pool, lease, emptyFacts(), error, false);
  await db.pool.query(
    `insert into risk.retention values (${lease.accountKey}, 'activity', '2000-01-01Z', null, 7, '2026-01-01Z', 1)`,
  );
});
after(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

async function exported(...args: string[]): Promise<void> {
  const result = await runCommand(['export', ...args], { DATABASE_URL: db.url });
  assert.equal(result.code, 0, result.stderr);
}

for (const name of DATASET_NAMES) {
  test(`${name}: DuckDB finds the types and the rows of the tables`, async () => {
    const [parquet, json] = ['parquet', 'ndjson'].map((ending) => path.join(folder, `${name}.${ending}`));
    for (const out of [parquet!, json!]) await exported(name, '--identities', '--out', out);
    const columns = datasetOf(name, true).columns.map((one) => [one.name, TYPES[one.kind]] as const);
    const described = await duckdb<{ column_name: string; column_type: string }>(
      `describe select * from read_parquet('${parquet}')`,
    );
    assert.deepEqual(
      described.map((one) => [one.column_name, one.column_type]),
      columns,
    );
    const types = columns.map(([column, type]) => `"${column}": '${type}'`).join(', ');
    const rows = `read_json('${json}', format = 'newline_delimited', columns = {${types}})`;
    const [found] = await duckdb<Record<string, bigint>>(`
      select (select count(*) from read_parquet('${parquet}')) as parquet, (select count(*) from ${rows}) as json,
             (select count(*) from (from read_parquet('${parquet}') except all from ${rows})) as differ`);
    assert.equal(found?.['parquet'], found?.['json']);
    assert.ok(found!['json']! > 0n || name === 'level-changes');
    assert.equal(found?.['differ'], 0n);
  });
}

test('a large dataset has row groups with statistics, compressed with zstd', async () => {
  const groups = await duckdb<{ rows: bigint; codec: string; low: string; high: string }>(
    `select row_group_num_rows as rows, compression as codec, stats_min_value as low, stats_max_value as high
       from parquet_metadata('${path.join(folder, 'activity.parquet')}') where path_in_schema = 'event_count' order by row_group_id`,
  );
  assert.deepEqual(
    groups.map(({ rows, codec }) => [rows, codec]),
    [...Array.from({ length: 4 }, () => [5_000n, 'ZSTD']), [1_000n, 'ZSTD']],
  );
  assert.equal(Math.min(...groups.map(({ low }) => Number(low))), 0);
  assert.equal(Math.max(...groups.map(({ high }) => Number(high))), 100);
});

test('the footer holds no email, name or id: only numbers and times have statistics', async () => {
  const file = path.join(folder, 'identities.parquet');
  const columns = await duckdb<{ name: string }>(
    `select distinct path_in_schema as name from parquet_metadata('${file}') where stats_min_value is not null`,
  );
  assert.deepEqual(columns.map(({ name }) => name).toSorted(), ['snapshot_id', 'user_key', 'valid_from']);
});

test('a dataset without rows is a file with its columns, and Parquet is not compressed twice', async () => {
  const file = path.join(folder, 'none.parquet');
  await exported('level-changes', '--out', file);
  assert.equal((await duckdb(`describe select * from read_parquet('${file}')`)).length, 7);
  assert.equal((await duckdb(`from read_parquet('${file}')`)).length, 0);
  for (const args of [
    ['--gzip', '--format', 'parquet'],
    ['--out', `${file}.gz`],
  ]) {
    const { code, stderr } = await runCommand(['export', 'users', ...args], { DATABASE_URL: db.url });
    assert.equal(code, 64);
    assert.match(stderr, /^error EXPORT_OPTIONS: Parquet was asked for together with gzip/);
  }
});

test('--partition makes folders that are read as one table, with account and day as columns', async () => {
  const lake = path.join(folder, 'lake');
  await exported('all', '--identities', '--partition', '--out', lake);
  for (const [name, day] of [
    ['activity', 'observed_at'],
    ['levels', 'valid_from'],
    ['runs', 'finished_at'],
    ['users', null],
  ] as const) {
    const table = `read_parquet('${lake}/${name}/**/*.parquet', hive_partitioning = true, hive_types = {'account': VARCHAR})`;
    const whole = `read_parquet('${path.join(folder, `${name}.parquet`)}')`;
    const keys = day === null ? 'account' : 'account, date';
    const days = `strftime(${day}::timestamp, '%Y-%m-%d')`;
    const [found] = await duckdb<Record<string, bigint>>(`
      select (select count(*) from ${table}) as partitioned, (select count(*) from ${whole}) as whole,
             (select count(*) from (select * exclude (${keys}) from ${table} except all from ${whole})) as differ,
             (select count(*) from ${table} where account <> account_id ${day === null ? '' : `or date::varchar <> ${days}`}) as misplaced`);
    assert.ok(found!['whole']! > 0n);
    assert.deepEqual(
      [found?.['partitioned'], found?.['differ'], found?.['misplaced']],
      [found?.['whole'], 0n, 0n],
      name,
    );
  }
  assert.deepEqual(await readdir(path.join(lake, 'activity')), [`account=${'1'.repeat(32)}`]);
  const days = await readdir(path.join(lake, 'activity', `account=${'1'.repeat(32)}`));
  assert.deepEqual(days.toSorted(), ['date=2025-12-31', 'date=2026-01-02']);
  assert.ok(!(await readdir(lake)).includes('level-changes'), 'there is no row of it');
});

test('--partition wants a new folder for each dataset, and leaves nothing when it fails', async () => {
  const lake = path.join(folder, 'other');
  const refused = async (pattern: RegExp, ...args: string[]) => {
    const { code, stderr } = await runCommand(['export', ...args, '--partition'], { DATABASE_URL: db.url });
    assert.match(stderr, pattern);
    assert.equal(code, 64);
  };
  await mkdir(path.join(lake, 'users'), { recursive: true });
  await writeFile(path.join(lake, 'users', 'old.parquet'), '');
  await refused(/^error EXPORT_OPTIONS: .*users is not empty/, 'activity', 'users', '--out', lake);
  assert.deepEqual(await readdir(lake), ['users']);
  await refused(/^error EXPORT_OPTIONS/, 'users', '--format', 'csv', '--out', lake);
  await refused(/^error EXPORT_OPTIONS/, 'users');
});

test('rows are the same wherever a chunk of the COPY ends', () => {
  const field = (text: string | null) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(text === null ? -1 : Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text ?? '')]);
  };
  const texts = [
    ['a', null, ''],
    ['ü', 'bcd', null],
  ];
  const bytes = Buffer.concat([
    Buffer.alloc(19),
    ...texts.map((row) => Buffer.concat([Buffer.from([0, row.length]), ...row.map(field)])),
    Buffer.from([0xff, 0xff]),
  ]);
  for (let size = 1; size <= bytes.length; size++) {
    const rows: (string | null)[][] = [[]];
    const take = binaryRows({
      field: (_, chunk, start, end) =>
        void rows.at(-1)?.push(start < 0 ? null : chunk.toString('utf8', start, end)),
      row: () => void rows.push([]),
    });
    for (let at = 0; at < bytes.length; at += size) take(bytes.subarray(at, at + size));
    assert.deepEqual(rows, [...texts, []], `chunks of ${size} bytes`);
  }
});
