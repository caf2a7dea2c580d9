// `demo`: 90 days of history, built by running the real sync against the simulated API at simulated times, in a
// separate database on the embedded server. Simulated data never mixes with real data: DATABASE_URL and .env are not
// read.
import { once } from 'node:events';
import { Command } from 'commander';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { createCloudflareClient } from '../cloudflare/client.ts';
import { dataFolder } from '../config.ts';
import { openLogger, type Io } from '../context.ts';
import { demoDatabase, recreateDatabase } from '../db/create-database.ts';
import { startEmbedded } from '../db/embedded/embedded-postgres.ts';
import { migrate } from '../db/migrate.ts';
import { createPool, type Pool } from '../db/pool.ts';
import { createRoles } from '../db/roles.ts';
import { accounts, syncRuns } from '../db/schema.ts';
import { keepAll } from '../pii-policy.ts';
import type { Logger } from '../logger.ts';
import type { Fault } from '../simulator/faults.ts';
import { startDashboard, type DashboardOptions } from '../http/dashboard.ts';
import { startSimulator } from '../simulator/server.ts';
import { createWorld } from '../simulator/world.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { requestSync } from '../sync/request-sync.ts';
import type { RunDeps, RunResult } from '../sync/run-sync.ts';
import { staleAfter } from '../time/schedule.ts';
import { labelAccount } from '../upkeep/accounts.ts';
import { howToRun } from './options/how-to-run.ts';
import { createProgress } from '../terminal/progress.ts';
import { duration, plural } from '../words.ts';
import { trendSince } from '../answers/trend.ts';
import { printTrend } from '../terminal/print/print-trend.ts';

const ACCOUNT = '5e1f00000000000000000000000000de';
const DAYS = 90;
const PER_DAY = 4;
const USERS = 440;
const SIX_HOURS = 21_600_000;
/** As HTTP_PORT and HIGH_TARGET are when nobody sets them. */
const PORT = 8787;
const HIGH_TARGET_MS = 86_400_000;
const AUTH = { token: 'demo-token', email: 'admin@example.com', key: 'demo-key' };

type FaultyDay = { faults: Fault[]; perPage?: number; maxPasses?: number };

/**
 * Faults by slot. In one run the list moves while it is read in small pages; in another the token lacks its permission.
 */
const TROUBLE = new Map<number, FaultyDay>([
  [101, { faults: ['drift'], perPage: 50, maxPasses: 1 }],
  [222, { faults: ['forbidden'] }],
]);

export function demoCommand(io: Io): Command {
  return new Command('demo')
    .description('build 90 days of simulated history with the real worker, and show it')
    .addHelpText(
      'after',
      `
On a terminal, it then serves the dashboard on this machine until Ctrl-C. The
history stays. Other commands read it with:
  export DATABASE_URL="$(zt-risk-sync database url --demo)"`,
    )
    .action(async () => {
      const began = performance.now();
      const server = await startEmbedded({
        ...dataFolder(io.source),
        watcher: io.watcher,
        onProgress: (message) => io.stderr.write(`${message}\n`),
      });
      io.stderr.write(
        `Demo database ${demoDatabase} on the embedded Postgres at 127.0.0.1:${server.port}, newly made\n`,
      );
      const url = await recreateDatabase(server.url, demoDatabase);
      const logger = openLogger(io, { logLevel: 'info', secrets: [] });
      const pool = createPool({ url, isEmbedded: true, logger });
      try {
        await migrate(pool);
        await createRoles(pool);
        const counts = await buildHistory(io, pool, logger);
        await dateRuns(pool);
        io.stdout.write(
          `\n${DAYS} days of ${plural(USERS, 'user')}: ${plural(counts.succeeded, 'snapshot')} (${counts.partial} partial), ${plural(counts.failed, 'failed run')}, in ${duration(performance.now() - began)}\n\n`,
        );
        const since = new Date(Date.now() - (DAYS + 1) * 86_400_000);
        const trend = await trendSince(pool, { since, bucket: 'day', timezone: 'UTC', account: [] });
        printTrend(io, trend, { format: 'table', rows: 7 });
        io.stdout.write(whereNext(io));
        await showOnTerminal(io, pool, { url, isEmbedded: true }, logger);
      } finally {
        await pool.end();
      }
    });
}

/**
 * Until a signal, which is the usual end and no error. Elsewhere than on a terminal nobody looks, and a script would
 * wait for ever.
 */
export async function showOnTerminal(
  io: Io,
  pool: Pool,
  database: DashboardOptions['database'],
  logger: Logger,
): Promise<void> {
  if (io.stdout.isTTY !== true) return;
  // The embedded server stops when nobody has been connected for a while, and readers may be away for longer.
  const held = await pool.connect();
  try {
    const dashboard = await startDashboard({
      database,
      port: PORT,
      staleAfterMs: staleAfter(SIX_HOURS),
      highTargetMs: HIGH_TARGET_MS,
      logger,
    });
    const other = dashboard.port === PORT ? '' : ` (port ${PORT} is taken)`;
    io.stderr.write(`\nDashboard at ${dashboard.address}${other}. Stop with Ctrl-C.\n`);
    try {
      if (!io.signal.aborted) await once(io.signal, 'abort');
    } finally {
      await dashboard.close();
    }
  } finally {
    held.release();
  }
}

