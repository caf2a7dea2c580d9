// Suite `export`: the dataset activity in each format, beside a bare COPY of the same rows into a file. The COPY has
// the same joins, one connection, and a process of its own. Every round runs all of them, one after the other. Times
// are for whole processes. BENCH_ROWS (one or more; BENCH_ROWS=1000000,10000000 shows whether memory is flat),
// BENCH_ROUNDS, BENCH_CASES (the bare COPY always runs).
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { numbersOf, type Bench } from '../harness/bench.ts';
import { measure, type Figures } from '../harness/measure.ts';
import { median } from '../harness/median.ts';
import { openPool } from '../harness/postgres.ts';
import { createReport, type Report } from '../harness/report.ts';
import { migrate } from '../harness/sync.ts';
import { writeBulkHistory } from '../reporting/bulk-history.ts';
import { ACCOUNT } from './life.ts';

const USERS = 100_000;
const DATABASE = 'bench_export';
const CASES = ['copy', 'csv', 'ndjson', 'parquet', 'csv.gz'] as const;
type Case = (typeof CASES)[number];
type Round = { figures: Figures; bytes: number };

const copyScript = fileURLToPath(new URL('../harness/bare-copy-out.ts', import.meta.url));

export async function exportSuite(bench: Bench): Promise<void> {
  const sizes = numbersOf('BENCH_ROWS', [1_000_000]);
  const rounds = Math.min(bench.rounds, 5);
  const report = createReport('export', { rows: sizes.join(' '), users: USERS, rounds });
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-export-'));
  try {
    for (const rows of sizes) await measureSize(bench, { rows, rounds, folder, report });
    report.print();
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Size = { rows: number; rounds: number; folder: string; report: Report };

async function measureSize(bench: Bench, { rows, rounds, folder, report }: Size): Promise<void> {
  const databaseUrl = await bench.postgres.emptyDatabase(DATABASE);
  await migrate(bench, databaseUrl);
  await writeActivity(databaseUrl, rows);
  const cases = chosenCases();
  const measured = new Map<Case, Round[]>(cases.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const name of cases) measured.get(name)!.push(await run(bench, name, databaseUrl, folder));
  await bench.postgres.drop(DATABASE);
  const of = (name: Case, figure: (round: Round) => number) => median(measured.get(name)!.map(figure));
  const copyMs = of('copy', ({ figures }) => figures.wallMs);
  for (const name of cases) {
    const wallMs = of(name, ({ figures }) => figures.wallMs);
    await report.add({
      case: name === 'copy' ? 'bare COPY to CSV' : name,
      rows,
      wall_ms: wallMs,
      copy_x: wallMs / copyMs,
      rows_a_second: Math.round(rows / (wallMs / 1000)),
      client_cpu_ms: of(name, ({ figures }) => figures.clientCpuMs),
      server_cpu_ms: of(name, ({ figures }) => figures.serverCpuMs),
      peak_mb: of(name, ({ figures }) => figures.peakMb),
      size_mb: of(name, ({ bytes }) => bytes) / 1e6,
      rounds_ms: measured.get(name)!.map(({ figures }) => Math.round(figures.wallMs)),
    });
  }
}

function chosenCases(): Case[] {
  const names = (process.env['BENCH_CASES'] ?? '').split(',').filter(Boolean);
  return CASES.filter((name) => name === 'copy' || names.length === 0 || names.includes(name));
}

async function run(bench: Bench, name: Case, databaseUrl: string, folder: string): Promise<Round> {
  const file = path.join(folder, `activity.${name}`);
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: databaseUrl };
  const args =
    name === 'copy' ? [copyScript, databaseUrl, file] : ['dist/cli.js', 'export', 'activity', '--out', file];
  const { figures, ended } = await measure(bench, [{ file: process.execPath, args, env }]);
  if (ended[0]?.code !== 0) throw new Error(`${name} failed:\n${ended[0]?.log}`);
  const { size } = await stat(file);
  await rm(file);
  return { figures, bytes: size };
}

/** A day of a real history, and then hours in which every user was active. */
async function writeActivity(databaseUrl: string, rows: number): Promise<void> {
  const pool = openPool(databaseUrl);
  try {
    const start = '2026-01-01T00:00:00Z';
    await writeBulkHistory(pool, {
      accountId: ACCOUNT,
      users: USERS,
      snapshots: 24,
      start,
      actsPerUser: 1,
      seed: 1,
    });
    const later = `'${start}'::timestamptz + (24 + n) * interval '1 hour'`;
    await pool.query(
      `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
       select account_key, user_key, ${later}, (user_key * 7 + n * 13) % 1000,
              ${later} - (user_key * 7919 + n * 104729) % 3600000000 * interval '1 microsecond', snapshot_id
         from generate_series(1, ${Math.ceil(rows / USERS)}) n, risk.users order by n, user_key
        limit greatest(0, ${rows} - (select count(*) from risk.user_activity))`,
    );
    await pool.query('vacuum analyze risk.user_activity');
  } finally {
    await pool.end();
  }
}
