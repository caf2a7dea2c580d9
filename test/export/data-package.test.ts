// datapackage.json: it names the files that are there, and Frictionless accepts it and every row.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { DATASET_NAMES, datasetOf } from '../../src/export/datasets.ts';
import { feedResources } from '../../src/export/describe-package.ts';
import { packageFields, keyOf } from '../../src/export/describe-dataset.ts';
import { labelAccount } from '../../src/upkeep/accounts.ts';
import { recordFailure } from '../../src/sync/record-run.ts';
import { OperatorError } from '../../src/errors.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { missingPython, runPython } from '../support/python.ts';
import { runCommand } from '../support/run-command.ts';
import { emptyFacts } from '../support/world/publish-request.ts';

const ONE = '1'.repeat(32);
const TWO = '2'.repeat(32);
/** Null, an empty text, and text that CSV must quote. */
const NAME = `case n % 4 when 0 then null when 1 then '' when 2 then E'two\\nlines, "quoted"' else 'plain' end`;

type Resource = {
  name: string;
  path: string | string[];
  bytes?: number;
  compression?: string;
  mergeKey?: string[];
  schema: { fields: { name: string; type: string }[]; primaryKey?: string[]; foreignKeys?: unknown[] };
};

let db: MigratedDatabase;
let folder: string;
before(async () => {
  db = await migratedDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'data-package-'));
  await seedAccount(db.pool, await claimAccount(db.pool, ONE), {
    keys: 40,
    present: 'n % 5 <> 0',
    name: NAME,
  });
  const lease = await claimAccount(db.pool, TWO);
  await seedAccount(db.pool, lease, { keys: 10 });
  const failure = new OperatorError({ code: 'NETWORK', happened: 'a', means: 'b', todo: 'c' });
  await recordFailure(db.pool, lease, emptyFacts(), failure, false);
});
after(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const at = (...parts: string[]) => path.join(folder, ...parts);

async function exported(...args: string[]): Promise<void> {
  const { code, stderr } = await runCommand(['export', ...args], { DATABASE_URL: db.url }, folder);
  assert.equal(code, 0, stderr);
}

async function packageIn(name: string): Promise<{ $schema: string; resources: Resource[] }> {
  return JSON.parse(await readFile(at(name, 'datapackage.json'), 'utf8'));
}

test('a folder of files is described: every file with its columns, keys, references and size', async () => {
  await exported('all', 'snapshot-users', '--identities', '--gzip', '--out', at('whole/'));
  const { $schema, resources } = await packageIn('whole');
  assert.equal($schema, 'https://datapackage.org/profiles/2.0/datapackage.json');
  assert.deepEqual(resources.map(({ name }) => name).toSorted(), DATASET_NAMES.toSorted());
  for (const resource of resources) {
    const { name, schema } = resource;
    const file = `${name}.csv.gz`;
    assert.deepEqual([resource.path, resource.compression], [file, 'gz']);
    assert.equal(resource.bytes, (await stat(at('whole', file))).size);
    assert.deepEqual(
      schema.fields.map((field) => field.name),
      datasetOf(name as 'users', true).columns.map((column) => column.name),
    );
  }
  const of = (name: string) => resources.find((one) => one.name === name)!.schema;
  assert.deepEqual(of('levels').primaryKey, ['account_id', 'user_key', 'valid_from']);
  assert.deepEqual(of('snapshot-levels').foreignKeys, [
    { fields: ['account_id'], reference: { resource: 'accounts', fields: ['account_id'] } },
    {
      fields: ['account_id', 'snapshot_id'],
      reference: { resource: 'snapshots', fields: ['account_id', 'snapshot_id'] },
    },
  ]);
  assert.deepEqual(
    of('users').fields.find(({ name }) => name === 'max_risk_level'),
    {
      name: 'max_risk_level',
      type: 'string',
      description: 'Current level: low, medium or high; null if the user is cleared.',
      constraints: { enum: ['low', 'medium', 'high'] },
    },
  );
});

test('only a whole export with the referenced files has references', async () => {
  await exported('accounts', 'users', 'levels', '--after', '1', '--out', at('part/'));
  for (const { schema } of (await packageIn('part')).resources) assert.equal(schema.foreignKeys, undefined);
  await exported('levels', 'users', '--out', at('two/'));
  const { resources } = await packageIn('two');
  assert.deepEqual(
    resources.map(({ schema }) => schema.foreignKeys?.length ?? 0),
    [1, 0],
  );
});

test('it says from where the next export goes on, except after an export that is limited by time', async () => {
  const watermarksIn = async (name: string) =>
    (JSON.parse(await readFile(at(name, 'datapackage.json'), 'utf8')) as { watermarks?: unknown }).watermarks;
  await exported('levels', 'users', '--out', at('goes-on/'));
  const { rows } = await db.pool.query(
    'select account_id, feed_id::integer as feed_id, epoch from risk_bi.feed_clock',
  );
  assert.deepEqual(await watermarksIn('goes-on'), rows);
  await exported('levels', 'users', '--since', '2020-01-01', '--out', at('of-a-time/'));
  assert.equal(await watermarksIn('of-a-time'), undefined);
});

test('an NDJSON file without a row is left out, because Frictionless calls it broken', async () => {
  await exported('level-changes', 'users', '--format', 'ndjson', '--out', at('empty/'));
  assert.equal((await stat(at('empty/level-changes.ndjson'))).size, 0);
  assert.deepEqual(
    (await packageIn('empty')).resources.map(({ name }) => name),
    ['users'],
  );
  await exported('level-changes', '--format', 'ndjson', '--out', at('empty/'));
  assert.ok(!existsSync(at('empty/datapackage.json')));
});

test('one file, the standard output and partitions have no package', async () => {
  await exported('users', '--out', at('users.csv'));
  await exported('users');
  await exported('users', '--partition', '--out', at('lake/'));
  assert.ok(!existsSync(at('datapackage.json')) && !existsSync(at('lake/datapackage.json')));
});

test('an export that cannot name its files leaves no package of earlier files', async () => {
  await exported('users', '--out', at('again/'));
  await rm(at('again/users.csv'));
  await exported('accounts', '--out', at('again/users.csv/'));
  const { code } = await runCommand(['export', 'users', '--out', at('again/')], { DATABASE_URL: db.url });
  assert.equal(code, 1);
  assert.ok(!existsSync(at('again/datapackage.json')));
});

test('a feed describes the files that its state lists, in their order', async () => {
  const feed = (...args: string[]) => exported(...args, '--out', at('feed'), '--state', at('feed.json'));
  await feed('users', 'levels');
  await labelAccount(db.pool, ONE, 'Head office');
  await seedAccount(db.pool, await claimAccount(db.pool, '3'.repeat(32)), { keys: 5 });
  await feed('all');
  const { files } = JSON.parse(await readFile(at('feed.json'), 'utf8')) as { files: { name: string }[] };
  const { resources } = await packageIn('feed');
  const users = resources.find(({ name }) => name === 'users')!;
  assert.deepEqual(
    users.path,
    files.map(({ name }) => name).filter((name) => name.startsWith('users-')),
  );
  assert.deepEqual([users.schema.primaryKey, users.mergeKey], [undefined, ['account_id', 'user_key']]);
  assert.deepEqual(resources.flatMap((one) => one.path).toSorted(), files.map(({ name }) => name).toSorted());
  for (const { name } of files) await rm(at('feed', name));
  await feed('all');
  assert.ok(!existsSync(at('feed/datapackage.json')), 'all files were taken away');
});

test('a feed that went on in another format has a resource for each format, and for Parquet one for each file', () => {
  const names = ['users-000000000000-000000000004', 'users-000000000004-000000000009'];
  const resources = (...endings: string[]) =>
    feedResources(endings.map((ending, n) => `${names[n]}.${ending}`)).map(({ name, files }) => [
      name,
      files.length,
    ]);
  assert.deepEqual(resources('csv', 'csv'), [['users', 2]]);
  assert.deepEqual(resources('csv', 'csv.gz'), [
    ['users.csv', 1],
    ['users.csv.gz', 1],
  ]);
  assert.deepEqual(
    resources('parquet', 'parquet'),
    names.map((name) => [`${name}.parquet`, 1]),
  );
});

test('an integer of a Parquet file that may be null is declared a number, as Frictionless reads it', async () => {
  await exported('runs', '--format', 'parquet', '--out', at('numbers/'));
  const [runs] = (await packageIn('numbers')).resources;
  const typeOf = (name: string) => runs!.schema.fields.find((field) => field.name === name)?.type;
  assert.deepEqual(['run_id', 'total_first', 'snapshot_id'].map(typeOf), ['integer', 'number', 'number']);
  assert.equal(runs!.bytes, undefined, 'it counts the bytes of text alone');
});

test('every column of every dataset has a description and a type, and every key consists of its columns', () => {
  for (const name of DATASET_NAMES) {
    const dataset = datasetOf(name, true);
    const fields = packageFields(dataset);
    for (const field of fields) assert.ok(field.description, `${name}.${field.name}`);
    const key = keyOf(dataset);
    assert.ok(key.length > 0 && key.every((column) => fields.some((field) => field.name === column)), name);
  }
});

const VALIDATE = `
import sys
from frictionless import validate
for file in sys.argv[1:]:
    report = validate(file)
    errors = report.flatten(['taskName', 'rowNumber', 'fieldName', 'type', 'note']) + [e.note for e in report.errors]
    if errors: sys.exit(f'{file}: {errors[:5]}')
    print(file, sum(task.stats.get('rows') or 0 for task in report.tasks))`;

/** By its state. */
async function rowsOfFeed(out: string): Promise<number> {
  const state = JSON.parse(await readFile(out.replace(/-feed$/, '.json'), 'utf8')) as {
    files: { rows: number }[];
  };
  return state.files.reduce((sum, { rows }) => sum + rows, 0);
}

test('Frictionless accepts the package and every row, in every format, of whole exports and of feeds', async (t) => {
  const packages = 'frictionless[json,parquet] pandas';
  const missing = await missingPython(['frictionless', 'ijson', 'fastparquet'], packages);
  if (missing !== null) return t.skip(missing);
  const kinds = [['csv'], ['csv', '--gzip'], ['ndjson'], ['ndjson', '--gzip'], ['parquet']];
  const folders: string[] = [];
  for (const format of kinds) {
    const out = at(`valid-${format.join('')}`);
    await exported('all', 'snapshot-users', '--identities', '--format', ...format, '--out', `${out}/`);
    const feed = [
      'all',
      '--identities',
      '--format',
      ...format,
      '--out',
      `${out}-feed`,
      '--state',
      `${out}.json`,
    ];
    await exported(...feed);
    await seedAccount(db.pool, await claimAccount(db.pool), { keys: 3 });
    await labelAccount(db.pool, TWO, `Office ${format.join('')}`);
    await exported(...feed);
    folders.push(out, `${out}-feed`);
  }
  const files = folders.map((out) => path.join(out, 'datapackage.json'));
  const counted = (await runPython(VALIDATE, ...files)).trim().split('\n');
  for (const [n, out] of folders.entries())
    if (out.endsWith('-feed'))
      assert.equal(counted[n], `${files[n]} ${await rowsOfFeed(out)}`, 'every file was read');
  // What it accepts means something only if it refuses a row that breaks the schema.
  const users = at('valid-csv/users.csv');
  await writeFile(users, (await readFile(users, 'utf8')).replace(/,(low|medium|high),/, ',severe,'));
  await assert.rejects(runPython(VALIDATE, files[0]!), /max_risk_level/);
});
