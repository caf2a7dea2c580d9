// DuckDB reads any rows in each format back as the same rows. PostgreSQL does so for CSV. The readers' zone is not UTC,
// so that a time counts as an instant.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { from } from 'pg-copy-streams';
import { copyOut } from '../../src/db/copy-out.ts';
import { PINNED_SETTINGS, type PoolClient } from '../../src/db/pool.ts';
import type { DatasetColumn, ColumnKind, Dataset } from '../../src/export/datasets.ts';
import { encodeParquet } from '../../src/export/encode-parquet.ts';
import { copyStatement, type ExportFormat } from '../../src/export/select-rows.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { duckdb } from '../support/duckdb.ts';

const RUNS = 12;
const TYPES: Record<ColumnKind, [postgres: string, duckdb: string]> = {
  text: ['text', 'VARCHAR'],
  outside: ['text', 'VARCHAR'],
  uuid: ['uuid', 'VARCHAR'],
  time: ['timestamptz', 'TIMESTAMPTZ'],
  integer: ['integer', 'INTEGER'],
  bigint: ['bigint', 'BIGINT'],
  double: ['float8', 'DOUBLE'],
  boolean: ['boolean', 'BOOLEAN'],
};
const KINDS = Object.keys(TYPES) as ColumnKind[];
const COLUMNS: DatasetColumn[] = [
  { name: 'n', kind: 'integer', sql: 'n' },
  ...KINDS.map((kind) => ({ name: kind, kind, sql: `"${kind}"` })),
];
const DATASET: Dataset = { name: 'users', about: '', columns: COLUMNS, from: 'random_rows', stamp: 'n' };
const ALL = { accounts: null, after: 0, since: null, until: null, snapshots: [] };

/** PostgreSQL has no NUL in a text. */
const anyText = fc
  .string({ unit: 'binary', maxLength: 12 })
  .map((text) => text.replaceAll('\0', '').toWellFormed());
const signs = fc
  .array(fc.constantFrom('"', ',', '\n', '\r', '\\', '\\.', '\t', "'", 'a', 'ü'))
  .map((list) => list.join(''));
const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
const VALUES: Record<ColumnKind, fc.Arbitrary<string | number | boolean>> = {
  text: fc.oneof(anyText, signs),
  outside: fc.oneof(anyText, fc.constant('x'.repeat(5_000))),
  uuid: fc.uuid(),
  time: micros.map(String),
  integer: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  bigint: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.maxSafeNat().map(String),
  ),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  boolean: fc.boolean(),
};
/** Rows repeat values, so that there are dictionaries and runs. */
const anyRows = fc
  .tuple(
    ...KINDS.map((kind) => fc.array(fc.option(VALUES[kind], { freq: 4 }), { minLength: 1, maxLength: 30 })),
  )
  .chain((pools) =>
    fc.array(
      fc.record({
        times: fc.constantFrom(1, 1, 3, 20),
        row: fc.tuple(...pools.map((pool) => fc.constantFrom(...pool))),
      }),
      { maxLength: 120 },
    ),
  )
  .map((runs) => runs.flatMap(({ times, row }) => Array.from({ length: times }, () => row)));

let db: MigratedDatabase;
let client: PoolClient;
let folder: string;

before(async () => {
  db = await migratedDatabase();
  client = await db.pool.connect();
  await client.query(
    `create temporary table random_rows (n integer, ${KINDS.map((kind) => `"${kind}" ${TYPES[kind][0]}`).join(', ')});
     create temporary table loaded_rows (like random_rows)`,
  );
  folder = await mkdtemp(path.join(tmpdir(), 'encoders-'));
});
after(async () => {
  client.release();
  await db.close();
  await rm(folder, { recursive: true });
});

async function fill(rows: readonly (readonly unknown[])[]): Promise<void> {
  await client.query('truncate random_rows');
  const values = KINDS.map((kind, n) => {
    const value = `(r -> 'row' ->> ${n})`;
    if (kind !== 'time') return `${value}::${TYPES[kind][0]}`;
    return `'1970-01-01Z'::timestamptz + (${value}::bigint / 1000000) * interval '1 s' + (${value}::bigint % 1000000) * interval '1 microsecond'`;
  });
  await client.query(
    `insert into random_rows select (r ->> 'n')::integer, ${values.join(', ')} from json_array_elements($1) r`,
    [JSON.stringify(rows.map((row, n) => ({ n, row })))],
  );
}

async function copied(format: ExportFormat): Promise<Buffer> {
  await client.query(`begin; ${PINNED_SETTINGS}`);
  const copy = copyOut(client, copyStatement(DATASET, ALL, format, false));
  try {
    return await buffer(copy.stream);
  } finally {
    copy.close();
    await client.query('rollback');
  }
}

/** In pieces, as they arrive from a socket. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

type Row = Record<string, unknown>;
/** A time is its number of microseconds, in DuckDB and in PostgreSQL. */
const inDuckdb = COLUMNS.map(({ name }) => (name === 'time' ? 'epoch_us("time") as "time"' : `"${name}"`));
const inPostgres = COLUMNS.map(({ name }) =>
  name === 'time' ? `(extract(epoch from "time") * 1000000)::bigint as "time"` : `"${name}"`,
);
const plain = (row: Row) =>
  COLUMNS.map(({ name }) => (typeof row[name] === 'bigint' ? String(row[name]) : row[name]));

async function rowsOf(table: string): Promise<unknown[][]> {
  const { rows } = await client.query<Row>(`select ${inPostgres.join(', ')} from ${table} order by n`);
  return rows.map(plain);
}

async function readByDuckdb(table: string): Promise<unknown[][]> {
  return (
    await duckdb<Row>(`set timezone = 'Asia/Kolkata'; select ${inDuckdb.join(', ')} from ${table} order by n`)
  ).map(plain);
}

async function readByPostgres(csv: Buffer): Promise<unknown[][]> {
  await client.query(`set timezone = 'Asia/Kolkata'; truncate loaded_rows`);
  const load = client.query(from('copy loaded_rows from stdin (format csv, header)'));
  await pipeline(Readable.from([csv]), load);
  return rowsOf('loaded_rows');
}

const TYPED = COLUMNS.map(({ name, kind }) => `"${name}": '${TYPES[kind][1]}'`).join(', ');

test('any rows are read back as the same rows and the same instants, from every format', async () => {
  const at = (ending: string) => path.join(folder, `rows.${ending}`);
  await fc.assert(
    fc.asyncProperty(anyRows, fc.integer({ min: 50, max: 70_000 }), async (rows, size) => {
      await fill(rows);
      const truth = await rowsOf('random_rows');
      const csv = await copied('csv');
      await writeFile(at('csv'), csv);
      await writeFile(at('ndjson'), await copied('ndjson'));
      await writeFile(at('parquet'), encodeParquet(COLUMNS)(pieces(await copied('parquet'), size)));
      assert.deepEqual(await readByPostgres(csv), truth);
      assert.deepEqual(await readByDuckdb(`read_parquet('${at('parquet')}')`), truth);
      if (rows.length === 0) return;
      const json = `read_json('${at('ndjson')}', format = 'newline_delimited', columns = {${TYPED}})`;
      assert.deepEqual(await readByDuckdb(json), truth);
      const quoted = `header = true, quote = '"', escape = '"', allow_quoted_nulls = false, parallel = false`;
      assert.deepEqual(
        await readByDuckdb(`read_csv('${at('csv')}', ${quoted}, columns = {${TYPED}})`),
        truth,
      );
    }),
    { numRuns: RUNS },
  );
});
