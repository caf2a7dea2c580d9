// Every view and function of risk_bi, compared with an oracle that knows only the published states. The random worlds
// have gaps, partial snapshots, returns and a retired account, in time zones with clock changes. REPORTING_WORLDS and
// REPORTING_SEED choose the worlds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { PoolClient } from '../../src/db/pool.ts';
import { createCalendar, HOUR } from '../support/oracle/reporting/calendar.ts';
import { CITUS_URL } from '../support/database/distributed-database.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { circumstances, liveThrough, randomPast } from '../support/world/random-past.ts';
import { expectedComparison, expectedUsers } from '../support/oracle/reporting/users.ts';
import { expectedViews } from '../support/oracle/reporting/reporting-oracle.ts';
import { periodsOf } from '../support/oracle/reporting/periods.ts';
import type { Past, Row } from '../support/oracle/reporting/past.ts';
import { difference, readFunction, readView } from '../support/oracle/reporting/rows.ts';
import { startScriptedApi, type ScriptedApi } from '../support/api/scripted-api.ts';
import { ZONED_VIEWS } from '../support/database/zoned-views.ts';

/** 30 in `npm run test:long`. The first two differ in all that matters to a view. */
const WORLDS = Number(process.env['REPORTING_WORLDS'] ?? 2);
const SEED = Number(
  process.env['REPORTING_SEED'] ?? fc.readConfigureGlobal().seed ?? Date.now() % 2_147_483_647,
);
// In the Azores, clocks are set back from one o'clock to midnight, so midnight comes twice.
const ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Atlantic/Azores'];
/** Their column of time, and its unit. Otherwise: day. */
const BUCKETS: Record<string, [column: string, unit: string]> = {
  risk_level_hourly: ['hour', 'hour'],
  risk_level_weekly: ['week_start', 'week'],
  risk_level_monthly: ['month_start', 'month'],
};
/** Compared with the tables themselves below. */
const PLAIN = ['dates', 'snapshots', 'sync_runs', 'feed_clock', 'feed_epochs', 'retention'];

/** Columns in which the worlds must show every value. */
const TOLD = [
  'change',
  'is_observed',
  'verdict',
  'end_reason',
  'ended_by',
  'is_baseline',
  'is_retired',
  'is_current',
];
const CHANGES = ['appeared', 'raised', 'lowered', 'cleared', 'returned'];
const WANTED = [
  'returned in a baseline',
  'cleared in a baseline',
  ...ZONED_VIEWS.map((view) => `${view} otherwise elsewhere`),
  ...CHANGES.flatMap((change) => [`level_changes change ${change}`, `compare change ${change}`]),
  ...['risk_level_weekly', 'risk_level_monthly'].flatMap((view) =>
    ['is_observed true', 'is_observed false'].map((what) => `${view} ${what}`),
  ),
  ...['risk_level_hourly', 'risk_level_daily'].flatMap((view) =>
    ['is_observed true', 'is_observed false', 'verdict complete', 'verdict partial'].map(
      (what) => `${view} ${what}`,
    ),
  ),
  ...['changed', 'reset', 'absent', 'null'].map((reason) => `user_level_history end_reason ${reason}`),
  ...['lowered', 'reset', 'absent', 'null'].map((end) => `high_risk_episodes ended_by ${end}`),
  ...['reset', 'absent'].map((reason) => `returned_users end_reason ${reason}`),
  ...['true', 'false'].flatMap((is) => [
    `user_level_history is_baseline ${is}`,
    `accounts is_retired ${is}`,
    `user_identities is_current ${is}`,
  ]),
];

function tell(what: string, rows: readonly Row[], column: string): string[] {
  return rows[0] === undefined || !(column in rows[0])
    ? []
    : [...new Set(rows.map((row) => `${what} ${column} ${String(row[column])}`))];
}
let api: ScriptedApi;

before(async () => {
  api = await startScriptedApi();
});

after(async () => {
  await api.close();
});

test('every view and function agrees with the published states, in every time zone', async (t) => {
  const seen = new Map<string, number>();
  let nth = 0;
  await fc.assert(
    fc.asyncProperty(randomPast, async (random) => {
      const database = await migratedDatabase();
      try {
        const pasts = await liveThrough(database, api, { ...random, ...circumstances(nth++) });
        await compareAll(database, pasts, seen);
      } finally {
        await database.close();
      }
    }),
    { numRuns: WORLDS, seed: SEED, endOnFailure: true },
  );
  t.diagnostic(`seed ${SEED}; comparisons: ${[...seen].map(([what, n]) => `${what} ${n}`).join(', ')}`);
  // A case that no world has met proves nothing.
  assert.deepEqual(
    WANTED.filter((what) => !seen.has(what)),
    [],
  );
});

