// The dashboards as Grafana meets them: the datasource they name, and every query of theirs against a real database, asked by
// a member of risk_reader. The server is its own, because roles belong to the whole server.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { parse } from 'yaml';
import type { Pool } from '../../src/db/pool.ts';
import { createRoles } from '../../src/db/roles.ts';
import { snapshotLevels } from '../../src/db/schema.ts';
import { expandMacros } from '../support/grafana-macros.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/migrated-database.ts';
import { startPostgresServer, type PostgresServer } from '../support/postgres-server.ts';
import { sampleHistory } from '../support/sample-history.ts';

type Source = { type: string; uid: string };
type Target = { datasource: Source; format: 'table' | 'time_series'; rawSql: string };
type Panel = { id: number; title: string; datasource?: Source; targets?: Target[]; panels?: Panel[] };
type Dashboard = {
  uid: string;
  templating: { list: { name: string; type: string; datasource: Source; query: string }[] };
  panels: Panel[];
};
type Row = Record<string, unknown>;

const folder = path.resolve(import.meta.dirname, '../../integrations/grafana');
const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8');
const dashboards = readdirSync(path.join(folder, 'dashboards')).map((file) => ({
  file,
  dashboard: JSON.parse(read(`dashboards/${file}`)) as Dashboard,
}));
const { datasources } = parse(read('provisioning/datasources/zt-risk-sync.yml')) as {
  datasources: Source[];
};

const ACCOUNT = '0123456789abcdef0123456789abcdef';
const RANGE = { from: new Date('2026-03-02T00:00:00Z'), to: new Date('2026-03-02T06:00:00Z') };

let server: PostgresServer;
let db: MigratedDatabase;
let grafana: Pool;

before(async () => {
  server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  process.env['TEST_POSTGRES_URL'] = server.url;
  db = await migratedDatabase();
  await writeHistory();
  await createRoles(db.pool);
  await db.pool.query(`create role grafana login password 'a password' in role risk_reader`);
  const url = new URL(db.url);
  url.username = 'grafana';
  url.password = 'a password';
  grafana = testPool(url.href);
});
after(async () => {
  await grafana.end();
  await db.close();
  await server.stop();
});

describe('every dashboard', () => {
  test('names the provisioned datasource, and nothing else', () => {
    assert.equal(datasources.length, 1);
    const { type, uid } = datasources[0] ?? assert.fail();
    for (const { file, dashboard } of dashboards) {
      const named = [
        ...dashboard.templating.list.map((variable) => variable.datasource),
        ...panelsOf(dashboard).flatMap((panel) => [panel.datasource, ...targetsOf(panel, 'datasource')]),
      ].filter((source) => source !== undefined);
      assert.ok(named.length > 0, file);
      for (const source of named) assert.deepEqual(source, { type, uid }, file);
    }
  });

  test('has an id of its own, and panels with ids of their own', () => {
    const uids = dashboards.map(({ dashboard }) => dashboard.uid);
    assert.equal(new Set(uids).size, uids.length);
    for (const { file, dashboard } of dashboards) {
      const ids = panelsOf(dashboard).map((panel) => panel.id);
      assert.equal(new Set(ids).size, ids.length, file);
    }
  });

  for (const { file, dashboard } of dashboards) {
    for (const panel of panelsOf(dashboard).filter((panel) => panel.targets !== undefined)) {
      test(`${file}: "${panel.title}" can be asked, and answers`, async () => {
        for (const target of panel.targets ?? []) {
          const rows = await ask(dashboard, target.rawSql);
          assert.ok(rows.length > 0);
          if (target.format === 'time_series') assertSeries(rows);
        }
      });
    }
  }
});

