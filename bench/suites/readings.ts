// Suite `readings`: every question about all accounts at once, over the history of many small accounts that SQL writes.
// The reference is a bare look at the newest snapshot of each account, in the same round. BENCH_ACCOUNTS, BENCH_RUNS
// (of each account, one an hour), BENCH_CASES (parts of names), BENCH_DATABASE_URL (an existing history).
import { accountMetrics } from '../../src/http/account-metrics.ts';
import { isSlow } from '../../src/http/ask-database.ts';
import { overviewOf } from '../../src/answers/overview.ts';
import { scopeOf } from '../../src/answers/scope.ts';
import { databaseError } from '../../src/db/database-errors.ts';
import { readOnly } from '../../src/db/read-only.ts';
import type { Pool } from '../../src/db/pool.ts';
import type { Transaction } from '../../src/db/transaction.ts';
import { accountGauges } from '../../src/queries/accounts/account-gauges.ts';
import { accountList } from '../../src/queries/accounts/account-list.ts';
import { snapshotAges } from '../../src/queries/accounts/snapshot-ages.ts';
import { knownAccounts } from '../../src/queries/accounts/known-accounts.ts';
import { listAccounts } from '../../src/queries/accounts/list-accounts.ts';
import { levelsAt } from '../../src/queries/levels/levels-at.ts';
import { news } from '../../src/queries/levels/news.ts';
import { trend } from '../../src/queries/levels/trend.ts';
import { answerTo } from '../../src/queries/question.ts';
import { coverage } from '../../src/queries/runs/coverage.ts';
import { slotRuns } from '../../src/queries/runs/slot-runs.ts';
import { newestSnapshots } from '../../src/queries/snapshots/newest-snapshots.ts';
import { longestAtHigh } from '../../src/queries/users/longest-at-high.ts';
import { writeManyAccounts } from '../accounts/many-accounts.ts';
import { numbersOf, type Bench } from '../harness/bench.ts';
import { median } from '../harness/median.ts';
import { openPool } from '../harness/postgres.ts';
import { createReport } from '../harness/report.ts';
import { migrate } from '../harness/sync.ts';

const DAY = 86_400_000;
const BARE = `select a.account_key, (select max(s.observed_at) from risk.snapshots s where s.account_key = a.account_key) from risk.accounts a`;

export async function readingsSuite(bench: Bench): Promise<void> {
  const accounts = numbersOf('BENCH_ACCOUNTS', [3_000])[0]!;
  const runs = numbersOf('BENCH_RUNS', [200])[0]!;
  const report = createReport('readings', { accounts, runs_of_each: runs, rounds: bench.rounds });
  const given = process.env['BENCH_DATABASE_URL'];
  const databaseUrl = given ?? (await bench.postgres.emptyDatabase('bench_readings'));
  const pool = openPool(databaseUrl);
  try {
    if (given === undefined) {
      await migrate(bench, databaseUrl);
      await writeManyAccounts(pool, { accounts, usersPerAccount: 200, runsPerAccount: runs });
    }
    const cases = (process.env['BENCH_CASES'] ?? '').split(',');
    for (const [name, ask] of Object.entries(QUESTIONS).filter(([one]) =>
      cases.some((part) => one.includes(part)),
    ))
      await report.add({ question: name, ...(await measured(pool, ask, bench.rounds)) });
    report.print();
  } finally {
    await pool.end();
  }
}

type Ask = (tx: Transaction) => Promise<number>;

async function measured(pool: Pool, ask: Ask, rounds: number) {
  const [times, bare, cpu]: [number[], number[], number[]] = [[], [], []];
  let rows = 0;
  // The first round fills caches.
  for (let round = -1; round < rounds; round++) {
    const [bareMs] = await timed(() => pool.query(BARE));
    const spent = process.cpuUsage();
    const [ms, count] = await timed(() => withinLimit(pool, ask));
    const { user, system } = process.cpuUsage(spent);
    rows = count;
    if (round < 0) continue;
    times.push(ms);
    bare.push(bareMs);
    cpu.push((user + system) / 1000);
  }
  return {
    rows,
    wall_ms: median(times),
    bare_ms: median(bare),
    bare_x: median(times) / median(bare),
    client_cpu_ms: median(cpu),
    rounds_ms: times.map(Math.round),
  };
}

/** The same limit as on a page. NaN: not answered within it. */
const LIMIT_MS = 30_000;

async function withinLimit(pool: Pool, ask: Ask): Promise<number> {
  try {
    return await readOnly(pool, { statementMs: LIMIT_MS, lockMs: 5_000 }, ask);
  } catch (error) {
    if (isSlow(databaseError(error))) return Number.NaN;
    throw error;
  }
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, value: T]> {
  const began = performance.now();
  const value = await work();
  return [performance.now() - began, value];
}

const before = (days: number) => new Date(Date.now() - days * DAY);
const hour = () => new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000);
const span = (days: number) => ({ from: before(days), to: new Date(), timezone: 'UTC' });

const QUESTIONS: Record<string, Ask> = {
  'metrics: the statement': async (tx) => (await accountGauges(tx)).length,
  'metrics: statement and text': async (tx) => {
    const accounts = await accountGauges(tx);
    return accountMetrics({ state: 'answers', migrated: true, accounts, slots: [], windows: [], readAt: 0 })
      .length;
  },
  'status, accounts list': async (tx) => (await listAccounts(tx)).length,
  'runs of the last slot': async (tx) => (await slotRuns(tx, hour())).length,
  'accounts and their first and newest snapshot': async (tx) => (await knownAccounts(tx)).length,
  readyz: async (tx) => (await snapshotAges(tx, 7_200_000)).accounts,
  'API: accounts': async (tx) => (await answerTo(tx, accountList())).length,
  'API: freshness': async (tx) => (await answerTo(tx, newestSnapshots(null))).length,
  'levels now, yesterday, a week ago': async (tx) =>
    (
      await answerTo(
        tx,
        levelsAt(null, [
          ['now', new Date()],
          ['yesterday', before(1)],
          ['last week', before(7)],
        ]),
      )
    ).length,
  'trend of 30 days by the day': async (tx) =>
    (await answerTo(tx, trend(null, { ...span(30), step: 'day' }))).length,
  'trend of 7 days by the hour': async (tx) =>
    (await answerTo(tx, trend(null, { ...span(7), step: 'hour' }))).length,
  'news of 2 days': async (tx) => (await answerTo(tx, news(null, before(2), 5))).length,
  'longest at high': async (tx) => (await answerTo(tx, longestAtHigh(null, 5))).length,
  'coverage of 30 days': async (tx) => (await answerTo(tx, coverage(null, span(30)))).length,
  'the whole overview, 30 days': async (tx) =>
    (await overviewOf(tx, await scopeOf(tx, { range: '30d' }, '30d'))).newest.rows.length,
};