/** One transaction, so that now() stands still. */
async function compareAll(
  { pool }: MigratedDatabase,
  pasts: Past[],
  seen: Map<string, number>,
): Promise<void> {
  const session = await pool.connect();
  try {
    await session.query('begin isolation level repeatable read read only');
    const { rows } = await session.query<{ now: string; name: string }>(
      `select (extract(epoch from now()) * 1000000)::bigint as now, relname as name from pg_class
        where relnamespace = 'risk_bi'::regnamespace and relkind = 'v'`,
    );
    const now = BigInt(rows[0]!.now);
    const compare = (what: string, actual: Row[], expected: Row[]) => {
      const differs = difference(actual, expected);
      if (differs !== null) assert.fail(`${what}: ${differs}`);
      for (const name of [what, ...TOLD.flatMap((column) => tell(what, actual, column))])
        seen.set(name, (seen.get(name) ?? 0) + 1);
    };
    // Between the last snapshot and now there are thousands of identical hours.
    const newest =
      pasts
        .flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at))
        .toSorted()
        .at(-1) ?? 0n;
    const [early, late] = [newest + 50n * HOUR, now - 3n * HOUR];
    const isAsked = (hour: bigint) => hour < early || hour > late;
    const asked = (view: string) =>
      view === 'risk_level_hourly' ? `hour < ${instant(early)} or hour > ${instant(late)}` : 'true';
    for (const zone of ZONES) {
      await session.query(`set local time zone '${zone}'`);
      const views = expectedViews(pasts, createCalendar(zone), now, isAsked);
      assert.deepEqual([...Object.keys(views), ...PLAIN].toSorted(), rows.map(({ name }) => name).toSorted());
      for (const [view, expected] of Object.entries(views)) {
        compare(view, await readView(session, view, asked(view)), expected);
        if (!ZONED_VIEWS.includes(view)) continue;
        await session.query("set local time zone 'Pacific/Apia'");
        const call = `${view}_in('${zone}')`;
        compare(`${view}_in`, await readView(session, view, asked(view), call), expected);
        await compareSpan(session, view, zone, pasts, compare);
        await session.query(`set local time zone '${zone}'`);
      }
    }
    for (const view of ZONED_VIEWS) {
      await session.query("set local time zone 'Asia/Tokyo'");
      const rows = await readView(session, view, asked(view));
      await session.query("set local time zone 'Asia/Kathmandu'");
      const call = `${view}_in('Asia/Tokyo')`;
      compare(`${view}_in Tokyo`, await readView(session, view, asked(view), call), rows);
      if (difference(await readView(session, view, asked(view)), rows) !== null)
        seen.set(`${view} otherwise elsewhere`, 1);
    }
    const baseline = pasts
      .flatMap(({ oracle }) => periodsOf(oracle.snapshots))
      .filter(({ first }) => first.isBaseline);
    if (baseline.some(({ change }) => change === 'returned')) seen.set('returned in a baseline', 1);
    if (baseline.some(({ end, cleared }) => cleared && end?.isBaseline)) seen.set('cleared in a baseline', 1);
    for (const past of pasts) await compareFunctions(session, past, compare);
    await session.query('commit');
  } finally {
    session.release(true);
  }
}

/** Accounts and a span as arguments, compared with conditions on the result. The second account may be retired. */
async function compareSpan(
  session: PoolClient,
  view: string,
  zone: string,
  pasts: Past[],
  compare: (what: string, actual: Row[], expected: Row[]) => void,
): Promise<void> {
  const ids = pasts.slice(0, 2).map(({ accountId }) => `'${accountId}'`);
  const times = pasts[0]!.oracle.snapshots.map(({ at }) => at);
  const [from, to] = [times[Math.floor(times.length / 3)]!, times[Math.floor((times.length * 2) / 3)]!];
  const [column, unit] = BUCKETS[view] ?? ['day', 'day'];
  const first =
    unit === 'hour'
      ? `date_trunc('hour', ${instant(from)}, '${zone}')`
      : `date_trunc('${unit}', ${instant(from)} at time zone '${zone}')::date`;
  const last = unit === 'hour' ? instant(to) : `(${instant(to)} at time zone '${zone}')::date`;
  const call = `${view}_in('${zone}', array[${ids.join(', ')}], ${instant(from)}, ${instant(to)})`;
  const chosen = `account_id in (${ids.join(', ')}) and ${column} >= ${first} and ${column} <= ${last}`;
  const expected = await readView(session, view, chosen, `${view}_in('${zone}')`);
  compare(`${view}_in a span`, await readView(session, view, 'true', call), expected);
}

