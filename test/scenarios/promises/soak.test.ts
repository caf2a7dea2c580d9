// P9 over time: thousands of runs in one process, while memory, connections and file handles stay flat. SOAK_RUNS
// chooses how many; `npm run test:long` makes 2,000. The account changes between runs, and the API fails at times.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import type { Fault } from '../../../src/simulator/faults.ts';
import { startSimulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { quiet, runSyncOf } from '../../support/stage.ts';

const RUNS = Number(process.env['SOAK_RUNS'] ?? 60);
const USERS = 200;
const HOUR = 3_600_000;
/** The faults of the runs, in turn. */
const TROUBLE: Fault[][] = [[], [], ['drift'], [], ['bad-record'], [], ['forbidden'], [], ['flaky'], []];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

type Reading = { heapMb: number; handles: number; connections: number };

test(`${RUNS} runs in one process leave memory, connections and file handles flat`, async (t) => {
  const db = await migratedDatabase();
  let now = new Date('2026-01-05T00:00:00Z');
  const token = 'soak-test-token';
  const simulator = await startSimulator({
    worlds: createWorld({ seed: 5, users: USERS, start: now, days: Number.POSITIVE_INFINITY }),
    now: () => now,
    auth: { token, email: 'nobody@example.com', key: 'unused-key' },
    rateLimit: null,
  });
  const client = createCloudflareClient({
    baseUrl: new URL(simulator.url),
    auth: { kind: 'token', token },
    logger: quiet,
    limit: null,
    timing: { backoffBaseMs: 1, backoffCapMs: 2 },
  });
  const accountId = randomBytes(16).toString('hex');
  const ended = { succeeded: 0, failed: 0 };

  async function read(): Promise<Reading> {
    collect();
    collect();
    const [row] = await db.rows<{ connections: number }>(
      `select count(*)::integer as connections from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend'`,
    );
    return {
      heapMb: process.memoryUsage().heapUsed / 1024 / 1024,
      handles: readdirSync('/proc/self/fd').length,
      connections: row?.connections ?? 0,
    };
  }

  const readings: Reading[] = [];
  try {
    for (let run = 1; run <= RUNS; run++) {
      now = new Date(now.getTime() + HOUR);
      simulator.setFaults(TROUBLE[run % TROUBLE.length] ?? []);
      const outcome = await runSyncOf(
        accountId,
        { pool: db.pool, client, settings: { perPage: 50 } },
        { trigger: 'cron' },
      );
      if (outcome.error === null) ended.succeeded++;
      else ended.failed++;
      if (run % Math.ceil(RUNS / 10) === 0) readings.push(await read());
    }
  } finally {
    await client.close();
    await simulator.close();
    await db.close();
  }
  for (const { heapMb, handles, connections } of readings)
    t.diagnostic(`heap ${heapMb.toFixed(1)} MB, ${handles} file handles, ${connections} connections`);
  t.diagnostic(JSON.stringify(ended));
  assert.ok(ended.succeeded > RUNS * 0.8 && ended.failed > RUNS * 0.05, JSON.stringify(ended));
  // The first readings include code and caches that are made once.
  const settled = readings.slice(3);
  const [first, last] = [settled[0]!, settled.at(-1)!];
  assert.ok(last.heapMb - first.heapMb < 4, `the heap grew from ${first.heapMb} to ${last.heapMb} MB`);
  for (const { handles, connections } of settled) {
    assert.ok(handles <= first.handles + 2, `${handles} file handles after ${first.handles}`);
    assert.ok(connections <= 6, `${connections} connections`);
  }
});
