// The Superset bundle agrees with the views. It has their columns without personal data, its charts run, and its
// measure of users stays right when people zoom out. Superset itself does not run here.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parse, parseDocument } from 'yaml';
import { RISK_LEVELS } from '../../src/user-risk.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import {
  bundleFolder,
  chartSql,
  readCharts,
  readDashboards,
  readDatasets,
  type Chart,
  type Dataset,
  type DatasetColumn,
} from './superset-bundle.ts';

let db: MigratedDatabase;
let datasets: Dataset[];
const charts = readCharts();
const [dashboard = assert.fail()] = readDashboards();

before(async () => {
  db = await migratedDatabase();
  await writeHistory();
  if (process.env['UPDATE_GOLDEN'] === '1') await writeColumns();
  datasets = readDatasets().map(({ value }) => value);
});
after(() => db.close());

const datasetOf = ({ slice_name: name, dataset_uuid: uuid }: Chart) =>
  datasets.find((one) => one.uuid === uuid) ?? assert.fail(`${name} has no dataset`);
const chartOf = (name: string) => charts.find((one) => one.slice_name === name) ?? assert.fail(name);

/** What the database says of the columns of a view, in Superset's words. */
async function columnsOf(view: string): Promise<DatasetColumn[]> {
  const rows = await db.rows<{ name: string; type: string; description: string }>(
    `select a.attname as name, upper(format_type(a.atttypid, null)) as type, col_description(c.oid, a.attnum) as description
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'risk_bi'::regnamespace and c.relname = $1
      order by a.attnum`,
    [view],
  );
  return rows.map(({ name, type, description }) => ({
    column_name: name,
    type,
    is_dttm: type === 'DATE' || type.startsWith('TIMESTAMP'),
    is_active: true,
    groupby: true,
    filterable: true,
    description,
  }));
}

async function writeColumns(): Promise<void> {
  for (const { file, value } of readDatasets()) {
    const document = parseDocument(readFileSync(file, 'utf8'));
    const own = value.columns.filter(({ expression }) => expression !== undefined);
    document.set('columns', document.createNode([...(await columnsOf(value.table_name)), ...own]));
    writeFileSync(file, document.toString({ lineWidth: 0, singleQuote: true }));
  }
}

test('every dataset has the columns of its view, in their order, with their comments (UPDATE_GOLDEN=1 writes them)', async () => {
  assert.ok(datasets.length >= 7);
  for (const { table_name: view, schema, columns, main_dttm_col: time, metrics } of datasets) {
    assert.equal(schema, 'risk_bi');
    const plain = columns.filter(({ expression }) => expression === undefined);
    assert.deepEqual(plain, await columnsOf(view), view);
    assert.ok(!plain.some(({ column_name: name }) => name === 'email' || name === 'name'), view);
    assert.ok(plain.find(({ column_name: name }) => name === time)?.is_dttm, view);
    for (const { description, metric_name: name } of metrics) assert.ok(description, `${view}.${name}`);
  }
});

test('every metric and every calculated column works, whether or not a chart uses it', async () => {
  for (const { table_name: view, metrics, columns } of datasets) {
    const made = columns.flatMap(({ expression }) => expression ?? []);
    for (const { expression } of metrics) await db.rows(`select ${expression} from risk_bi.${view}`);
    for (const expression of made) await db.rows(`select ${expression} from risk_bi.${view} limit 1`);
  }
});

for (const chart of charts)
  test(`"${chart.slice_name}" works on the views, and has an answer`, async () => {
    assert.ok(chart.description);
    assert.equal(chart.params.viz_type, chart.viz_type);
    const [row] = await db.rows<object>(chartSql(chart, datasetOf(chart)));
    assert.ok(row);
    assert.notDeepEqual(
      Object.values(row).filter((value) => value !== null),
      [],
    );
  });

test('"Users by level" adds up accounts, and takes the average of days when people zoom out', async () => {
  const chart = chartOf('Users by level');
  const old = { clause: 'WHERE', subject: 'account_label', operator: '==', comparator: 'Old' };
  const filtered = {
    ...chart,
    params: { ...chart.params, adhoc_filters: [...chart.params.adhoc_filters, old] },
  };
  const low = async (grain: string) => {
    const rows = await db.rows<{ x: string; max_risk_level: string; users: number }>(
      chartSql(filtered, datasetOf(chart), grain),
    );
    const own = rows.filter(({ max_risk_level: level }) => level === 'low');
    return own.map(({ x, users }) => [x, users]).toSorted();
  };
  assert.deepEqual(await low('day'), [
    ['2026-01-30', 4],
    ['2026-01-31', 14],
    ['2026-02-01', 15],
    ['2026-02-02', 15],
  ]);
  // A plain sum would say 18 and 30.
  assert.deepEqual(await low('month'), [
    ['2026-01-01', 9],
    ['2026-02-01', 15],
  ]);
});