test("snapshots and sync_runs are the tables with the account's id", async () => {
  const database = await migratedDatabase();
  try {
    await fc.assert(
      fc.asyncProperty(randomPast, async (random) => {
        await liveThrough(database, api, { ...random, ...circumstances(0) });
      }),
      { numRuns: 1, seed: SEED },
    );
    const kept = async (view: string, less: string[]) => {
      const rows = await database.rows<Row>(
        `select a.account_id, t.*, coalesce(a.label, a.account_id) as account_label
           from risk.${view} t join risk.accounts a using (account_key)`,
      );
      return rows.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => !less.includes(name))),
      );
    };
    const read = (view: string) => database.rows<Row>(`select * from risk_bi.${view}`);
    const snapshots = await kept('snapshots', ['account_key']);
    assert.ok(snapshots.length > 10);
    assert.equal(difference(await read('snapshots'), snapshots), null);
    const runs = await kept('sync_runs', ['account_key', 'host', 'evidence']);
    const timed = runs.map((row) => {
      const [from, to] = [row['started_at'] as Date, row['finished_at'] as Date];
      return { ...row, duration_seconds: (to.getTime() - from.getTime()) / 1000 };
    });
    assert.equal(difference(await read('sync_runs'), timed), null);
    // One for all accounts, or one for each in a distributed history.
    const clock = await database.rows<Row>(
      `select last_snapshot_id as feed_id, epoch, account_id
         from risk_internal.feed_clock left join risk.accounts using (account_key)`,
    );
    const accounts = await database.rows<Row>('select account_id from risk.accounts order by 1');
    const told = clock.map(({ account_id }) => ({ account_id }));
    assert.equal(difference(told, CITUS_URL === '' ? [{ account_id: null }] : accounts), null);
    assert.equal(difference(await read('feed_clock'), clock), null);
    const epochs = clock.map(({ feed_id, ...rest }) => ({ ...rest, good_up_to: feed_id }));
    assert.equal(difference(await read('feed_epochs'), epochs), null);
  } finally {
    await database.close();
  }
});

