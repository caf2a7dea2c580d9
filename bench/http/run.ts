// `npm run bench:http`: how long /livez takes beside strangers and crowds of scrapes. Starts the real `serve` on a real
// PostgreSQL with many accounts. Prints the table in docs/performance.md. HTTP_SECONDS is the length of each case.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../src/db/migrate.ts';
import { createPool } from '../../src/db/pool.ts';
import { ensureDatabase } from '../../src/db/create-database.ts';
import { sampleHistory } from '../../test/support/database/sample-history.ts';
import { startPostgresServer } from '../../test/support/database/servers/postgres-server.ts';

const SECONDS = process.env['HTTP_SECONDS'] ?? '10';
const ACCOUNTS = 100;
const TOKEN = 'a-token-of-the-benchmark';
const ask = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
const withToken = `Authorization: Bearer ${TOKEN}\r\n`;

/**
 * What each connection sends, and the pause before it sends again after the answer. Null: nothing, and the connection
 * stays.
 */
type Load = { connections: number; says: string | null; againMs?: number };
const CASES: [name: string, load: Load][] = [
  ['nobody else, at the start', { connections: 0, says: null }],
  ['nobody else', { connections: 0, says: null }],
  ['256 connections that say nothing', { connections: 256, says: null }],
  ['2,000 connections that say nothing', { connections: 2_000, says: null }],
  ['1,000 scrapes at once', { connections: 1_000, says: ask('/metrics', withToken), againMs: 3_600_000 }],
  ['1,000 scrapes at once, again and again', { connections: 1_000, says: ask('/metrics', withToken) }],
  [
    '1,000 wrong tokens at once, again and again',
    { connections: 1_000, says: ask('/metrics', 'Authorization: Bearer x\r\n') },
  ],
  ['1,000 clients of /livez, again and again', { connections: 1_000, says: ask('/livez') }],
  ['1,000 clients of /readyz, again and again', { connections: 1_000, says: ask('/readyz') }],
];

const server = await startPostgresServer(18);
const databaseUrl = await ensureDatabase(server.url, 'http');
const pool = createPool({ url: databaseUrl, logger: { warn() {} } });
await migrate(pool);
const history = sampleHistory(pool);
for (let i = 0; i < ACCOUNTS; i++)
  await history.snapshot(await history.account(i.toString(16).padStart(32, '0')), '2026-01-01T00:00:00Z');
await pool.end();
const worker = spawn(process.execPath, ['dist/cli.js', 'serve'], {
  env: {
    PATH: process.env['PATH'],
    DATABASE_URL: databaseUrl,
    CLOUDFLARE_BASE_URL: 'http://127.0.0.1:1',
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: 'unused',
    CLOUDFLARE_ACCOUNT_ID: '0'.repeat(32),
    SYNC_SCHEDULE: '0 0 1 1 *',
    HTTP_PORT: '0',
    HTTP_TOKEN: TOKEN,
  },
  stdio: ['ignore', 'inherit', 'pipe'],
});
const ended = once(worker, 'close');
try {
  const port = await listening();
  process.stdout.write(
    '| beside | probes | p50 | p99 | longest | without an answer | answers to the others | memory |\n|---|---|---|---|---|---|---|---|\n',
  );
  for (const [name, load] of CASES) process.stdout.write(`${await measure(port, name, load)}\n`);
} finally {
  worker.kill('SIGTERM');
  await ended;
  await server.stop();
}

function listening(): Promise<number> {
  let log = '';
  return new Promise((resolve, reject) => {
    worker.stderr.setEncoding('utf8').on('data', (text: string) => {
      const found = /"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec((log += text));
      if (found) resolve(Number(found[1]));
    });
    worker.once('close', () => reject(new Error(`serve ended:\n${log}`)));
  });
}

async function measure(port: number, name: string, load: Load): Promise<string> {
  const crowd = startCrowd(port, load);
  const probe = spawn(process.execPath, [
    fileURLToPath(new URL('./probe.ts', import.meta.url)),
    `http://127.0.0.1:${port}/livez`,
    SECONDS,
  ]);
  let out = '';
  probe.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  await once(probe, 'close');
  const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker.pid}/status`, 'utf8'))?.[1];
  const answers = crowd.end();
  const probes = out.trim().split('\n');
  const times = probes
    .filter((line) => line !== 'none')
    .map(Number)
    .toSorted((a, b) => a - b);
  const at = (share: number) => {
    const time = times[Math.min(times.length - 1, Math.floor(times.length * share))];
    return time === undefined ? '–' : `${time.toFixed(0)} ms`;
  };
  const cells = [
    name,
    probes.length,
    at(0.5),
    at(0.99),
    at(1),
    probes.length - times.length,
    answers,
    `${Math.round(Number(memory) / 1_024)} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Keeps this many connections, and opens another one as soon as one is closed. */
function startCrowd(port: number, { connections, says, againMs = 0 }: Load) {
  const open = new Set<net.Socket>();
  let answers = 0;
  let ended = false;
  const join = () => {
    if (ended) return;
    const socket = net.connect(port, '127.0.0.1');
    open.add(socket);
    if (says !== null) socket.write(says);
    socket.setEncoding('latin1').on('data', (text: string) => {
      if (!text.startsWith('HTTP/1.1 ')) return;
      answers += 1;
      if (says !== null) setTimeout(() => socket.write(says), againMs).unref();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open.delete(socket);
      setTimeout(join, 20);
    });
  };
  for (let i = 0; i < connections; i++) join();
  return {
    end() {
      ended = true;
      for (const socket of open) socket.destroy();
      return answers;
    },
  };
}