describe('the overview', () => {
  const overview = dashboards.find(({ file }) => file === 'overview.json')?.dashboard ?? assert.fail();
  const panel = async (title: string): Promise<Row[]> => {
    const [target] = panelsOf(overview).find((panel) => panel.title === title)?.targets ?? [];
    return ask(overview, target?.rawSql ?? assert.fail(title));
  };

  test('shows the last snapshot of each interval, and none outside the range', async () => {
    const rows = await panel('Users by level');
    assert.deepEqual(
      rows.map((row) => [at(row), row['metric'], row['value']]),
      [
        ['01:00', 'high', 1],
        ['01:00', 'low', 6],
        ['01:00', 'medium', 3],
        ['03:00', 'high', 0],
        ['03:00', 'low', 0],
        ['03:00', 'medium', 0],
        ['05:00', 'high', 2],
        ['05:00', 'low', 5],
        ['05:00', 'medium', 1],
      ],
    );
  });

  test('has no share of high where nobody has a level', async () => {
    const rows = await panel('Share of high');
    assert.deepEqual(
      rows.map((row) => [at(row), row['high_share']]),
      [
        ['01:00', 0.1],
        ['03:00', null],
        ['05:00', 0.25],
      ],
    );
  });

  test('counts the users of the newest snapshot whatever the range', async () => {
    assert.deepEqual(await panel('Users now'), [{ low: '7', medium: '0', high: '4' }]);
  });

  test('tells the age of the newest snapshot in seconds', async () => {
    const [row] = await panel('Age of the newest snapshot');
    const [truth] = await db.rows<{ age: string }>(
      "select extract(epoch from now() - timestamptz '2026-03-02T09:00:00Z') as age",
    );
    const late = Number(truth?.age) - Number(row?.['age']);
    assert.ok(late >= 0 && late < 60, `${late} s`);
  });
});

/** What Grafana does when the dashboard is opened: the variables first, each at its first value, then the query. */
async function ask(dashboard: Dashboard, rawSql: string): Promise<Row[]> {
  const variables: Record<string, string> = {};
  for (const { name, type, query } of dashboard.templating.list) {
    assert.equal(type, 'query', `variable ${name}`);
    const [first] = (await grafana.query<{ __value: string }>(query)).rows;
    variables[name] = first?.__value ?? assert.fail(`variable ${name} has no value`);
  }
  return (await grafana.query<Row>(expandMacros(rawSql, { ...RANGE, interval: '1h', variables }))).rows;
}

function assertSeries(rows: readonly Row[]): void {
  const times = rows.map((row) => Number(row['time']));
  assert.ok(
    times.every((time) => time > 0),
    'a column "time"',
  );
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
    'in order of time',
  );
}

function panelsOf(dashboard: Dashboard): Panel[] {
  return dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
}

function targetsOf<Key extends keyof Target>(panel: Panel, key: Key): Target[Key][] {
  return (panel.targets ?? []).map((target) => target[key]);
}

const at = (row: Row): string => new Date(Number(row['time']) * 1000).toISOString().slice(11, 16);

/** Two accounts. Of the first: two snapshots in one hour, one without users, and one on either side of the range. */
async function writeHistory(): Promise<void> {
  const history = sampleHistory(db.pool);
  const key = await history.account(ACCOUNT, 'A label');
  const other = await history.account('f'.repeat(32), 'Another label');
  const snapshots: [accountKey: number, time: string, low: number, medium: number, high: number][] = [
    [key, '2026-03-01T23:00:00Z', 9, 9, 9],
    [key, '2026-03-02T01:10:00Z', 7, 2, 1],
    [other, '2026-03-02T01:20:00Z', 50, 50, 50],
    [key, '2026-03-02T01:40:00Z', 6, 3, 1],
    [key, '2026-03-02T03:00:00Z', 0, 0, 0],
    [key, '2026-03-02T05:59:59Z', 5, 1, 2],
    [key, '2026-03-02T09:00:00Z', 7, 0, 4],
    [other, '2026-03-02T10:00:00Z', 50, 50, 50],
  ];
  for (const [accountKey, time, low, medium, high] of snapshots) {
    const snapshotId = await history.snapshot(accountKey, time);
    await drizzle(db.pool)
      .insert(snapshotLevels)
      .values(
        Object.entries({ low, medium, high }).map(([level, users]) => ({
          account_key: accountKey,
          snapshot_id: snapshotId,
          max_risk_level: level as 'low',
          user_count: users,
          event_count: users,
        })),
      );
  }
}
