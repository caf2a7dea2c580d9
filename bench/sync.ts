// `npm run bench`: one sync of a large account through the real command, against the simulated API in a process of its own
// and a Postgres with its default durability. Prints wall time by phase, peak memory, and the ratio to a bare COPY of the
// same rows into a table with the same primary key, taken in the same run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { cpus } from 'node:os';
import { ensureDatabase } from '../src/db/create-database.ts';
import { startEmbedded, stopEmbedded } from '../src/db/embedded-postgres.ts';
import { createPool, type Pool } from '../src/db/pool.ts';
import { copyText } from './copy-text.ts';
import { removeFolder, temporaryFolder } from '../test/support/postgres-server.ts';

const USERS = Number(process.env['BENCH_USERS'] ?? 100_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const ACCOUNT = '5e1f0000000000000000000000000001';

type Sync = {
  wallMs: number;
  walkMs: number;
  publishMs: number;
  peakMb: number;
  users: number;
  changes: number;
};

const folder = await temporaryFolder();
const place = { dataHome: folder, home: folder };
const server = await startEmbedded(place);
const simulator = spawn(
  process.execPath,
  ['dist/cli.js', 'simulate', '--users', String(USERS), '--port', '0', '--seed', '3'],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
try {
  const baseUrl = await simulatorUrl();
  process.stdout.write(
    `${USERS.toLocaleString('en-US')} users, ${cpus().length} cores, Node ${process.version}, PostgreSQL 18, ${ROUNDS} rounds\n\n`,
  );
  const first: Sync[] = [];
  const next: Sync[] = [];
  const copies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const url = await ensureDatabase(server.url, `bench_${round}`);
    first.push(await sync(url, baseUrl));
    const pool = createPool({ url, logger: { warn: () => undefined } });
    copies.push(await bareCopy(pool));
    await pool.end();
    next.push(await sync(url, baseUrl));
  }
  const copy = median(copies);
  report('first load', first, copy);
  report('next walk', next, copy);
  process.stdout.write(
    `bare COPY of the same rows, same primary key: ${ms(copy)} (median of ${copies.map(ms).join(', ')})\n`,
  );
} finally {
  simulator.kill();
  await stopEmbedded(place);
  await removeFolder(folder);
}

async function simulatorUrl(): Promise<string> {
  for await (const line of createInterface({ input: simulator.stdout })) {
    const url = /CLOUDFLARE_BASE_URL=(\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the simulator did not start');
}

async function sync(databaseUrl: string, baseUrl: string): Promise<Sync> {
  const began = performance.now();
  const child = spawn(process.execPath, ['dist/cli.js', 'sync', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: databaseUrl,
      CLOUDFLARE_BASE_URL: baseUrl,
      CLOUDFLARE_ALLOW_INSECURE: '1',
      CLOUDFLARE_API_TOKEN: 'simulated-token',
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    },
  });
  let out = '';
  let log = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakOf(child.pid))), 20);
  const [code] = (await once(child, 'close')) as [number];
  clearInterval(watch);
  if (code !== 0) throw new Error(`sync failed:\n${log}`);
  const line = JSON.parse(out) as Record<string, number>;
  const end = log.split('\n').find((text) => text.includes('run succeeded')) ?? '{}';
  const { walk_ms = 0, publish_ms = 0 } = JSON.parse(end) as Record<string, number>;
  const changes = ['appeared', 'raised', 'lowered', 'cleared', 'returned'].reduce(
    (sum, kind) => sum + (line[kind] ?? 0),
    0,
  );
  return {
    wallMs: performance.now() - began,
    walkMs: walk_ms,
    publishMs: publish_ms,
    peakMb,
    users: line['users'] ?? 0,
    changes,
  };
}

/** High-water mark of the resident set, in MB; Linux only, 0 elsewhere. */
function peakOf(pid: number | undefined): number {
  try {
    const kb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kb ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** The rows of the newest snapshot, in the order of the API's pages, into a table with the key of `risk.users`. */
async function bareCopy(pool: Pool): Promise<number> {
  const { rows } = await pool.query<string[]>({
    text: `select 1, user_id, email, name, max_risk_level, event_count, last_event::text
             from risk_bi.snapshot_users((select max(snapshot_id) from risk.snapshots)) order by last_event desc`,
    rowMode: 'array',
  });
  await pool.query(`create table bench_copy (account_key integer, user_id uuid, email text, name text, max_risk_level text,
    event_count integer, last_event timestamptz, primary key (account_key, user_id))`);
  const client = await pool.connect();
  const began = performance.now();
  await copyText(client, 'bench_copy', rows);
  const took = performance.now() - began;
  client.release();
  return took;
}

function report(name: string, syncs: readonly Sync[], copyMs: number): void {
  const of = (pick: (sync: Sync) => number) => median(syncs.map(pick));
  const wall = of((s) => s.wallMs);
  const publish = of((s) => s.publishMs);
  process.stdout.write(
    [
      `${name} (${of((s) => s.users).toLocaleString('en-US')} users, ${of((s) => s.changes).toLocaleString('en-US')} changes)`,
      `  wall     ${ms(wall)}   ${(wall / copyMs).toFixed(1)} x bare COPY   (${syncs.map((s) => ms(s.wallMs)).join(', ')})`,
      `  walk     ${ms(of((s) => s.walkMs))}   requests, parsing, staging`,
      `  publish  ${ms(publish)}   ${(publish / copyMs).toFixed(1)} x bare COPY`,
      `  start    ${ms(wall - of((s) => s.walkMs) - publish)}   process, connection, migrations, claim`,
      `  memory   ${of((s) => s.peakMb).toFixed(0)} MB at its peak`,
      '',
      '',
    ].join('\n'),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function ms(value: number): string {
  return value < 1000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(2)} s`;
}
