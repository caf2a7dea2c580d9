// The dbt package. Its YAML is compared with the database. A stand-in builds its models, which are compared with the
// oracle. dbt itself runs where it is installed: ZT_DBT names the program, or it is on the PATH.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { createCalendar, HOUR } from '../support/oracle/reporting/calendar.ts';
import { writeDescriptions, type Described } from './dbt-descriptions.ts';
import { dbtFolder, filesUnder, modelsInOrder, readDbt, resolve } from './dbt-models.ts';
import { testPool } from '../support/database/migrated-database.ts';
import { expectedViews } from '../support/oracle/reporting/reporting-oracle.ts';
import type { Row } from '../support/oracle/reporting/past.ts';
import { difference, readQuery } from '../support/oracle/reporting/rows.ts';
import type { ReportingWorld } from '../support/world/reporting-world.ts';
import { sharedWorld } from './shared-world.ts';

type Column = { name: string; description?: string; data_tests?: unknown[] };
type Model = { name: string; description: string; columns?: Column[]; data_tests?: unknown[] };
type Table = Model & { columns: Column[]; config?: { loaded_at_field: string } };

const run = promisify(execFile);
const update = process.env['UPDATE_GOLDEN'] === '1';
const readTables = () =>
  (parse(readDbt('models/sources.yml')) as { sources: { tables: Table[] }[] }).sources[0]?.tables ?? [];
const readModels = () =>
  filesUnder('models', '.yml').flatMap((file) => (parse(readDbt(file)) as { models?: Model[] }).models ?? []);
const models = modelsInOrder();

let world: ReportingWorld;
/** Views without personal data, as the database describes them. */
let known: Described[];

before(async () => {
  world = await sharedWorld();
  await world.database.pool.query("create role dbt login password 'a password' in role risk_reader");
  known = await world.database.rows<Described>(
    `select c.relname as name, obj_description(c.oid) as description,
            json_agg(json_build_object('name', a.attname, 'description', col_description(c.oid, a.attnum)) order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'risk_bi'::regnamespace and c.relkind = 'v'
        and has_table_privilege('risk_reader', c.oid, 'select')
      group by c.oid order by c.relname`,
  );
});

test("sources are all views without personal data, with the database's comments (UPDATE_GOLDEN=1 writes them)", () => {
  if (update) writeDescriptions('models/sources.yml', ['sources', 0, 'tables'], known);
  assert.deepEqual(
    readTables().map(({ name, description, columns }) => ({
      name,
      description,
      columns: columns.map((column) => ({ name: column.name, description: column.description })),
    })),
    known,
  );
});

test('freshness is measured on a column of the source', () => {
  const timed = readTables().filter(({ config }) => config !== undefined);
  assert.deepEqual(
    timed.map(({ name, config }) => `${name}.${config?.loaded_at_field}`),
    ['snapshots.observed_at', 'sync_runs.finished_at'],
  );
});