test('dates holds the days of the calendar, and the weeks of ISO 8601', async () => {
  const database = await migratedDatabase();
  try {
    const rows = await database.rows<Row>(
      'select *, day::text, week_start::text, month_start::text from risk_bi.dates',
    );
    const text = (day: Date) => day.toISOString().slice(0, 10);
    const expected: Row[] = [];
    const end = Date.UTC(2050, 11, 31);
    const monthName = new Intl.DateTimeFormat('en', { timeZone: 'UTC', month: 'long' });
    const weekdayName = new Intl.DateTimeFormat('en', { timeZone: 'UTC', weekday: 'long' });
    for (let at = Date.UTC(2020, 0, 1); at <= end; at += 86_400_000) {
      const day = new Date(at);
      const weekday = day.getUTCDay() === 0 ? 7 : day.getUTCDay();
      // A week belongs to the year of its Thursday.
      const thursday = new Date(at + (4 - weekday) * 86_400_000);
      expected.push({
        day: text(day),
        year: day.getUTCFullYear(),
        quarter: Math.floor(day.getUTCMonth() / 3) + 1,
        month: day.getUTCMonth() + 1,
        month_name: monthName.format(day),
        day_of_month: day.getUTCDate(),
        iso_year: thursday.getUTCFullYear(),
        iso_week:
          Math.floor((thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / 604_800_000) + 1,
        iso_weekday: weekday,
        weekday_name: weekdayName.format(day),
        is_weekend: weekday > 5,
        week_start: text(new Date(at - (weekday - 1) * 86_400_000)),
        month_start: `${text(day).slice(0, 8)}01`,
      });
    }
    assert.equal(difference(rows, expected), null);
  } finally {
    await database.close();
  }
});

test('compare refuses instants in the wrong order, and returns no user of an account that does not exist', async () => {
  const database = await migratedDatabase();
  try {
    const compare = (from: string, to: string) =>
      database.rows('select * from risk_bi.compare($1, $2, $3)', ['nobody', from, to]);
    await assert.rejects(compare('2025-01-02', '2025-01-01'), { code: '22023' });
    assert.deepEqual(await compare('2025-01-01', '2025-01-02'), []);
  } finally {
    await database.close();
  }
});

const instant = (at: bigint) => `(timestamptz 'epoch' + ${at} * interval '1 microsecond')`;
const AS_OF = {
  user_id: 'uuid',
  max_risk_level: 'text',
  event_count: 'integer',
  last_event: 'timestamp with time zone',
  level_rank: 'integer',
};

async function compareFunctions(
  session: PoolClient,
  past: Past,
  compare: (what: string, actual: Row[], expected: Row[]) => void,
): Promise<void> {
  const { snapshots } = past.oracle;
  const instants = snapshots
    .flatMap(({ at }) => [at - 1n, at, at + 17n * 60_000_000n])
    .toSorted((a, b) => Number(a - b));
  for (const at of instants) {
    const { asOf, rebuilt } = expectedUsers(past, at);
    const columns = { ...AS_OF, snapshot_id: 'bigint', observed_at: 'timestamp with time zone' };
    const call = `users_as_of($1, ${instant(at)})`;
    compare('users_as_of', await readFunction(session, call, columns, [past.accountId]), asOf);
    const snapshot = snapshots.find((one) => one.at === at);
    if (snapshot === undefined) continue;
    const people = { ...AS_OF, email: 'text', name: 'text' };
    const ids = [past.accountId, snapshot.snapshotId];
    const rows = await readFunction(session, 'snapshot_users($1, $2)', people, ids);
    compare('snapshot_users', rows, rebuilt);
    // In a distributed history, several accounts may have a snapshot of this id.
    if (CITUS_URL !== '') continue;
    compare(
      'snapshot_users',
      await readFunction(session, 'snapshot_users($1)', people, ids.slice(1)),
      rebuilt,
    );
  }
  const columns = {
    user_id: 'uuid',
    change: 'text',
    from_level: 'text',
    to_level: 'text',
    from_level_rank: 'integer',
    to_level_rank: 'integer',
  };
  // Each snapshot with the next ones, and with some far away.
  for (const [index, from] of instants.entries()) {
    for (const to of [
      ...instants.slice(index, index + 4),
      ...instants.slice(index + 7).filter((_, n) => n % 11 === 0),
    ]) {
      const call = `compare($1, ${instant(from)}, ${instant(to)})`;
      const rows = await readFunction(session, call, columns, [past.accountId]);
      compare('compare', rows, expectedComparison(past, from, to));
    }
  }
}

test('slots are still expected while nothing runs, and no longer a month after runs are started by other means', async () => {
  const database = await migratedDatabase();
  try {
    const sample = sampleHistory(database.pool);
    const day = (back: number) => new Date(Date.UTC(2025, 5, 30 - back, 12)).toISOString();
    const [silent, byHand] = [await sample.account('a'.repeat(32)), await sample.account('b'.repeat(32))];
    for (const account_key of [silent, byHand])
      for (const back of [62, 61, 60])
        await sample.run({
          account_key,
          started_at: day(back),
          snapshot_id: 1,
          verdict: 'complete',
          scheduled_for: day(back),
        });
    for (let back = 59; back >= 0; back--)
      await sample.run({
        account_key: byHand,
        started_at: day(back),
        snapshot_id: 1,
        verdict: 'complete',
        trigger: 'cli',
      });
    const expected = (back: number) =>
      database.rows(
        `select expected_slot_count as slots from risk_bi.sync_coverage where day = $1 order by account_id`,
        [day(back).slice(0, 10)],
      );
    // A slot that was tried a hundred times counts once.
    for (let attempt = 1; attempt <= 100; attempt++)
      await sample.run({
        account_key: silent,
        started_at: new Date(Date.parse(day(55)) + attempt * 60_000).toISOString(),
        status: 'failed',
        error_code: 'UNAUTHORIZED',
        scheduled_for: day(55),
      });
    assert.deepEqual(await expected(50), [{ slots: 1 }, { slots: 1 }]);
    assert.deepEqual(await expected(20), [{ slots: 1 }, { slots: null }]);
  } finally {
    await database.close();
  }
});
