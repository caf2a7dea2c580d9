// Every query of every dashboard, run as a reader without personal data on a world that the oracle knows.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { createCalendar } from '../support/oracle/reporting/calendar.ts';
import { dashboardOf, dashboards, openDashboard, sqlOf, type Opened } from './grafana-dashboards.ts';
import { expectedViews } from '../support/oracle/reporting/reporting-oracle.ts';
import type { Past, Row } from '../support/oracle/reporting/past.ts';
import type { ReportingWorld } from '../support/world/reporting-world.ts';
import { sharedWorld } from './shared-world.ts';

const CHANGES = ['appeared', 'raised', 'lowered', 'cleared', 'returned'] as const;
const LEVELS = ['low', 'medium', 'high'] as const;

let world: ReportingWorld;
let past: Past;
let views: Record<string, Row[]>;
let range: { from: Date; to: Date };

const ms = (micros: unknown) => (micros === null ? null : Number(BigInt(micros as string) / 1000n));
const inRange = (micros: unknown) => {
  const at = ms(micros);
  return at !== null && at >= range.from.getTime() && at <= range.to.getTime();
};
const query = async (sql: string) => (await world.reader.query<Row>(sql)).rows;
const open = (file: string, variables = {}): Promise<Opened> =>
  openDashboard(dashboardOf(file), query, { ...range, variables });
const mine = (view: string) =>
  (views[view] ?? assert.fail(view)).filter((row) => row['account_id'] === past.accountId);
const sorted = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).toSorted();

before(async () => {
  world = await sharedWorld();
  const [row] = await world.database.rows<{ now: string; zone: string }>(
    "select (extract(epoch from now()) * 1000000)::bigint as now, current_setting('timezone') as zone",
  );
  assert.ok(row);
  views = expectedViews(world.pasts, createCalendar(row.zone), BigInt(row.now));
  // The account that a dashboard opens with, from its third snapshot on. Earlier snapshots must not count.
  past = world.pasts
    .filter(({ retiredAt }) => retiredAt === null)
    .reduce((a, b) => (b.accountId < a.accountId ? b : a));
  range = { from: new Date(ms(past.oracle.snapshots[2]?.at) ?? 0), to: new Date() };
});

for (const { file, dashboard } of dashboards)
  for (const panel of dashboard.panels)
    test(`${file}: "${panel.title}" works without the right to personal data, and returns rows`, async () => {
      const { variables, ask } = await open(file);
      assert.equal(variables['account'], past.accountId);
      assert.ok(panel.targets?.length);
      for (const target of panel.targets) {
        const rows = await ask(target.rawSql);
        assert.ok(rows.length > 0);
        if (target.format === 'time_series') assertSeries(rows);
      }
    });

test('the overview shows how far its lines can be trusted', async () => {
  const rows = await (await open('overview.json')).ask(sqlOf(dashboardOf('overview.json'), 'Snapshots'));
  const told = past.oracle.snapshots.filter(({ at }) => inRange(at));
  const gaps = told.map(
    ({ at }, nth) => (ms(told[nth + 1]?.at ?? null) ?? range.to.getTime()) - Number(at / 1000n),
  );
  const usual = gaps.toSorted((a, b) => a - b)[Math.ceil(gaps.length / 2) - 1]!;
  const expected = told.flatMap(({ at, verdict }, nth) => [
    [ms(at), verdict],
    ...(gaps[nth]! > 2 * usual ? [[ms(at)! + 2 * usual, 'none']] : []),
  ]);
  const states = expected.map(([, state]) => state);
  for (const state of ['complete', 'partial', 'none']) assert.ok(states.includes(state), state);
  assert.deepEqual(sorted(rows.map((row) => [Number(row['time']), row['state']])), sorted(expected));
});

test("days follow the session's time zone, even if they begin long before the days in UTC", async () => {
  const client = await world.reader.connect();
  try {
    await client.query("set time zone 'Asia/Tokyo'");
    // It is five in the morning there.
    const to = new Date(Math.floor(range.to.getTime() / 86_400_000) * 86_400_000 - 4 * 3_600_000);
    const dashboard = dashboardOf('worker.json');
    const tokyo = async (sql: string) => (await client.query<Row>(sql)).rows;
    const { ask } = await openDashboard(dashboard, tokyo, { from: range.from, to, variables: {} });
    const [newest] = await ask(sqlOf(dashboard, 'Coverage by day'));
    assert.equal(newest?.['day'], new Date(to.getTime() + 9 * 3_600_000).toISOString().slice(0, 10));
  } finally {
    client.release(true);
  }
});

