// `serve` as it is deployed: the bundle in its own process, with its log, its HTTP server and its end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSimulator } from '../../../src/simulator/server.ts';
import type { Fault } from '../../../src/simulator/faults.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { CLI } from '../cli.ts';
import { migratedDatabase } from '../database/migrated-database.ts';

/** Limited, so that an event that never happens fails the test instead of hanging it. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    assert.ok(tries < 2_000, 'the expected event never came');
    await sleep(20);
  }
}

export const TOKEN = 'serve-test-token';
export const HTTP_TOKEN = 'serve-http-token';
/** No slot of these schedules begins during a test. */
export const YEARLY = '0 0 1 1 *';
export const HOURLY = `${(new Date().getMinutes() + 30) % 60} * * * *`;

export type Line = {
  message: string;
  level: string;
  run_id?: number;
  account_id?: string;
  url?: string;
  error_code?: string;
  todo?: string;
};

let accounts = 0;
export const newAccount = () => (accounts += 1).toString(16).padStart(32, 'c');

const simulate = (faults: Fault[], perPageMax: number) =>
  startSimulator({
    worlds: createWorld({
      seed: 5,
      users: 120,
      start: new Date(Date.now() - 40 * 86_400_000),
      days: Number.POSITIVE_INFINITY,
    }),
    now: () => new Date(),
    auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
    perPageMax,
    rateLimit: null,
    faults,
  });

export type ServedStage = Awaited<ReturnType<typeof serveStage>>;

/** A database, two simulators, and `serve` as a process. */
export async function serveStage() {
  const db = await migratedDatabase();
  const simulator = await simulate([], 1_000);
  // Every ten pages cost a second of waiting, so walks last.
  const throttled = await simulate(['throttle'], 3);
  const running = new Set<() => void>();

  const environment = (accountId: string, more: Record<string, string> = {}) => ({
    CLOUDFLARE_BASE_URL: simulator.url,
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: accountId,
    DATABASE_URL: db.url,
    SYNC_SCHEDULE: YEARLY,
    HTTP_PORT: '0',
    ...more,
  });

  function serve(accountId: string, more: Record<string, string> = {}) {
    const child = spawn(process.execPath, [CLI, 'serve'], {
      cwd: tmpdir(),
      env: { PATH: process.env['PATH'] ?? '', ...environment(accountId, more) },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close') as Promise<[code: number | null]>;
    const kill = () => void child.kill('SIGKILL');
    running.add(kill);
    void ended.finally(() => running.delete(kill));
    const lines = () =>
      stderr.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
    return {
      ended,
      stderr: () => stderr,
      lines,
      signal: (name: NodeJS.Signals) => void child.kill(name),
      async logged(message: string, count = 1): Promise<Line> {
        for (let tries = 0; ; tries += 1) {
          const found = lines().filter((line) => line.message === message);
          if (found.length >= count) return found[count - 1]!;
          if (child.exitCode !== null) assert.fail(`ended without saying "${message}": ${stderr}`);
          assert.ok(tries < 2_000, `"${message}" was never logged: ${stderr}`);
          await sleep(20);
        }
      },
      async ask(path: string, init: RequestInit = {}) {
        const { url } = await this.logged('listening');
        const response = await fetch(`${url}${path}`, init);
        const text = await response.text();
        return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : null };
      },
    };
  }

  const stop = async (server: ReturnType<typeof serve>) => {
    const began = performance.now();
    server.signal('SIGTERM');
    const [code] = await server.ended;
    return { code, seconds: (performance.now() - began) / 1_000 };
  };

  const runsOf = async (accountId: string) =>
    (
      await db.rows<{ run: string }>(
        `select trigger || ' ' || status || coalesce(' ' || error_code, '') as run
           from risk.sync_runs join risk.accounts using (account_key) where account_id = $1 order by run_id`,
        [accountId],
      )
    ).map((row) => row.run);
  const leases = async () => (await db.rows('select 1 from risk_internal.leases')).length;

  return {
    db,
    simulator,
    throttled,
    environment,
    serve,
    stop,
    runsOf,
    leases,
    async close() {
      for (const kill of running) kill();
      await simulator.close();
      await throttled.close();
      await db.close();
    },
  };
}
