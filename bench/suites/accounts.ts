// Suite `accounts`: many small accounts on one PostgreSQL, synced by three replicas of `serve`, while Prometheus
// scrapes and readers ask. After the first load, an accelerated schedule runs `BENCH_SLOTS` slots. BENCH_ACCOUNTS,
// BENCH_SLOTS, BENCH_SLOT_SECONDS, BENCH_REPLICAS, BENCH_DISTANCE_MS: a round trip between worker and database.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../src/db/pool.ts';
import { read, scrape } from '../accounts/watchers.ts';
import { startReplica, type Replica } from '../accounts/replicas.ts';
import { judgeSlots, newestSlot, waitForSlot } from '../accounts/slots.ts';
import { numbersOf, type Bench } from '../harness/bench.ts';
import { distanced } from '../harness/distance.ts';
import { openPool, settle } from '../harness/postgres.ts';
import { createReport, type Row } from '../harness/report.ts';
import { migrate } from '../harness/sync.ts';

const USERS = 200;
/** The share of users who act in an hour. */
const ACTING_SHARE = 0.03;

type Settings = { accounts: number; slots: number; slotSeconds: number; replicas: number };

export async function accountsSuite(bench: Bench): Promise<void> {
  const only = (name: string, otherwise: number) => numbersOf(name, [otherwise])[0]!;
  const settings: Settings = {
    accounts: only('BENCH_ACCOUNTS', 300),
    slots: only('BENCH_SLOTS', 2),
    slotSeconds: only('BENCH_SLOT_SECONDS', 60),
    replicas: only('BENCH_REPLICAS', 3),
  };
  const report = createReport('accounts', { ...settings, users: USERS, acting_share_an_hour: '3 %' });
  for (const distanceMs of distances())
    await distanced(bench, distanceMs, async (via) => {
      for (const row of await withAccounts(bench, settings, via))
        await report.add({ ...row, distance_ms: distanceMs });
    });
  report.print(true);
}

function distances(): number[] {
  return (process.env['BENCH_DISTANCE_MS'] ?? '0,10').split(',').map(Number);
}

async function withAccounts(bench: Bench, settings: Settings, via: (url: string) => string): Promise<Row[]> {
  const databaseUrl = await bench.postgres.emptyDatabase('bench_accounts');
  await migrate(bench, databaseUrl);
  const stepMs = settings.slotSeconds * 1_000;
  await bench.api.control({ many: { users: USERS, actingShare: ACTING_SHARE, stepMs } });
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-accounts-'));
  const file = path.join(folder, 'accounts');
  await writeFile(file, Array.from({ length: settings.accounts }, (_, n) => accountId(n)).join('\n'));
  const pool = openPool(databaseUrl);
  const replicas: Replica[] = [];
  try {
    for (let n = 0; n < settings.replicas; n++)
      replicas.push(
        await startReplica({
          DATABASE_URL: via(databaseUrl),
          CLOUDFLARE_BASE_URL: bench.api.url,
          CLOUDFLARE_ALLOW_INSECURE: '1',
          CLOUDFLARE_API_TOKEN: 'simulated-token',
          CLOUDFLARE_ACCOUNT_ID_FILE: file,
          SYNC_SCHEDULE: scheduleOf(settings.slotSeconds),
          ...settingsOfReplicas(),
        }),
      );
    const parts = { bench, pool, databaseUrl, replicas, settings };
    return [await measured(parts, 'first load', firstLoad), await measured(parts, 'slots', someSlots)];
  } finally {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await pool.end();
    await rm(folder, { recursive: true });
  }
}

type Parts = {
  bench: Bench;
  pool: Pool;
  databaseUrl: string;
  replicas: readonly Replica[];
  settings: Settings;
};

/** Waits until each account has a snapshot. */
async function firstLoad({ pool, databaseUrl, settings }: Parts): Promise<Row> {
  const began = performance.now();
  const snapshots = async () =>
    Number(
      (await pool.query<{ n: string }>('select count(distinct account_key) as n from risk.snapshots'))
        .rows[0]!.n,
    );
  while ((await snapshots()) < settings.accounts) await sleep(1_000);
  const wallS = (performance.now() - began) / 1000;
  await settle(databaseUrl);
  return { runs: settings.accounts, wall_s: wallS };
}

