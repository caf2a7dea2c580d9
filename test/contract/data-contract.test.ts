// The document that `contract` prints: kept in integrations/, valid by the standard's own schema, and true of a history.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { contractText } from '../../src/commands/contract.ts';
import { CATALOGUE } from '../../src/contract/catalogue.ts';
import { rulesOf } from '../../src/contract/rules.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { missingPython, runPython } from '../support/python.ts';
import { runCommand } from '../support/run-command.ts';

type Quality = {
  name?: string;
  query?: string;
  metric?: string;
  arguments?: Record<string, string[]>;
  mustBe: 0;
};
type Property = {
  name: string;
  description?: string;
  classification?: string;
  primaryKeyPosition?: number;
  logicalTypeOptions?: { minimum?: number };
  quality?: Quality[];
};
type Entry = {
  name: string;
  physicalName: string;
  physicalType: string;
  properties: Property[];
  quality?: Quality[];
  relationships?: { from: string | string[]; to: string | string[] }[];
};
type Contract = { schema: Entry[]; roles: { role: string; description: string }[] } & Record<string, unknown>;

const root = path.resolve(import.meta.dirname, '../..');
const FILE = path.join(root, 'integrations/contract/zt-risk-sync.odcs.yaml');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
const contract = parse(contractText(version, 'yaml')) as Contract;
const entry = (name: string) => contract.schema.find((one) => one.physicalName === name) ?? assert.fail(name);

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
  await seedAccount(db.pool, await claimAccount(db.pool), { keys: 40, present: 'n % 5 <> 0' });
});
after(() => db.close());

test('the stored document is what this version prints (UPDATE_GOLDEN=1 writes it)', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(FILE, contractText(version, 'yaml'));
  // A comparison of two long texts would be printed whole.
  const isSame = readFileSync(FILE, 'utf8') === contractText(version, 'yaml');
  assert.ok(isSame, 'integrations/contract is stale: run this test with UPDATE_GOLDEN=1');
});

test('contract prints it without a setting, as YAML or as JSON', async () => {
  const yaml = await runCommand(['contract'], { DATABASE_URL: 'postgres://nowhere.invalid/none' });
  assert.deepEqual([yaml.code, yaml.stderr], [0, '']);
  for (const flags of [['--json'], ['--format', 'json'], ['--json', '--format', 'json']]) {
    const json = await runCommand(['contract', ...flags]);
    assert.deepEqual(JSON.parse(json.stdout), parse(yaml.stdout));
  }
  const both = await runCommand(['contract', '--json', '--format', 'yaml']);
  assert.equal(both.code, 64);
  assert.match(both.stderr, /option '--json' cannot be used with option '--format yaml'/);
});

test('it names every relation once, and says nothing about team, support, servers or service levels', () => {
  const names = contract.schema.map(({ name }) => name);
  assert.deepEqual(new Set(names).size, names.length);
  assert.deepEqual(
    contract.schema.map(({ physicalName }) => physicalName),
    CATALOGUE.relations.map(({ name }) => name),
  );
  assert.deepEqual(Object.keys(contract), [
    'apiVersion',
    'kind',
    'id',
    'name',
    'version',
    'status',
    'description',
    'schema',
    'roles',
  ]);
});

test('every reference leads to the whole primary key of a table', () => {
  const references = contract.schema.flatMap(({ relationships = [] }) => relationships);
  assert.ok(references.length > 2);
  for (const { from, to } of references) {
    const [sources, targets] = [[from].flat(), [to].flat()];
    assert.equal(sources.length, targets.length);
    const [table = ''] = targets.map((one) => one.split('.')[0]!);
    const key = contract.schema
      .find(({ name }) => name === table)!
      .properties.filter((one) => one.primaryKeyPosition !== undefined)
      .toSorted((a, b) => a.primaryKeyPosition! - b.primaryKeyPosition!);
    assert.deepEqual(
      targets,
      key.map(({ name }) => `${table}.${name}`),
    );
  }
});

test('exactly emails and names are classified as personal, and the roles say where they are', () => {
  const personal = contract.schema.flatMap(({ physicalName, properties }) =>
    properties
      .filter((one) => one.classification === 'personal')
      .map(({ name }) => `${physicalName}.${name}`),
  );
  const places = ['risk.user_identities', 'risk_bi.user_identities', 'risk_bi.snapshot_users'];
  assert.deepEqual(
    [...new Set(personal)],
    places.flatMap((name) => [`${name}.email`, `${name}.name`]),
  );
  for (const { description } of contract.roles)
    assert.ok(description.includes(places.join(', ')), description);
});