test('a dashboard without a selected user shows nothing, and no query fails', async () => {
  const dashboard = dashboardOf('user.json');
  const { ask } = await open('user.json', { user_id: '' });
  for (const panel of dashboard.panels)
    for (const { rawSql } of panel.targets ?? [])
      for (const row of await ask(rawSql))
        assert.ok(Object.values(row).every((value) => Number(value) === 0));
});

describe('the panels of changes', () => {
  const panel = async (title: string) =>
    (await open('changes.json')).ask(sqlOf(dashboardOf('changes.json'), title));
  const changes = () => mine('level_changes').filter((row) => inRange(row['changed_at']));

  const counted = async ({ accountId }: Past, from: Date) => {
    const told = views['level_changes']!.filter(
      (row) => row['account_id'] === accountId && ms(row['changed_at'])! >= from.getTime(),
    );
    const tally = CHANGES.map((change) => told.filter((row) => row['change'] === change).length);
    const dashboard = dashboardOf('changes.json');
    const variables = { account: accountId };
    const { ask } = await openDashboard(dashboard, query, { ...range, from, variables });
    const [total] = await ask(sqlOf(dashboard, 'Changes'));
    assert.deepEqual(
      CHANGES.map((change) => Number(total?.[change])),
      tally,
    );
    const intervals = await ask(sqlOf(dashboard, 'Changes over time'));
    assert.deepEqual(
      CHANGES.map((change) => intervals.reduce((sum, row) => sum + Number(row[change]), 0)),
      tally,
    );
    return tally;
  };

  test('count as many changes as the oracle, in total and by interval', async () => {
    assert.ok((await counted(past, range.from)).every((count) => count > 0));
  });

  test('leave out the first load', async () => {
    const slow = world.pasts.find(({ oracle }) => oracle.snapshots[1]?.isBaseline) ?? assert.fail();
    await counted(slow, new Date(ms(slow.oracle.snapshots[0]?.at) ?? 0));
  });

  test('name the users who rose in the last 24 hours', async () => {
    const since = range.to.getTime() - 86_400_000;
    const rose = changes().filter(
      ({ changed_at: at, change, to_level: to }) =>
        ms(at)! > since &&
        (change === 'raised' || ((change === 'appeared' || change === 'returned') && to !== 'low')),
    );
    assert.deepEqual(
      sorted((await panel('Who rose in the last 24 hours')).map((row) => [row['user_id'], row['to_level']])),
      sorted(rose.map((row) => [row['user_id'], row['to_level']])),
    );
  });

  test('add up the changes from level to level', async () => {
    const from = range.from.toISOString().slice(0, 10);
    const days = mine('level_transitions_daily').filter((row) => (row['day'] as string) >= from);
    const expected = Map.groupBy(days, (row) => row['from_level']);
    const rows = await panel('From level to level');
    assert.equal(rows.length, expected.size);
    for (const row of rows)
      for (const to of ['none', ...LEVELS]) {
        const pairs = expected.get(row['from_level'])?.filter((pair) => pair['to_level'] === to) ?? [];
        const sum = pairs.reduce((total, pair) => total + Number(pair['change_count']), 0);
        assert.equal(Number(row[`to_${to}`]), sum, `${String(row['from_level'])} to ${to}`);
      }
  });

  test('list the users who were cleared, and the users who returned', async () => {
    const cleared = changes().filter(({ change }) => change === 'cleared');
    assert.deepEqual(
      sorted((await panel('Cleared')).map((row) => [Number(row['cleared_at']), row['user_id']])),
      sorted(cleared.map((row) => [ms(row['changed_at']), row['user_id']])),
    );
    const back = mine('returned_users').filter((row) => inRange(row['returned_at']));
    assert.deepEqual(
      sorted((await panel('Cleared, and back')).map((row) => [row['user_id'], row['away_seconds']])),
      sorted(back.map((row) => [row['user_id'], row['away_seconds']])),
    );
  });
});

