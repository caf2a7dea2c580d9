// Suite `history`: disk use of 90 days of hourly snapshots, compared with a full copy for each snapshot and with the
// layout of dlt's scd2. SQL writes the history. Each copy takes the same space, so a few copies represent all.
// BENCH_USERS, BENCH_SNAPSHOTS.
import { numbersOf, type Bench } from '../harness/bench.ts';
import { openPool } from '../harness/postgres.ts';
import { createReport } from '../harness/report.ts';
import { migrate } from '../harness/sync.ts';
import { writeBulkHistory } from '../reporting/bulk-history.ts';
import type { Pool } from '../../src/db/pool.ts';
import { ACCOUNT } from './life.ts';

const ACTING_SHARE = 0.03;
const COPIES = 24;

export async function historySuite(bench: Bench): Promise<void> {
  const [users] = numbersOf('BENCH_USERS', [20_000]);
  const [snapshots] = numbersOf('BENCH_SNAPSHOTS', [90 * 24]);
  const report = createReport('history', {
    users: users!,
    snapshots: snapshots!,
    acting_share_an_hour: '3 %',
  });
  const databaseUrl = await bench.postgres.emptyDatabase('bench_history');
  await migrate(bench, databaseUrl);
  const pool = openPool(databaseUrl);
  try {
    await writeBulkHistory(pool, {
      accountId: ACCOUNT,
      users: users!,
      snapshots: snapshots!,
      start: '2026-01-01T00:00:00Z',
      actsPerUser: snapshots! * ACTING_SHARE,
      seed: 1,
    });
    const ours = await sizeOf(pool, "n.nspname in ('risk', 'risk_internal')");
    await report.add({ layout: 'this product, all tables', ...perUser(ours, users!), ours_x: 1 });
    await scd2(pool);
    const dlt = await sizeOf(pool, "c.relname = 'bench_scd2'");
    await report.add({
      layout: "the same in the table of dlt's scd2",
      ...perUser(dlt, users!),
      ours_x: dlt.mb / ours.mb,
    });
    await fullCopies(pool, Math.min(COPIES, snapshots!));
    const some = await sizeOf(pool, "c.relname = 'bench_copies'");
    const factor = snapshots! / Math.min(COPIES, snapshots!);
    const copies = { rows: some.rows * factor, mb: some.mb * factor };
    await report.add({
      layout: 'a full copy for each snapshot, extrapolated',
      ...perUser(copies, users!),
      ours_x: copies.mb / ours.mb,
    });
    report.print();
  } finally {
    await pool.end();
  }
}

type Size = { rows: number; mb: number };

const perUser = ({ rows, mb }: Size, users: number) => ({
  rows: Math.round(rows),
  size_mb: mb,
  bytes_a_user: (mb * 1e6) / users,
});

async function sizeOf(pool: Pool, which: string): Promise<Size> {
  const { rows } = await pool.query<{ rows: string; bytes: string }>(
    `select sum(greatest(c.reltuples, 0)) as rows, sum(pg_total_relation_size(c.oid)) as bytes
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and ${which}`,
  );
  return { rows: Number(rows[0]?.rows), mb: Number(rows[0]?.bytes) / 1e6 };
}

/** A table with the columns, types and constraint that dlt makes. It has one row for each change of a user's values. */
async function scd2(pool: Pool): Promise<void> {
  await pool.query(`create table bench_scd2 (_dlt_valid_from timestamptz, _dlt_valid_to timestamptz, email varchar, event_count bigint,
    last_event timestamptz, max_risk_level varchar, name varchar, user_id varchar, _dlt_load_id varchar not null, _dlt_id varchar not null unique)`);
  await pool.query(`with told as (
      select *, lead(snapshot_no) over (partition by user_no order by snapshot_no) as until_no from bulk_acts),
    dated as (
      select *, timestamptz '2026-01-01T00:00:00Z' + snapshot_no * interval '1 hour' as valid_from,
             timestamptz '2026-01-01T00:00:00Z' + until_no * interval '1 hour' as valid_to from told)
    insert into bench_scd2
    select valid_from, valid_to, user_id || '@example.com', event_count, last_event, level, 'Somebody', user_id,
           extract(epoch from valid_from)::numeric(17, 6)::text, left(encode(sha256(convert_to(user_no || '/' || snapshot_no, 'UTF8')), 'base64'), 14)
      from dated where level is not null order by snapshot_no, user_no`);
  await pool.query('vacuum analyze bench_scd2');
}

/** One table with a key: one row for each user and snapshot. */
async function fullCopies(pool: Pool, count: number): Promise<void> {
  await pool.query(`create table bench_copies (snapshot_id integer, user_id uuid, email text, name text, max_risk_level text,
    event_count integer, last_event timestamptz, primary key (snapshot_id, user_id))`);
  await pool.query(
    `insert into bench_copies select n, user_id, email, name, max_risk_level, event_count, last_event
       from generate_series(1, $1::integer) n, risk_bi.snapshot_users((select max(snapshot_id) from risk.snapshots)) order by n, user_id`,
    [count],
  );
  await pool.query('vacuum analyze bench_copies');
}