test('every model and column is described, and dbt writes the descriptions into the database', async () => {
  const { models: config } = parse(readDbt('dbt_project.yml')) as { models: { zt_risk: object } };
  assert.deepEqual(Object.entries(config.zt_risk)[0], ['+persist_docs', { relation: true, columns: true }]);
  await make('described');
  const there = await Promise.all(models.map(async ({ name }) => columnsOf('described', name)));
  const staging = models.flatMap(({ name, folder, sql }, nth) => {
    const [, view] = /source\('risk_bi', '(\w+)'\)/.exec(sql) ?? [];
    const comments = known.find((one) => one.name === view)?.columns ?? [];
    // A renamed column is described by the one that it shows.
    const commentOf = (column: string) => {
      const [, shown = column] = new RegExp(`(\\w+) as ${column}\\b`).exec(sql) ?? [];
      return comments.find((one) => one.name === shown)?.description ?? assert.fail(`${name}.${column}`);
    };
    if (folder !== 'staging') return [];
    return [
      { name, columns: there[nth]!.map((column) => ({ name: column, description: commentOf(column) })) },
    ];
  });
  if (update) writeDescriptions('models/staging/staging.yml', ['models'], staging);
  const described = readModels();
  assert.deepEqual(described.map(({ name }) => name).toSorted(), models.map(({ name }) => name).toSorted());
  const stocks = new Set(
    known.flatMap(({ columns }) => columns.filter((one) => warns(one.description)).map(({ name }) => name)),
  );
  for (const { name, description, columns = [], data_tests: tests = [] } of described) {
    assert.ok(description, name);
    const built = there[models.findIndex((model) => model.name === name)]!;
    assert.deepEqual(
      columns.map((column) => column.name),
      built,
      name,
    );
    for (const column of columns) {
      assert.ok(column.description, `${name}.${column.name}`);
      if (stocks.has(column.name)) assert.ok(warns(column.description), `${name}.${column.name}`);
    }
    const unique = tests as { unique_together?: { arguments: { columns: string[] } } }[];
    for (const column of unique.flatMap((one) => one.unique_together?.arguments.columns ?? []))
      assert.ok(built.includes(column), `${name}.${column}`);
  }
  for (const { name, columns } of staging)
    assert.deepEqual(
      described
        .find((one) => one.name === name)!
        .columns?.map(({ name: column, description }) => ({ name: column, description })),
      columns,
      name,
    );
});

test('exposures name only what exists', () => {
  const { exposures } = parse(readDbt('models/exposures.yml')) as { exposures: { depends_on: string[] }[] };
  const refs = exposures.flatMap(({ depends_on: on }) => on.map((ref) => /^ref\('(\w+)'\)$/.exec(ref)?.[1]));
  assert.deepEqual(
    refs.toSorted(),
    models.flatMap(({ name, folder }) => (folder === 'marts' ? name : [])).toSorted(),
  );
});

const warns = (text: string | undefined) => /never add it up over time/i.test(text ?? '');

async function columnsOf(schema: string, name: string): Promise<string[]> {
  const rows = await world.database.rows<{ column_name: string }>(
    `select column_name from information_schema.columns where table_schema = $1 and table_name = $2
      order by ordinal_position`,
    [schema, name],
  );
  return rows.map((row) => row.column_name);
}