/** Two retired accounts of one name, and one that is synced: its user rose and is at high. */
async function writeHistory(): Promise<void> {
  const history = sampleHistory(db.pool);
  const [one, two] = [
    await history.account('a'.repeat(32), 'Old'),
    await history.account('b'.repeat(32), 'Old'),
  ];
  await history.snapshot(one, '2026-01-30T10:00:00Z', { counts: [4, 2, 1] });
  await history.snapshot(two, '2026-01-31T10:00:00Z', { counts: [10, 0, 0] });
  await history.snapshot(one, '2026-02-01T10:00:00Z', { counts: [5, 1, 1] });
  await db.pool.query("update risk.accounts set retired_at = '2026-02-02T12:00:00Z'");
  const key = await history.account('c'.repeat(32));
  const [before, after] = [2, 1].map((hours) => new Date(Date.now() - hours * 3_600_000).toISOString());
  await history.snapshot(key, before!, { is_baseline: true, counts: [1, 0, 0] });
  await history.snapshot(key, after!, { counts: [0, 0, 1] });
  const user = await history.user({
    account_key: key,
    user_id: '11111111-1111-4111-8111-111111111111',
    first_seen_at: before!,
    max_risk_level: 'high',
    level_since: after!,
  });
  const period = { account_key: key, user_key: user };
  await history.levels([
    {
      ...period,
      valid_from: before!,
      valid_to: after!,
      max_risk_level: 'low',
      change: 'appeared',
      end_reason: 'changed',
    },
    { ...period, valid_from: after!, max_risk_level: 'high', previous_level: 'low', change: 'raised' },
  ]);
}

test('the dashboard shows every chart once, within the width of a row', () => {
  const places = Object.values(dashboard.position).filter((one) => typeof one === 'object');
  const shown = places.flatMap(({ type, meta }) => (type === 'CHART' ? [meta?.uuid] : []));
  assert.deepEqual(shown.toSorted(), charts.map(({ uuid }) => uuid).toSorted());
  for (const { type, children = [] } of places) {
    for (const child of children) assert.ok(child in dashboard.position, child);
    if (type !== 'ROW') continue;
    const widths = children.map((child) => dashboard.position[child]!.meta!.width!);
    assert.equal(
      widths.reduce((sum, width) => sum + width, 0),
      12,
    );
  }
});

test('the filters name columns that exist, and every dataset can be filtered by account', () => {
  for (const { filterType, targets } of dashboard.metadata.native_filter_configuration) {
    if (filterType === 'filter_time') continue;
    for (const { datasetUuid, column } of targets) {
      const dataset = datasets.find(({ uuid }) => uuid === datasetUuid);
      assert.ok(
        dataset?.columns.some(({ column_name: name }) => name === column?.name),
        column?.name,
      );
      for (const { table_name: view, columns } of datasets)
        assert.ok(
          columns.some(({ column_name: name }) => name === column?.name),
          view,
        );
    }
  }
  for (const level of RISK_LEVELS) assert.ok(level in dashboard.metadata.label_colors, level);
});

test('the bundle is one connection without a password, and its ids are unique', () => {
  const read = (file: string) => readFileSync(path.join(bundleFolder, file), 'utf8');
  const database = parse(read('databases/zt_risk_sync.yaml')) as {
    uuid: string;
    sqlalchemy_uri: string;
    allow_dml: boolean;
  };
  // What Superset itself writes in place of a password.
  assert.match(database.sqlalchemy_uri, /^postgresql\+psycopg2:\/\/superset:XXXXXXXXXX@/);
  assert.equal(database.allow_dml, false);
  assert.equal((parse(read('metadata.yaml')) as { type: string }).type, 'Dashboard');
  for (const dataset of datasets) assert.equal(dataset.database_uuid, database.uuid);
  const ids = [database, dashboard, ...datasets, ...charts].map(({ uuid }) => uuid);
  assert.equal(new Set(ids).size, ids.length);
});
