// A history that grows week by week and is pruned after each week: how large the activity gets, and what a prune costs.
// The reference is the INSERT of the week's rows. At the end, it measures one more hour with its prune, and reads
// beside a table that was never pruned. BENCH_USERS, BENCH_WEEKS and BENCH_KEEP_DAYS choose the size.
import type { Pool } from '../../src/db/pool.ts';
import { migrate } from '../../src/db/migrate.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { pruneAccount } from '../../src/upkeep/prune/prune-account.ts';
import type { Bench } from '../harness/bench.ts';
import { median } from '../harness/median.ts';
import { openPool } from '../harness/postgres.ts';
import { createReport } from '../harness/report.ts';
import { writeBulkHistory } from '../reporting/bulk-history.ts';
import { createPool } from '../../src/db/pool.ts';

const USERS = Number(process.env['BENCH_USERS'] ?? 20_000);
const WEEKS = Number(process.env['BENCH_WEEKS'] ?? 52);
const KEEP_DAYS = Number(process.env['BENCH_KEEP_DAYS'] ?? 90);
const ACTS_AN_HOUR = 0.03;
const HOURS = WEEKS * 168;
const HOUR = 3_600_000;
const ACCOUNT = '5e1f0000000000000000000000000009';
const READS = 5;

export async function retentionSuite({ postgres }: Bench): Promise<void> {
  const databaseUrl = await postgres.emptyDatabase('bench_retention');
  const pool = openPool(databaseUrl);
  const worker = createPool({ url: databaseUrl, logger: { warn: () => undefined } });
  const report = createReport('retention', { users: USERS, weeks: WEEKS, keep_days: KEEP_DAYS });
  const start = Date.now() - (HOURS + 24) * HOUR;
  await migrate(pool);
  await writeBulkHistory(pool, {
    accountId: ACCOUNT,
    users: USERS,
    snapshots: HOURS,
    start: new Date(Math.floor(start / 1000) * 1000).toISOString(),
    actsPerUser: Math.round(ACTS_AN_HOUR * HOURS),
    seed: 1,
  });
  const whole = await readMs(pool, start);
  await pool.query(
    'create table all_activity as select * from risk.user_activity order by snapshot_id, user_key',
  );
  await pool.query('create index on all_activity (snapshot_id)');
  await pool.query('truncate risk.user_activity');
  const { rows } = await pool.query<{ first: number }>(
    'select min(snapshot_id)::integer as first from risk.snapshots',
  );
  const first = rows[0]!.first;
  let inserted = 0;

  /** Until this hour of the history: writes the rows, and prunes what is too old. */
  async function live(name: string, from: number, to: number): Promise<void> {
    let began = performance.now();
    const { rowCount } = await pool.query(
      `insert into risk.user_activity select * from all_activity where snapshot_id >= $1 and snapshot_id < $2 order by snapshot_id, user_key`,
      [first + from, first + to],
    );
    const insertMs = performance.now() - began;
    inserted += rowCount ?? 0;
    const now = start + to * HOUR;
    const wal = await postgres.walBytes();
    began = performance.now();
    const pruned = await pruneAccount(
      { pool: worker, timing: LEASE_TIMING },
      {
        accountKey: 1,
        retention: {
          activity: Date.now() - (now - KEEP_DAYS * 24 * HOUR),
          levels: null,
          identities: null,
          runs: null,
        },
        signal: new AbortController().signal,
        onBusy: () => true,
      },
    );
    const pruneMs = performance.now() - began;
    const walMb = ((await postgres.walBytes()) - wal) / 1e6;
    // As autovacuum would do, sooner or later.
    await pool.query('vacuum analyze risk.user_activity');
    const [size] = (
      await pool.query<{ mb: number; rows: number }>(
        `select pg_total_relation_size('risk.user_activity') / 1e6::float8 as mb, count(*)::integer as rows from risk.user_activity`,
      )
    ).rows;
    await report.add({
      after: name,
      inserted_rows: inserted,
      rows: size!.rows,
      size_mb: size!.mb,
      pruned_rows: pruned.parts[0]?.rows ?? 0,
      prune_ms: pruneMs,
      prune_wal_mb: walMb,
      insert_ms: insertMs,
      insert_x: pruneMs / insertMs,
    });
  }

  for (let week = 1; week <= WEEKS; week++) {
    const to = week === WEEKS ? HOURS - 1 : week * 168;
    await live(`week ${week}`, (week - 1) * 168, to);
  }
  await live('one hour more', HOURS - 1, HOURS);
  const pruned = await readMs(pool, start);
  for (const [what, ms] of Object.entries(pruned))
    await report.add({ after: what, read_ms: ms, never_pruned_x: ms / whole[what as keyof typeof whole] });
  report.print();
  await worker.end();
  await pool.end();
}

/** Medians of reads that find activity by its snapshots, within the kept part. */
async function readMs(
  pool: Pool,
  start: number,
): Promise<Record<'as of yesterday' | 'as of 60 days ago' | 'activity_daily of 30 days', number>> {
  const end = start + HOURS * HOUR;
  const at = (days: number) => new Date(end - days * 24 * HOUR).toISOString();
  const asOf = (days: number) =>
    `select count(event_count) from risk_bi.users_as_of('${ACCOUNT}', '${at(days)}')`;
  return {
    'as of yesterday': await timed(pool, asOf(1)),
    'as of 60 days ago': await timed(pool, asOf(Math.min(60, KEEP_DAYS - 1))),
    'activity_daily of 30 days': await timed(
      pool,
      `select sum(active_users) from risk_bi.activity_daily where day > '${at(31)}'::date`,
    ),
  };
}

async function timed(pool: Pool, query: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n <= READS; n++) {
    const began = performance.now();
    await pool.query(query);
    // The first read warms the cache.
    if (n > 0) times.push(performance.now() - began);
  }
  return median(times);
}
