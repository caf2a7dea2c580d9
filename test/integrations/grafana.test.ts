// The dashboards as Grafana reads them: the datasource they name, and the overview's numbers on a history written by
// hand. grafana-panels.ts checks all panels on a whole world. No Grafana draws them here.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { parse } from 'yaml';
import { snapshotLevels } from '../../src/db/schema.ts';
import { dashboardOf, dashboards, openDashboard, readGrafana, sqlOf } from './grafana-dashboards.ts';
import type { Source } from './grafana-dashboards.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

type Row = Record<string, unknown>;

const { datasources } = parse(readGrafana('provisioning/datasources/zt-risk-sync.yml')) as {
  datasources: Source[];
};

const ACCOUNT = '0123456789abcdef0123456789abcdef';
const RANGE = { from: new Date('2026-03-02T00:00:00Z'), to: new Date('2026-03-02T06:00:00Z') };

let db: MigratedDatabase;

before(async () => {
  db = await migratedDatabase();
  await writeHistory();
});
after(() => db.close());

describe('every dashboard', () => {
  test('names only the provisioned datasource', () => {
    assert.equal(datasources.length, 1);
    const { type, uid } = datasources[0] ?? assert.fail();
    for (const { file, text, dashboard } of dashboards) {
      const named = [
        ...dashboard.templating.list.map((variable) => variable.datasource),
        ...dashboard.panels.flatMap(({ datasource, targets = [] }) => [
          datasource,
          ...targets.map((target) => target.datasource),
        ]),
      ];
      assert.equal(named.length, text.split('"datasource":').length - 1, file);
      for (const source of named) assert.deepEqual(source, { type, uid }, file);
    }
  });

  test('has a unique id, the tag by which dashboards link each other, and panels with unique ids', () => {
    const uids = dashboards.map(({ dashboard }) => dashboard.uid);
    assert.equal(new Set(uids).size, uids.length);
    for (const { file, dashboard } of dashboards) {
      assert.deepEqual(dashboard.tags, ['zt-risk-sync'], file);
      const ids = dashboard.panels.map((panel) => panel.id);
      assert.equal(new Set(ids).size, ids.length, file);
    }
  });

  test('places its panels side by side without overlap, each with a description', () => {
    for (const { file, dashboard } of dashboards) {
      const taken = new Set<string>();
      for (const { title, description, gridPos } of dashboard.panels) {
        assert.ok(description, `${file}: ${title}`);
        assert.ok(gridPos.x + gridPos.w <= 24, `${file}: ${title}`);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x} ${y}`), `${file}: ${title}`);
            taken.add(`${x} ${y}`);
          }
      }
    }
  });

  test('links only existing dashboards, with variables that they have', () => {
    let links = 0;
    for (const { file, text } of dashboards)
      for (const [link, uid, query = ''] of text.matchAll(/\/d\/([\w-]+)\?([^"]*)/g)) {
        const there = dashboards.find(({ dashboard }) => dashboard.uid === uid)?.dashboard;
        assert.ok(there, `${file}: ${link}`);
        const names = [...query.matchAll(/var-(\w+)=/g)].map((match) => match[1]);
        assert.deepEqual(
          names,
          there.templating.list.map(({ name }) => name),
        );
        links++;
      }
    assert.ok(links > 0);
  });
});

describe('the overview', () => {
  const overview = dashboardOf('overview.json');
  const panel = async (title: string): Promise<Row[]> => {
    const { variables, ask } = await openDashboard(overview, (sql) => db.rows<Row>(sql), RANGE);
    assert.equal(variables['account'], ACCOUNT);
    return ask(sqlOf(overview, title));
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

  test('has no share of high while no user has a level', async () => {
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

  test('counts the users of the newest snapshot, whatever the range', async () => {
    assert.deepEqual(await panel('Users now'), [{ low: '7', medium: '0', high: '4' }]);
  });

  test('shows the age of the newest snapshot in seconds', async () => {
    const [row] = await panel('Age of the newest snapshot');
    const [truth] = await db.rows<{ age: string }>(
      "select extract(epoch from now() - timestamptz '2026-03-02T09:00:00Z') as age",
    );
    const late = Number(truth?.age) - Number(row?.['age']);
    assert.ok(late >= 0 && late < 60, `${late} s`);
  });
});

const at = (row: Row): string => new Date(Number(row['time']) * 1000).toISOString().slice(11, 16);

/** Two accounts. The first has two snapshots in one hour, one without users, and one on each side of the range. */
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
