// The dbt package: its YAML is compared with the database, its models are built by a stand-in and compared with the
// oracle. dbt itself runs where it is installed: ZT_DBT names the program, or it is on the PATH.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { createCalendar, HOUR } from '../support/oracle/calendar.ts';
import { dbtFolder, filesUnder, modelsInOrder, readDbt, resolve } from './dbt-models.ts';
import { testPool } from '../support/database/migrated-database.ts';
import { expectedViews, type Row } from '../support/oracle/reporting-oracle.ts';
import { difference, readQuery } from '../support/oracle/reporting-rows.ts';
import { reportingWorld, type ReportingWorld } from '../support/world/reporting-world.ts';

type Column = { name: string; description?: string; data_tests?: unknown[] };
type Described = { name: string; description: string; columns?: Column[]; data_tests?: unknown[] };
type Table = Described & { columns: Column[]; config?: { loaded_at_field: string } };

const run = promisify(execFile);
const { sources } = parse(readDbt('models/sources.yml')) as { sources: { name: string; tables: Table[] }[] };
const tables = sources[0]?.tables ?? [];
const models = modelsInOrder();
const described = filesUnder('models', '.yml').flatMap(
  (file) => (parse(readDbt(file)) as { models?: Described[] }).models ?? [],
);

let world: ReportingWorld;

before(async () => {
  world = await reportingWorld();
  await world.database.pool.query("create role dbt login password 'a password' in role risk_reader");
});
after(() => world.close());

test("sources are all views without personal data, with the database's comments", async () => {
  const known = await world.database.rows<{ view: string; about: string; columns: Column[] }>(
    `select c.relname as view, obj_description(c.oid) as about,
            json_agg(json_build_object('name', a.attname, 'description', col_description(c.oid, a.attnum)) order by a.attnum) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'risk_bi'::regnamespace and c.relkind = 'v'
        and has_table_privilege('risk_reader', c.oid, 'select')
      group by c.oid order by c.relname`,
  );
  assert.deepEqual(
    tables.map(({ name, description, columns }) => ({
      view: name,
      about: description,
      columns: columns.map((column) => ({ name: column.name, description: column.description })),
    })),
    known,
  );
});

test('freshness is measured on a column of the source', () => {
  const timed = tables.filter(({ config }) => config !== undefined);
  assert.deepEqual(
    timed.map(({ name, config }) => `${name}.${config?.loaded_at_field}`),
    ['snapshots.observed_at', 'sync_runs.finished_at'],
  );
});

test('every model and every column of a mart is described, and models and exposures name only what exists', async () => {
  assert.deepEqual(described.map(({ name }) => name).toSorted(), models.map(({ name }) => name).toSorted());
  await make('described');
  for (const { name, description, columns = [], data_tests: tests = [] } of described) {
    assert.ok(description, name);
    const rows = await world.database.rows<{ column_name: string }>(
      `select column_name from information_schema.columns where table_schema = 'described' and table_name = $1
        order by ordinal_position`,
      [name],
    );
    const there = rows.map((row) => row.column_name);
    const named = columns.map((column) => column.name);
    if (models.find((model) => model.name === name)?.folder === 'marts') {
      assert.deepEqual(named, there, name);
      for (const column of columns) assert.ok(column.description, `${name}.${column.name}`);
    }
    const unique = tests as { unique_together?: { arguments: { columns: string[] } } }[];
    for (const column of [...named, ...unique.flatMap((one) => one.unique_together?.arguments.columns ?? [])])
      assert.ok(there.includes(column), `${name}.${column}`);
  }
  const { exposures } = parse(readDbt('models/exposures.yml')) as { exposures: { depends_on: string[] }[] };
  const refs = exposures.flatMap(({ depends_on: on }) => on.map((ref) => /^ref\('(\w+)'\)$/.exec(ref)?.[1]));
  assert.deepEqual(
    refs.toSorted(),
    models.flatMap(({ name, folder }) => (folder === 'marts' ? name : [])).toSorted(),
  );
});

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
    const daily = views['risk_level_daily']!.map(({ observed_at: _at, ...row }) => ({
      ...row,
      account: account(row),
      level_rank: rank(row['max_risk_level']),
    }));
    assert.equal(difference(await readQuery(session, 'select * from marts.risk_levels_daily'), daily), null);
    const changes = views['level_changes']!.map((row) => ({
      ...row,
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
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});
