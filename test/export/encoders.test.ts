// The encoders, on random rows: CSV and NDJSON are byte for byte what PostgreSQL writes by itself, and DuckDB reads
// Parquet back as the same rows.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { copyOut } from '../../src/db/copy-out.ts';
import type { PoolClient } from '../../src/db/pool.ts';
import type { Column, ColumnKind } from '../../src/export/datasets.ts';
import { encodeText } from '../../src/export/encode-text.ts';
import { encodeParquet } from '../../src/export/parquet/encode-parquet.ts';
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
const COLUMNS: Column[] = KINDS.map((kind) => ({ name: kind, kind, sql: kind }));

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
  // Long texts have no statistics.
  outside: fc.oneof(anyText, fc.constant('x'.repeat(5_000))),
  uuid: fc.uuid(),
  time: micros.map(String),
  integer: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  bigint: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.maxSafeNat().map(String),
  ),
  // JavaScript and PostgreSQL write very small numbers in different ways, which readers take for the same.
  double: fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 10_000),
  boolean: fc.boolean(),
};
/** Rows repeat values, so that there are dictionaries and runs. */
const rowsOf = fc
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
    `create temporary table random_rows (n integer, ${KINDS.map((kind) => `"${kind}" ${TYPES[kind][0]}`).join(', ')})`,
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

async function copied(statement: string): Promise<Buffer> {
  const copy = copyOut(client, statement);
  try {
    return await buffer(copy.stream);
  } finally {
    copy.close();
  }
}

/** In pieces, as they come from a socket. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function encoded(encode: ReturnType<typeof encodeText>, bytes: Buffer, size: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of encode(pieces(bytes, size))) parts.push(part);
  return Buffer.concat(parts);
}

const TEXT = KINDS.map((kind) => {
  if (kind === 'time') return `to_char(timezone('UTC', "time"), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "time"`;
  return `"${kind}"`;
});
const ofText = (boolean: string) =>
  `select ${TEXT.map((value) => (value === '"boolean"' ? boolean : value)).join(', ')} from random_rows order by n`;

test('CSV and NDJSON of any rows are what PostgreSQL writes, and DuckDB reads Parquet back', async () => {
  await fc.assert(
    fc.asyncProperty(rowsOf, fc.integer({ min: 50, max: 70_000 }), async (rows, size) => {
      await fill(rows);
      const names = KINDS.map((kind) => `"${kind}"`).join(', ');
      const binary = await copied(
        `copy (select ${names} from random_rows order by n) to stdout (format binary)`,
      );
      const csv = await copied(`copy (${ofText('"boolean"::text')}) to stdout (format csv, header)`);
      assert.equal((await encoded(encodeText(COLUMNS, 'csv'), binary, size)).toString(), csv.toString());
      const { rows: json } = await client.query<{ line: string }>(
        `select row_to_json(r)::text as line from (${ofText('"boolean"')}) r`,
      );
      const lines = json.map(({ line }) => `${line}\n`).join('');
      assert.equal((await encoded(encodeText(COLUMNS, 'ndjson'), binary, size)).toString(), lines);
      await assertParquet(await copiedForParquet(), size);
    }),
    { numRuns: RUNS },
  );
});

/** Parquet has ids as text, and the COPY gives them so. */
function copiedForParquet(): Promise<Buffer> {
  const values = KINDS.map((kind) => (kind === 'uuid' ? '"uuid"::text' : `"${kind}"`)).join(', ');
  return copied(`copy (select ${values} from random_rows order by n) to stdout (format binary)`);
}

async function assertParquet(binary: Buffer, size: number): Promise<void> {
  const file = path.join(folder, 'rows.parquet');
  await writeFile(file, await encoded(encodeParquet(COLUMNS), binary, size));
  const columns = KINDS.map((kind) => (kind === 'time' ? 'epoch_us("time") as "time"' : `"${kind}"`));
  const found = await duckdb<Record<string, unknown>>(
    `select ${columns.join(', ')} from read_parquet('${file}')`,
  );
  const values = KINDS.map((kind) =>
    kind === 'time' ? `(extract(epoch from "time") * 1000000)::bigint as "time"` : `"${kind}"`,
  );
  const { rows } = await client.query<Record<string, unknown>>(
    `select ${values.join(', ')} from random_rows order by n`,
  );
  const plain = (row: Record<string, unknown>) =>
    KINDS.map((kind) => (typeof row[kind] === 'bigint' ? String(row[kind]) : row[kind]));
  assert.deepEqual(found.map(plain), rows.map(plain));
}
