// `npm run bench:reporting`: runs every view and function as a BI tool would, for one of two accounts, over a history
// from bench/reporting/bulk-history.ts. Prints p50 and p95 as the client sees them, rows included. Also prints the
// ratio of the median to the median of reading all current users in the same run. Milliseconds differ by a factor of
// two between machines, but the ratios do not. BENCH_USERS and BENCH_SNAPSHOTS set the size, BENCH_ROUNDS the number of
// rounds.
import { cpus } from 'node:os';
import { ensureDatabase } from '../../src/db/create-database.ts';
import { startEmbedded, stopEmbedded } from '../../src/db/embedded/embedded-postgres.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createPool, type Pool } from '../../src/db/pool.ts';
import { removeFolder, temporaryFolder } from '../../test/support/database/servers/postgres-server.ts';
import { writeBulkHistory } from './bulk-history.ts';
import { median } from '../harness/median.ts';

const USERS = Number(process.env['BENCH_USERS'] ?? 20_000);
const SNAPSHOTS = Number(process.env['BENCH_SNAPSHOTS'] ?? 8_760);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 20);
const ACCOUNT = '5e1f0000000000000000000000000001';
const OTHER = '5e1f0000000000000000000000000002';
const HOUR = 3_600_000;
const end = Math.floor(Date.now() / HOUR) * HOUR;
const before = (days: number) => new Date(end - days * 24 * HOUR).toISOString();
const REFERENCE = `select * from risk_bi.users where account_id = '${ACCOUNT}' and is_present`;
/** The highest allowed ratio to the reference. Some questions below have their own. */
const MOST = 8;

const mine = `account_id = '${ACCOUNT}'`;
const since = (column: string, days: number) => `${mine} and ${column} >= '${before(days)}'`;
/** The questions, and the highest allowed ratio of the median to the reference. */
const QUESTIONS: [name: string, most: number, sql: string][] = [
  ['all current users', MOST, REFERENCE],
  ['accounts', MOST, 'select * from risk_bi.accounts'],
  ['risk_levels', MOST, 'select * from risk_bi.risk_levels'],
  [
    'daily trend of a year',
    0.2,
    `select day, max_risk_level, user_count from risk_bi.risk_level_daily where ${since('day', 365)}`,
  ],
  [
    'weekly trend of a year',
    0.4,
    `select week_start, max_risk_level, average_user_count from risk_bi.risk_level_weekly where ${since('week_start', 365)}`,
  ],
  [
    'monthly trend of a year',
    0.4,
    `select month_start, max_risk_level, average_user_count from risk_bi.risk_level_monthly where ${since('month_start', 365)}`,
  ],
  ['hourly trend of a week', MOST, `select * from risk_bi.risk_level_hourly where ${since('hour', 7)}`],
  ['hourly trend of a year', MOST, `select * from risk_bi.risk_level_hourly where ${since('hour', 365)}`],
  [
    'risk_level_by_snapshot, 30 days',
    MOST,
    `select * from risk_bi.risk_level_by_snapshot where ${since('observed_at', 30)}`,
  ],
  ["one user's history", 0.06, `select * from risk_bi.user_level_history where ${mine} and user_id = $1`],
  ["one user's changes", MOST, `select * from risk_bi.level_changes where ${mine} and user_id = $1`],
  ["one user's event counters", MOST, `select * from risk_bi.user_activity where ${mine} and user_id = $1`],
  [
    "one user's time at each level",
    MOST,
    `select * from risk_bi.time_at_level where ${mine} and user_id = $1`,
  ],
  [
    "one user's high episodes",
    MOST,
    `select * from risk_bi.high_risk_episodes where ${mine} and user_id = $1`,
  ],
  ['users_as_of a year ago', 2, `select * from risk_bi.users_as_of('${ACCOUNT}', '${before(360)}')`],
  ['users_as_of half a year ago', 2, `select * from risk_bi.users_as_of('${ACCOUNT}', '${before(180)}')`],
  ['users_as_of a quarter ago', 2, `select * from risk_bi.users_as_of('${ACCOUNT}', '${before(90)}')`],
  ['users_as_of a month ago', 2, `select * from risk_bi.users_as_of('${ACCOUNT}', '${before(30)}')`],
  ['users_as_of yesterday', 2, `select * from risk_bi.users_as_of('${ACCOUNT}', '${before(1)}')`],
  ['compare now with a month ago', 4, `select * from risk_bi.compare('${ACCOUNT}', '${before(30)}', now())`],
  [
    'compare two dates of a year',
    4,
    `select * from risk_bi.compare('${ACCOUNT}', '${before(360)}', '${before(7)}')`,
  ],
  ['snapshot_users', MOST, 'select * from risk_bi.snapshot_users(100)'],
  ['level_changes, 7 days', MOST, `select * from risk_bi.level_changes where ${since('changed_at', 7)}`],
  [
    'level_transitions_daily, 30 days',
    MOST,
    `select * from risk_bi.level_transitions_daily where ${since('day', 30)}`,
  ],
  [
    'level_transitions_daily, a year',
    MOST,
    `select * from risk_bi.level_transitions_daily where ${since('day', 365)}`,
  ],
  [
    'user_level_history, all current',
    MOST,
    `select * from risk_bi.user_level_history where ${mine} and valid_to is null`,
  ],
  [
    'time_at_level, longest at high',
    MOST,
    `select * from risk_bi.time_at_level where ${mine} and max_risk_level = 'high' order by duration_seconds desc limit 20`,
  ],
  [
    'high_risk_episodes, 30 days',
    MOST,
    `select * from risk_bi.high_risk_episodes where ${since('started_at', 30)}`,
  ],
  ['returned_users, 30 days', MOST, `select * from risk_bi.returned_users where ${since('returned_at', 30)}`],
  ['activity_daily, 30 days', MOST, `select * from risk_bi.activity_daily where ${since('day', 30)}`],
  [
    'activity_daily, a year without active_users',
    MOST,
    `select day, appeared, raised, lowered, cleared, returned from risk_bi.activity_daily where ${since('day', 365)}`,
  ],
  ['sync_coverage, a year', MOST, `select * from risk_bi.sync_coverage where ${since('day', 365)}`],
  [
    'users, high first',
    MOST,
    `select * from risk_bi.users where ${mine} and is_present order by event_count desc limit 100`,
  ],
  ['users, all', MOST, `select * from risk_bi.users where ${mine}`],
  [
    'user_identities, all current',
    MOST,
    `select * from risk_bi.user_identities where ${mine} and is_current`,
  ],
  ['snapshots, a year', MOST, `select * from risk_bi.snapshots where ${since('observed_at', 365)}`],
  ['sync_runs, 30 days', MOST, `select * from risk_bi.sync_runs where ${since('finished_at', 30)}`],
  ['dates of a year', MOST, `select * from risk_bi.dates where year = 2026`],
];

