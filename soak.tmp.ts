import { startPostgresServer } from './test/support/postgres-server.ts';
import { createPool } from './src/db/pool.ts';
import { migrate } from './src/db/migrate.ts';
import { createLogger } from './src/logger.ts';
import { createCloudflareClient } from './src/cloudflare/client.ts';
import { createScheduler } from './src/scheduler/scheduler.ts';
import { requestSync } from './src/sync/request-sync.ts';
import { slotFacts } from './src/sync/slot-facts.ts';
import { LEASE_TIMING } from './src/sync/lease.ts';
import { startSimulator } from './src/simulator/server.ts';
import { createWorld } from './src/simulator/world.ts';
import { TEST_SETTINGS } from './test/support/settings.ts';
import { fork } from 'node:child_process';
const server = await startPostgresServer(18);
const logger = createLogger({ level: 'error', secrets: [], pretty: false, destination: process.stderr });
const pool = createPool({ url: server.url, logger, max: 10 });
await migrate(pool);
const start = new Date('2026-02-02T08:00:00Z');
const t0 = Date.now();
const simulator = await startSimulator({
  worlds: createWorld({ seed: 3, users: 20, start, days: 60, campaign: null }),
  now: () => start,
  auth: { token: 't0ken-x', email: 'n@example.com', key: 'k' },
  perPageMax: 1000,
  rateLimit: null,
});
const client = createCloudflareClient({
  baseUrl: new URL(simulator.url),
  auth: { kind: 'token', token: 't0ken-x' },
  logger,
  limit: null,
});
let runs = 0;
const s = createScheduler({
  schedule: '* * * * * *',
  timezone: 'UTC',
  accountIds: Array.from({ length: 10 }, (_, i) => 'a' + i),
  atOnce: 4,
  logger,
  facts: (a, b) => slotFacts(pool, a, b),
  async run(r) {
    const o = await requestSync({ pool, client, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING }, r);
    runs++;
    return o;
  },
  timing: { lookMs: 100 },
});
s.start();
for (let i = 0; i < 14; i++) {
  await new Promise((r) => setTimeout(r, 20_000));
  globalThis.gc!();
  globalThis.gc!();
  console.log(
    Math.round((Date.now() - t0) / 1000),
    's runs',
    runs,
    'heap MB',
    (process.memoryUsage().heapUsed / 1e6).toFixed(1),
    'rss',
    (process.memoryUsage().rss / 1e6).toFixed(0),
  );
}
process.exit(0);