test('columns of tables and views are described, and those of functions in a time zone', () => {
  for (const { physicalName, physicalType, properties } of contract.schema) {
    if (physicalType === 'function' && !physicalName.endsWith('_in')) continue;
    for (const { name, description } of properties) assert.ok(description, `${physicalName}.${name}`);
  }
});

const count = async (query: string) => {
  const { rows } = await db.pool.query<{ count: string }>(query);
  return Number(rows[0]!.count);
};

test('every rule holds for a history, and every query runs', async () => {
  let rules = 0;
  for (const { physicalName, properties, quality = [] } of contract.schema) {
    for (const { query, metric, arguments: args } of quality) {
      rules++;
      const columns = args?.['properties']?.join(', ');
      const duplicates = `select count(*) from (select from ${physicalName} group by ${columns} having count(*) > 1) d`;
      assert.equal(await count(query ?? duplicates), 0, query ?? metric);
    }
    for (const { name, logicalTypeOptions, quality: own = [] } of properties) {
      const values = own.flatMap((one) => one.arguments?.['validValues'] ?? []).map((value) => `'${value}'`);
      const conditions = [
        ...(values.length > 0 ? [`${name} not in (${values.join(', ')})`] : []),
        ...(logicalTypeOptions?.minimum === undefined ? [] : [`${name} < ${logicalTypeOptions.minimum}`]),
      ];
      for (const bad of conditions) {
        rules++;
        assert.equal(await count(`select count(*) from ${physicalName} where ${bad}`), 0, bad);
      }
    }
  }
  assert.ok(rules > 35, `${rules} rules`);
});

test('a query counts the rows that break its rule', async () => {
  const queryOf = (table: string, match: RegExp) =>
    (entry(table).quality ?? []).find(({ query = '' }) => match.test(query))?.query ?? assert.fail(table);
  await db.pool.query('alter table risk.snapshots drop constraint snapshots_user_count');
  await db.pool.query('update risk.snapshots set user_count = user_count + 1');
  assert.equal(await count(queryOf('risk.snapshots', /user_count = /)), 1);
  await db.pool.query('drop index risk.user_identities_open');
  await db.pool.query(`insert into risk.user_identities (account_key, user_key, valid_from, snapshot_id)
    select account_key, user_key, now(), snapshot_id from risk.user_identities where user_key <= 3`);
  assert.equal(await count(queryOf('risk.user_identities', /valid_to IS NULL/)), 3);
});

test('a CHECK is read as allowed values or a minimum, and kept as it is when it says anything else', () => {
  const read = (condition: string) => {
    const { columns, others } = rulesOf({ checks: [{ name: 'c', condition }] });
    return others.length === 0 ? Object.fromEntries(columns) : condition;
  };
  assert.deepEqual(read(`a = ANY (ARRAY['x'::text, 'y'::text])`), { a: { values: ['x', 'y'] } });
  assert.deepEqual(read('a >= 0 AND b >= 2'), { a: { minimum: 0 }, b: { minimum: 2 } });
  assert.deepEqual(read('LEAST(a::bigint, b) >= 1'), { a: { minimum: 1 }, b: { minimum: 1 } });
  for (const other of [
    'a > 0',
    'a >= 0 AND b > 0',
    'a >= 0 OR b >= 0',
    'LEAST(a, b + 1) >= 0',
    `a IS NULL OR (a = ANY (ARRAY['x'::text]))`,
    `a <> ALL (ARRAY['x'::text])`,
  ])
    assert.equal(read(other), other);
});

const VALIDATE = `
import importlib.resources, json, sys, jsonschema
from open_data_contract_standard.model import OpenDataContractStandard
schema = json.loads((importlib.resources.files('open_data_contract_standard') / 'schema.json').read_text())
text = open(sys.argv[1]).read()
OpenDataContractStandard.from_string(text)
import yaml
errors = list(jsonschema.Draft201909Validator(schema).iter_errors(yaml.safe_load(text)))
print('\\n'.join(f'{list(e.path)}: {e.message[:300]}' for e in errors))
sys.exit(len(errors) > 0)`;

test("it is valid by the standard's JSON Schema, and its model reads it", async (t) => {
  const missing = await missingPython(
    ['open_data_contract_standard', 'jsonschema'],
    'open-data-contract-standard==3.1.2 jsonschema',
  );
  if (missing !== null) return t.skip(missing);
  await runPython(VALIDATE, FILE);
});