/** All runs took place within the last minute. This dates them at their slots, as if `serve` had made them. */
async function dateRuns(pool: RunDeps['pool']): Promise<void> {
  const r = syncRuns;
  const db = drizzle(pool);
  await db.update(r).set({
    started_at: sql`${r.scheduled_for}`,
    finished_at: sql`${r.scheduled_for} + (${r.finished_at} - ${r.started_at})`,
  });
  await db.update(accounts).set({ added_at: sql`(select min(${r.started_at}) from ${r})` });
  await labelAccount(pool, ACCOUNT, 'Demo');
}

type Counts = { succeeded: number; partial: number; failed: number };

async function buildHistory(io: Io, pool: RunDeps['pool'], logger: Logger): Promise<Counts> {
  const slots = DAYS * PER_DAY;
  // The last slot has just passed, because a time in the future is refused.
  const start = Math.floor(Date.now() / SIX_HOURS) * SIX_HOURS - (slots - 1) * SIX_HOURS;
  let now = new Date(start);
  const simulator = await startSimulator({
    worlds: createWorld({ seed: 7, users: USERS, start: now, days: DAYS }),
    now: () => now,
    auth: AUTH,
  });
  const client = createCloudflareClient({
    baseUrl: new URL(simulator.url),
    auth: { kind: 'token', token: AUTH.token },
    // The simulator's five-minute windows pass in simulated time.
    limit: null,
    logger,
  });
  const bar = createProgress({ stderr: io.stderr, logger });
  const counts = { succeeded: 0, partial: 0, failed: 0 };
  try {
    for (let slot = 0; slot < slots; slot++) {
      now = new Date(start + slot * SIX_HOURS);
      const trouble = TROUBLE.get(slot);
      simulator.setFaults(trouble?.faults ?? []);
      count(counts, await syncSlot({ pool, client, logger }, now, trouble, io.signal));
      bar.to(
        slot + 1,
        slots,
        () => `${now.toISOString().slice(0, 10)}  ${plural(counts.succeeded, 'snapshot')}`,
      );
    }
  } finally {
    bar.end();
    await client.close();
    await simulator.close();
  }
  return counts;
}

/** Throws an error that is not planned. */
async function syncSlot(
  { pool, client, logger }: Pick<RunDeps, 'pool' | 'client' | 'logger'>,
  slot: Date,
  trouble: FaultyDay | undefined,
  signal: AbortSignal,
): Promise<RunResult> {
  const outcome = await requestSync(
    {
      pool,
      client,
      // Silent, because the planned faults belong to the story. Any other error is thrown below.
      logger: logger.child({}, { level: 'silent' }),
      settings: {
        perPage: trouble?.perPage ?? 'auto',
        concurrency: 4,
        maxPasses: trouble?.maxPasses ?? 4,
        confirm: 'lookup',
        confirmLookups: 100,
        maxClearedRatio: 0.5,
        timeBudgetMs: 60_000,
        rejectedRetentionMs: 30 * 86_400_000,
        pii: keepAll,
      },
      timing: LEASE_TIMING,
    },
    { accountId: ACCOUNT, trigger: 'cron', scheduledFor: slot, observedAt: slot, signal },
  );
  if (outcome.kind !== 'ran') throw new Error(`the demo's own database is in use: ${outcome.kind}`);
  const { error } = outcome.result;
  if (error !== null && (signal.aborted || trouble === undefined)) throw error;
  return outcome.result;
}

function count(counts: Counts, { error, published }: RunResult): void {
  if (error !== null) counts.failed++;
  else counts.succeeded++;
  if (published?.verdict === 'partial') counts.partial++;
}

function whereNext({ source, stdout }: Io): string {
  const { command, quiet } = howToRun(source);
  const pages =
    stdout.isTTY === true ? '' : '  on a terminal, the demo also serves the dashboard until Ctrl-C\n';
  return `
Where to look next:
${pages}  export DATABASE_URL="$(${quiet} database url --demo)"
  ${command} trends --since 90d --bucket week
  ${command} users --level high
  ${command} changes --since 7d --to high
  ${command} diff yesterday
  SYNC_SCHEDULE='0 */6 * * *' ${command} status
  ${quiet} database psql --demo -c "select * from risk_bi.users where max_risk_level = 'high' limit 5"
  ${quiet} database psql --demo -c "select * from risk_bi.users_as_of('${ACCOUNT}', now() - interval '30 days') limit 5"
The first real sync: README.md, "The first real sync".
`;
}