describe('the panels of one user', () => {
  const wanderer = () =>
    Map.groupBy(mine('user_level_history'), (row) => row['user_id'] as string)
      .entries()
      .filter(([, rows]) =>
        rows.some((row) => row['end_reason'] === 'reset' || row['end_reason'] === 'absent'),
      )
      .toArray()
      .reduce((a, b) => (b[1].length > a[1].length ? b : a));
  const panel = async (title: string) =>
    (await open('user.json', { user_id: wanderer()[0] })).ask(sqlOf(dashboardOf('user.json'), title));

  test('have the periods and the time at each level that the oracle has', async () => {
    const [userId, periods] = wanderer();
    assert.ok(periods.length > 2);
    const rows = await panel('Periods');
    assert.deepEqual(
      sorted(rows.map((row) => [Number(row['valid_from']), row['max_risk_level'], row['duration_seconds']])),
      sorted(periods.map((row) => [ms(row['valid_from']), row['max_risk_level'], row['duration_seconds']])),
    );
    const times = mine('time_at_level').filter((row) => row['user_id'] === userId);
    const [total] = await panel('Time at each level');
    for (const level of LEVELS)
      assert.equal(
        total?.[level],
        times.find((row) => row['max_risk_level'] === level)?.['duration_seconds'] ?? 0,
      );
  });

  test('draw the user from the start of the range, and show no level while the user is cleared', async () => {
    const [, periods] = wanderer();
    const inside = periods.filter(({ valid_to: to }) => to === null || ms(to)! > range.from.getTime());
    const cleared = inside.filter(({ end_reason: end }) => end === 'reset' || end === 'absent');
    const expected = [
      ...inside.map((row) => [Math.max(ms(row['valid_from'])!, range.from.getTime()), row['max_risk_level']]),
      ...cleared.map((row) => [ms(row['valid_to']), 'none']),
    ];
    const rows = await panel('Level');
    assert.deepEqual(sorted(rows.map((row) => [Number(row['time']), row['level']])), sorted(expected));
  });

  test('have the events of every snapshot in which they changed', async () => {
    const [userId] = wanderer();
    let last = '';
    const expected: unknown[] = [];
    for (const { at, state } of past.oracle.snapshots) {
      const user = state.get(userId);
      if (user === undefined || `${user.eventCount} ${user.lastEvent}` === last) continue;
      last = `${user.eventCount} ${user.lastEvent}`;
      if (inRange(at)) expected.push([ms(at), user.eventCount]);
    }
    const rows = await panel('Risk events');
    assert.deepEqual(
      rows.map((row) => [Number(row['time']), row['events']]),
      expected,
    );
  });
});

test("the worker's panels have the runs and verdicts that the oracle has", async () => {
  const { ask } = await open('worker.json');
  const panel = async (title: string) => (await ask(sqlOf(dashboardOf('worker.json'), title)))[0] ?? {};
  const runs = past.runs.filter(({ finishedAt }) => inRange(finishedAt));
  assert.deepEqual(
    await panel('Runs'),
    Object.fromEntries(
      ['succeeded', 'failed', 'abandoned'].map((status) => [
        status,
        String(runs.filter((run) => run.status === status).length),
      ]),
    ),
  );
  const snapshots = past.oracle.snapshots.filter(({ at }) => inRange(at));
  assert.deepEqual(
    await panel('Snapshots'),
    Object.fromEntries(
      ['complete', 'partial'].map((verdict) => [
        verdict,
        String(snapshots.filter((one) => one.verdict === verdict).length),
      ]),
    ),
  );
  const from = range.from.toISOString().slice(0, 10);
  const days = mine('sync_coverage').filter((row) => (row['day'] as string) >= from);
  const columns = { runs: 'run_count', failed: 'failed_count', partial: 'partial_count' };
  assert.deepEqual(
    sorted(
      (await ask(sqlOf(dashboardOf('worker.json'), 'Coverage by day'))).map((row) => [
        row['day'],
        ...Object.keys(columns).map((name) => row[name]),
        row['largest_gap'],
      ]),
    ),
    sorted(
      days.map((row) => [
        row['day'],
        ...Object.values(columns).map((name) => row[name]),
        row['largest_gap_seconds'],
      ]),
    ),
  );
});

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