/** The next slots of the schedule, until the last one has been run for each account. */
async function someSlots({ pool, settings }: Parts): Promise<Row> {
  const first = new Date(
    (await newestSlot(pool, settings.slotSeconds)).getTime() + settings.slotSeconds * 1000,
  );
  const slots = Array.from(
    { length: settings.slots },
    (_, n) => new Date(first.getTime() + n * settings.slotSeconds * 1000),
  );
  // A run of an earlier slot belongs to the first load.
  const began = performance.now();
  await waitForSlot(pool, slots.at(-1)!, settings.accounts, settings.slotSeconds * 1000);
  return {
    ...(await judgeSlots(pool, slots, settings.accounts)),
    wall_s: (performance.now() - began) / 1000,
  };
}

/** Figures of the whole phase, while scrapes and readers also run. */
async function measured(parts: Parts, name: string, phase: (parts: Parts) => Promise<Row>): Promise<Row> {
  const { bench, pool, databaseUrl, replicas, settings } = parts;
  const stop = new AbortController();
  const scraping = scrape(
    replicas.map(({ url }) => url),
    stop.signal,
  );
  const reading = read(databaseUrl, stop.signal);
  const before = await counters();
  const row = await phase(parts);
  const after = await counters();
  stop.abort();
  const [scrapes, readers] = [await scraping, await reading];
  const runs = Number(row['runs']);
  const [workerMs, serverMs] = [after.worker - before.worker, after.server - before.server];
  for (const [trouble, times] of replicas.flatMap((replica) => [...replica.troubles()]))
    process.stderr.write(`${name}: ${times} × ${trouble}\n`);
  return {
    phase: name,
    accounts: settings.accounts,
    ...row,
    worker_cpu_s: workerMs / 1000,
    server_cpu_s: serverMs / 1000,
    api_cpu_s: (after.api - before.api) / 1000,
    worker_cpu_per_run_ms: workerMs / runs,
    server_cpu_per_run_ms: serverMs / runs,
    // A claim that meets a live lease uses up a run id.
    claims_met_lease: after.ids - before.ids - (after.ended - before.ended),
    metrics_p50_ms: at(scrapes.ms, 0.5),
    metrics_p95_ms: at(scrapes.ms, 0.95),
    metrics_max_ms: at(scrapes.ms, 1),
    metrics_kb: scrapes.bytes / 1000,
    scrapes: scrapes.ms.length,
    scrapes_not_up: scrapes.notUp,
    readers_longest_ms: readers.longestMs,
    workers_mb: replicas.reduce((sum, replica) => sum + replica.memoryMb(), 0),
    workers_peak_mb: Math.max(...replicas.map((replica) => replica.peakMb())),
    server_mb: bench.postgres.memoryMb(),
    database_mb: after.bytes / 1e6,
    bytes_per_run: (after.bytes - before.bytes) / runs,
    wal_per_run: (after.wal - before.wal) / runs,
  };

  async function counters() {
    const { rows } = await pool.query<Record<'bytes' | 'ids' | 'ended', string>>(
      `select pg_database_size(current_database()) as bytes, (select last_value from risk_internal.run_ids) as ids,
              (select count(*) from risk.sync_runs) as ended`,
    );
    return {
      bytes: Number(rows[0]!.bytes),
      ids: Number(rows[0]!.ids),
      ended: Number(rows[0]!.ended),
      worker: replicas.reduce((sum, replica) => sum + replica.cpuMs(), 0),
      server: bench.postgres.cpuMsNow(),
      api: bench.api.cpuMs(),
      wal: await bench.postgres.walBytes(),
    };
  }
}

/** Seconds that divide a minute, or whole minutes that divide an hour. */
function scheduleOf(seconds: number): string {
  if (60 % seconds === 0 && seconds < 60) return `*/${seconds} * * * * *`;
  if (seconds % 60 === 0 && 3_600 % seconds === 0) return `*/${seconds / 60} * * * *`;
  throw new Error(`BENCH_SLOT_SECONDS must divide a minute, or be minutes that divide an hour: ${seconds}`);
}

/** BENCH_SERVE=NAME=value,… sets further variables of the replicas. */
function settingsOfReplicas(): Record<string, string> {
  const pairs = (process.env['BENCH_SERVE'] ?? '').split(',').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => pair.split('=', 2) as [string, string]));
}

function accountId(n: number): string {
  // The API draws an account's users from its first digits.
  return `${n.toString(16).padStart(7, '0')}${'5e1f'.padEnd(25, '0')}`;
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