// Otherwise the time for parsing dates would be measured as well.
const AS_TEXT = { getTypeParser: () => (text: unknown) => text };

const folder = await temporaryFolder();
const place = { dataHome: folder, home: folder };
const { url } = await startEmbedded(place);
const pool = createPool({
  url: await ensureDatabase(url, 'bench'),
  max: 1,
  logger: { warn: () => undefined },
});
try {
  await migrate(pool);
  const began = performance.now();
  // As often as in an account in which 3 % of the users act in an hour.
  const actsPerUser = SNAPSHOTS * 0.03;
  const start = new Date(end - SNAPSHOTS * HOUR).toISOString();
  const shared = { snapshots: SNAPSHOTS, start, actsPerUser };
  await writeBulkHistory(pool, { ...shared, accountId: ACCOUNT, users: USERS, seed: 1 });
  await writeBulkHistory(pool, { ...shared, accountId: OTHER, users: Math.ceil(USERS / 10), seed: 2 });
  // As autovacuum would do within a minute.
  await pool.query('analyze risk.accounts');
  const { rows } = await pool.query<{ table: string; rows: string }>(
    `select relname as table, reltuples::bigint as rows from pg_class
      where relnamespace = 'risk'::regnamespace and relkind = 'r' order by reltuples desc limit 3`,
  );
  print(
    `${USERS.toLocaleString('en-US')} users, ${SNAPSHOTS.toLocaleString('en-US')} snapshots, a second account with a tenth of the users; ` +
      `${rows.map((row) => `${Number(row.rows).toLocaleString('en-US')} ${row.table}`).join(', ')}\n` +
      `${cpus().length} cores, PostgreSQL 18, ${ROUNDS} rounds; written in ${((performance.now() - began) / 1000).toFixed(0)} s\n\n`,
  );
  await measure(pool);
} finally {
  await pool.end();
  await stopEmbedded(place);
  await removeFolder(folder);
}

async function measure(pool: Pool): Promise<void> {
  await pool.query("set time zone 'Europe/Berlin'");
  const { rows } = await pool.query<{ user_id: string }>(
    `select user_id from risk_bi.users where ${mine} order by event_count desc limit 1`,
  );
  print(`${'question'.padEnd(46)}  rows      p50      p95   ratio   most\n`);
  let missed = 0;
  for (const [name, most, sql] of QUESTIONS) {
    const values = sql.includes('$1') ? [rows[0]?.user_id] : [];
    // The reference runs just before each question, so that a busy minute affects both.
    const reference = await ask(pool, REFERENCE, []);
    const { rows: found, times } = await ask(pool, sql, values);
    const p95 = times[Math.ceil(times.length * 0.95) - 1] ?? Number.NaN;
    const ratio = median(times) / median(reference.times);
    if (ratio > most) missed++;
    print(
      `${name.padEnd(46)} ${String(found).padStart(5)} ${ms(median(times))} ${ms(p95)} ${ratio.toFixed(3).padStart(7)} ${String(most).padStart(6)}  ${ratio > most ? 'miss' : 'pass'}\n`,
    );
  }
  print(`\n${missed} of ${QUESTIONS.length} questions exceed their limit\n`);
}

/** Milliseconds of every round, ascending. The first round warms the cache and does not count. */
async function ask(pool: Pool, sql: string, values: unknown[]): Promise<{ rows: number; times: number[] }> {
  const times: number[] = [];
  let found = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const began = performance.now();
    found = (await pool.query({ text: sql, values, rowMode: 'array', types: AS_TEXT })).rows.length;
    if (round > 0) times.push(performance.now() - began);
  }
  return { rows: found, times: times.toSorted((a, b) => a - b) };
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`.padStart(8);
}

function print(text: string): void {
  process.stdout.write(text);
}
