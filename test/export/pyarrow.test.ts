// `export --format parquet`, read by pyarrow: types, numbers of rows and checksums are those of the tables. Skipped where
// Python has no pyarrow (test/support/python.ts).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DATASET_NAMES, datasetOf, type ColumnKind, type DatasetName } from '../../src/export/datasets.ts';
import { recordFailure } from '../../src/sync/record-run.ts';
import { OperatorError } from '../../src/errors.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { DATASET_TRUTH } from '../support/oracle/dataset-truth.ts';
import { missingPython, runPython } from '../support/python.ts';
import { runCommand } from '../support/run-command.ts';
import { emptyFacts } from '../support/world/publish-request.ts';

const script = await readFile(
  fileURLToPath(new URL('../support/oracle/read-parquet.py', import.meta.url)),
  'utf8',
);
const TYPES: Record<ColumnKind, string> = {
  text: 'string',
  outside: 'string',
  uuid: 'string',
  time: 'timestamp[us, tz=UTC]',
  integer: 'int32',
  bigint: 'int64',
  double: 'double',
  boolean: 'bool',
};
const skip = (await missingPython(['pyarrow'], 'pyarrow')) ?? false;

type Read = { types: Record<string, string>; rows: number; checksum: string };

async function history(): Promise<MigratedDatabase> {
  const db = await migratedDatabase();
  const lease = await claimAccount(db.pool);
  await seedAccount(db.pool, lease, {
    keys: 500,
    present: 'n % 5 <> 0',
    name: `case n % 4 when 0 then null when 1 then '' when 2 then repeat('long ', 40) else E'\\u00fc\\U0001F469\\n' || n end`,
    lastEvent: `case n when 1 then '0001-01-01Z'::timestamptz when 2 then '9999-12-31 23:59:59.999999Z' else '1969-12-31Z'::timestamptz + n * interval '1.000001 s' end`,
  });
  const error = new OperatorError({ code: 'NETWORK', happened: 'a', means: 'b', todo: 'c' });
  await recordFailure(db.pool, lease, emptyFacts(), error, false);
  await db.pool.query(
    `insert into risk.retention values (${lease.accountKey}, 'activity', '2000-01-01Z', null, 7, '2026-01-01Z', 1)`,
  );
  return db;
}

/** The same as read-parquet.py says of a file. */
async function truthOf(db: MigratedDatabase, name: DatasetName): Promise<Read> {
  const { columns } = datasetOf(name, true);
  const values = columns.map(({ name: column, kind }) =>
    kind === 'time' ? `(extract(epoch from "${column}") * 1000000)::bigint` : `"${column}"`,
  );
  const row = values.map((value) => `coalesce(${value}::text, '\\N')`).join(` || e'\\x1f' || `);
  const { rows } = await db.pool.query<{ row: string }>(
    `select ${row} as row from (${DATASET_TRUTH[name]}) t order by convert_to(${row}, 'UTF8')`,
  );
  return {
    types: Object.fromEntries(columns.map(({ name: column, kind }) => [column, TYPES[kind]])),
    rows: rows.length,
    checksum: createHash('sha256')
      .update(rows.map((one) => one.row).join('\x1e'))
      .digest('hex'),
  };
}

async function read(files: readonly string[]): Promise<Read[]> {
  return (await runPython(script, ...files))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Read);
}

test(
  'pyarrow finds the types, the rows and the checksums of the tables in every dataset',
  { skip },
  async (t) => {
    const db = await history();
    const folder = await mkdtemp(path.join(tmpdir(), 'pyarrow-'));
    t.after(async () => {
      await db.close();
      await rm(folder, { recursive: true });
    });
    const args = ['export', ...DATASET_NAMES, '--identities'];
    const exported = async (...how: string[]) => {
      const { code, stderr } = await runCommand([...args, ...how], { DATABASE_URL: db.url });
      assert.equal(code, 0, stderr);
    };
    await exported('--format', 'parquet', '--out', `${folder}/`);
    const files = DATASET_NAMES.map((name) => path.join(folder, `${name}.parquet`));
    for (const [n, found] of (await read(files)).entries())
      assert.deepEqual(found, await truthOf(db, DATASET_NAMES[n]!), DATASET_NAMES[n]);
    await exported('--partition', '--out', path.join(folder, 'lake'));
    const parts = await readdir(path.join(folder, 'lake', 'activity'), { recursive: true });
    const ofParts = await read(
      parts
        .filter((name) => name.endsWith('.parquet'))
        .map((name) => path.join(folder, 'lake', 'activity', name)),
    );
    assert.equal(
      ofParts.reduce((sum, { rows }) => sum + rows, 0),
      500,
    );
  },
);