test('marts agree with the oracle, and the tests find the accounts that stand still', async () => {
  await make('marts');
  const session = await world.database.pool.connect();
  try {
    await session.query('begin isolation level repeatable read');
    const { rows } = await session.query<{ now: string; zone: string }>(
      "select (extract(epoch from now()) * 1000000)::bigint as now, current_setting('timezone') as zone",
    );
    const [{ now, zone } = assert.fail()] = rows;
    const calendar = createCalendar(zone);
    const views = expectedViews(world.pasts, calendar, BigInt(now));
    const account = (row: Row) => {
      const past = world.pasts.find(({ accountId }) => accountId === row['account_id']);
      return past?.label ?? past?.accountId;
    };
    const rank = (level: unknown) => ['low', 'medium', 'high'].indexOf(level as string) + 1;
    const daily = views['risk_level_daily']!.map(({ observed_at: _at, account_label: _label, ...row }) => ({
      ...row,
      account: account(row),
      level_rank: rank(row['max_risk_level']),
    }));
    assert.equal(difference(await readQuery(session, 'select * from marts.risk_levels_daily'), daily), null);
    const kept = ['account_id', 'user_id', 'changed_at', 'change', 'from_level', 'to_level', 'snapshot_id'];
    const changes = views['level_changes']!.map((row) => ({
      ...Object.fromEntries(kept.map((column) => [column, row[column]])),
      account: account(row),
      day: calendar.dayOf(BigInt(row['changed_at'] as string)),
      steps: rank(row['to_level']) - rank(row['from_level']),
    }));
    assert.equal(
      difference(await readQuery(session, 'select * from marts.risk_level_changes'), changes),
      null,
    );
    const high = views['users']!.filter(
      (row) => row['max_risk_level'] === 'high' && !row['is_account_retired'],
    ).map((row) => {
      const own = views['high_risk_episodes']!.filter(
        (one) => one['account_id'] === row['account_id'] && one['user_id'] === row['user_id'],
      );
      return {
        account_id: row['account_id'],
        account: account(row),
        user_id: row['user_id'],
        level_since: row['level_since'],
        event_count: row['event_count'],
        last_event: row['last_event'],
        absent_since: row['absent_since'],
        episode_count: String(own.length),
        total_seconds: own.reduce((sum, one) => sum + (one['duration_seconds'] as number), 0),
        peak_event_count: Math.max(...own.map((one) => one['peak_event_count'] as number)),
      };
    });
    assert.ok(high.length > 0);
    assert.equal(difference(await readQuery(session, 'select * from marts.high_risk_users'), high), null);
    const found = async (file: string) =>
      (await session.query<Row>(resolve(readDbt(`tests/${file}.sql`), 'marts'))).rows;
    assert.deepEqual(await found('levels_add_up'), []);
    const old = world.pasts.filter(
      ({ retiredAt, oracle }) => retiredAt === null && oracle.snapshots.at(-1)!.at < BigInt(now) - 24n * HOUR,
    );
    assert.deepEqual(
      (await found('accounts_are_fresh')).map((row) => row['account_id']).toSorted(),
      old.map(({ accountId }) => accountId).toSorted(),
    );
  } finally {
    session.release(true);
  }
});

/** All models in a schema of dbt's user, which reads as a member of risk_reader. */
async function make(schema: string): Promise<void> {
  await world.database.pool.query(`create schema ${schema} authorization dbt`);
  const pool = testPool(
    Object.assign(new URL(world.database.url), { username: 'dbt', password: 'a password' }).href,
  );
  try {
    for (const { name, folder, sql } of models) {
      const what = folder === 'marts' ? 'table' : 'view';
      await pool.query(`create ${what} ${schema}.${name} as ${resolve(sql, schema)}`);
    }
  } finally {
    await pool.end();
  }
}

test('dbt itself parses the package, builds it, finds its sources fresh, and writes its documentation', async (t) => {
  const dbt = process.env['ZT_DBT'] ?? 'dbt';
  const version = await run(dbt, ['--version']).catch(() => null);
  if (version === null) {
    t.skip('no dbt: set ZT_DBT to its path (pip install dbt-core dbt-postgres)');
    return;
  }
  await world.database.pool.query('create schema risk_dbt authorization dbt');
  const { hostname, port, pathname } = new URL(world.database.url);
  const out = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-dbt-'));
  const env = {
    ...process.env,
    ZT_DBT_HOST: hostname,
    ZT_DBT_PORT: port,
    ZT_DBT_PASSWORD: 'a password',
    ZT_DBT_DATABASE: pathname.slice(1),
    DBT_LOG_PATH: path.join(out, 'logs'),
    DBT_TARGET_PATH: path.join(out, 'target'),
    DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
  };
  try {
    for (const command of [['parse'], ['build'], ['source', 'freshness'], ['docs', 'generate']]) {
      const { stdout } = await run(dbt, ['--no-use-colors', ...command], {
        cwd: dbtFolder,
        env,
      }).catch((error: { stdout?: string }) => assert.fail(`dbt ${command.join(' ')}\n${error.stdout}`));
      const [summary] = /Done\. PASS=.*/.exec(stdout) ?? [];
      if (summary) t.diagnostic(`dbt ${command.join(' ')}: ${summary}`);
    }
    const silent = await world.database.rows(
      `select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'risk_dbt'::regnamespace and c.relkind in ('r', 'v')
          and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)`,
    );
    assert.deepEqual(silent, []);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});
