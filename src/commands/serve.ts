// `serve`: runs the schedule and the HTTP server until a signal, then closes everything in reverse order.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readAccountFile } from '../account-file.ts';
import { createAccountList, type AccountList, type ListSource } from '../accounts/account-list.ts';
import { listedAccounts, readTokenList } from '../accounts/read-token-list.ts';
import type { CloudflareClient } from '../cloudflare/client.ts';
import { readConfig, type Config } from '../config.ts';
import {
  openClient,
  openDatabase,
  openLogger,
  openSharedBudget,
  openSuccessPing,
  type Io,
} from '../context.ts';
import { databaseError } from '../db/database-errors.ts';
import { migrate, requireMigrated } from '../db/migrate.ts';
import { createPool, type Pool } from '../db/pool.ts';
import { createRoles } from '../db/roles.ts';
import { EXIT, isOperatorError, type OperatorError } from '../errors.ts';
import { boundGarbage } from '../host/heap.ts';
import { createApp } from '../http/app.ts';
import { HTTP_POOL } from '../http/ask-database.ts';
import { readAssets } from '../http/assets.ts';
import { READ_POOL } from '../http/read-as.ts';
import { addressOf, startHttp } from '../http/server.ts';
import type { Logger } from '../logger.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import { isLoopbackHost } from '../net/private-host.ts';
import type { SuccessPing } from '../net/success-ping.ts';
import { longestInterval, staleAfter } from '../time/schedule.ts';
import { createScheduler, type Scheduler } from '../scheduler/scheduler.ts';
import { clockChanges } from '../time/slots.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { requestSync, type SyncOutcome, type SyncRequest } from '../sync/request-sync.ts';
import { slotFacts } from '../sync/claim/slot-facts.ts';
import { pruneAfterRun } from '../upkeep/prune/prune-after-run.ts';
import type { Need } from '../settings/cross-checks.ts';
import { VERSION } from '../version.ts';
import { accountOption, chooseAccounts, readLabels } from './options/accounts.ts';
import { runSettings } from './options/run-settings.ts';
import { minute } from '../time/when.ts';

type Options = { account: string[]; migrate: boolean };

// A run has one connection for its statements, and sometimes one for its heartbeat. Two more are for the looks at what
// is due, and for a claim. Probes and scrapes have their own pool.
const CONNECTIONS_OF_A_RUN = 2;
const OTHER_CONNECTIONS = 2;
// A publish gets 20 s, recording the run gets the rest. An orchestrator should wait a little longer than this before it
// kills the process.
const SHUTDOWN_MS = 30_000;
const HTTP_CLOSE_MS = 2_000;
const SHORT_TOKEN = 16;

export function serveCommand(io: Io): Command {
  return new Command('serve')
    .description(
      'sync on SYNC_SCHEDULE and serve HTTP until a signal; any number of replicas may share a database',
    )
    .addOption(accountOption())
    .option('--no-migrate', 'refuse a database that is behind instead of migrating it')
    .addHelpText(
      'after',
      `
HTTP (HTTP_HOST, HTTP_PORT; HTTP_TOKEN protects the paths marked *):
  GET  /           *  the dashboard, for a browser: it signs in with the token
  GET  /api/v1/... *  the same as JSON or CSV; see /api/v1/openapi.json
  GET  /livez         200 while the process works
  GET  /readyz        200 when the database answers and has this schema
  GET  /metrics    *  for Prometheus
  POST /sync       *  start a run of all accounts or {"account_id": "..."}

The dashboard reads under database roles: run \`migrate --roles\` once. The
embedded server has them. Emails and names are hidden, except from who signs in
with HTTP_PII_TOKEN (with HTTP_SHOW_IDENTITIES=1). See docs/dashboard.md.`,
    )
    .action((options: Options) => serve(io, options));
}

async function serve(io: Io, options: Options): Promise<void> {
  const config = readConfig(io.source, needsOf(io, options));
  const logger = openLogger(io, config);
  const opened = new AsyncDisposableStack();
  try {
    const parts = await openParts({ io, config, logger }, options, opened);
    const accounts = createAccountList({
      source: sourceOf(parts),
      first: parts.first,
      only: parts.only,
      logger,
      onChange: () => scheduler.wake(),
    });
    const scheduler = createScheduler({
      schedule: config.sync.schedule,
      timezone: config.sync.timezone,
      accounts,
      atOnce: config.sync.parallelAccounts,
      logger,
      facts: (accountIds, slot) => slotFacts(parts.pool, accountIds, slot),
      run: (request) => runMeasured(parts, request),
    });
    const url = await listen(parts, { scheduler, accounts }, opened);
    logger.info({ url }, 'listening');
    opened.defer(() => scheduler.stop(io.signal.reason as OperatorError));
    warnOfSchedule(config, accounts, logger);
    warnOfToken(config, logger);
    if (await bringUpToDate(parts, options.migrate)) {
      scheduler.start();
      announce(io, config, accounts, url, scheduler.nextSlot(), logger);
      if (!io.signal.aborted) await once(io.signal, 'abort');
    }
    logger.info('stopping');
  } finally {
    const leaving = leaveAnyway(logger);
    await opened.disposeAsync();
    // A start that was refused leaves nothing behind that could hang.
    if (!io.signal.aborted) clearTimeout(leaving);
  }
  logger.info('stopped');
}

function needsOf(io: Io, options: Options): Need[] {
  const needs: Need[] = ['cloudflare', 'pii', 'guarded-http'];
  if (options.account.length === 0) needs.push('accounts');
  if (io.stdout.isTTY !== true && io.stderr.isTTY !== true) needs.push('database');
  return needs;
}

type Base = { io: Io; config: Config; logger: Logger };

type Parts = Base & {
  /** The accounts that are known at the start. */
  first: readonly string[];
  /** --account; null: all accounts of the list. */
  only: ReadonlySet<string> | null;
  pool: Pool;
  isEmbedded: boolean;
  /** Of their own: neither probes and scrapes nor pages must wait for the runs' connections or take them. */
  probes: Pool;
  readers: Pool;
  client: CloudflareClient;
  metrics: Metrics;
  ping: SuccessPing | null;
};

/** What a run and an answer over HTTP are made with. `opened` closes it. */
async function openParts(base: Base, options: Options, opened: AsyncDisposableStack): Promise<Parts> {
  const { io, config, logger } = base;
  const connections = CONNECTIONS_OF_A_RUN * config.sync.parallelAccounts + OTHER_CONNECTIONS;
  const database = await openDatabase(io, config, logger, 'leave', connections);
  opened.defer(() => database.close());
  const { pool, url, isEmbedded } = database;
  const probes = createPool({ url, isEmbedded, ...HTTP_POOL, logger });
  opened.defer(() => probes.end());
  const readers = createPool({ url, isEmbedded, ...READ_POOL, logger });
  opened.defer(() => readers.end());
  const metrics = createMetrics({
    version: VERSION,
    poolCounts: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    budgetLeft: () => client.budgetLeft(),
  });
  const sharedBudget = openSharedBudget(database, logger);
  opened.defer(() => sharedBudget.close());
  const client = openClient(config, logger, {
    sharedBudget,
    onAnswer: ({ status }) => metrics.recordAnswer(status),
    onNoAnswer: (why) => metrics.recordAnswer(why),
  });
  opened.defer(() => client.close());
  const isNarrowed = options.account.length > 0;
  // The list of the token is asked for at the start only if an account must be found in it.
  const first =
    config.cloudflare.accountsFrom.kind === 'token' && !isNarrowed
      ? []
      : await chooseAccounts(
          config,
          options.account,
          () => readLabels(pool),
          () => listedAccounts(client, { signal: io.signal }),
        );
  boundGarbage();
  const ping = openSuccessPing(config, logger);
  if (ping) opened.defer(() => ping.close());
  return {
    ...base,
    first,
    only: isNarrowed ? new Set(first) : null,
    pool,
    isEmbedded,
    probes,
    readers,
    client,
    metrics,
    ping,
  };
}

function sourceOf({ io, config, client }: Parts): ListSource {
  const { accountsFrom } = config.cloudflare;
  if (accountsFrom.kind === 'file') return { kind: 'file', read: () => readAccountFile(accountsFrom.path) };
  if (accountsFrom.kind === 'variable') return { kind: 'variable' };
  return { kind: 'token', read: () => readTokenList(client, { signal: io.signal }) };
}

/** One run, counted, and told to whoever watches for successes. */
async function runMeasured(
  { pool, client, logger, config, metrics, ping }: Parts,
  request: SyncRequest,
): Promise<SyncOutcome> {
  const began = performance.now();
  const deps = { pool, client, logger, settings: runSettings(config), timing: LEASE_TIMING };
  const outcome = await requestSync(deps, request);
  if (outcome.kind !== 'ran') return outcome;
  const { accountId, trigger } = request;
  const durationMs = performance.now() - began;
  metrics.recordRun({ accountId, trigger, durationMs, result: outcome.result });
  if (ping && outcome.result.error === null)
    void ping.send(accountId).then((sent) => metrics.recordPing(sent));
  await pruneAfterRun(deps, { accountId, retention: config.retention, signal: request.signal });
  return outcome;
}

/** Returns the address. `opened` closes the server. */
async function listen(
  parts: Parts,
  { scheduler, accounts }: { scheduler: Scheduler; accounts: AccountList },
  opened: AsyncDisposableStack,
): Promise<string> {
  const { io, config, logger, probes, readers, metrics } = parts;
  const intervalMs = longestInterval(config.sync.schedule, config.sync.timezone);
  const staleAfterMs = staleAfter(intervalMs);
  const app = createApp({
    version: VERSION,
    pool: probes,
    reader: { pool: readers },
    assets: readAssets(),
    metrics: {
      contentType: metrics.contentType,
      scrape() {
        metrics.setAccounts(accounts.state());
        metrics.setSchedule({ intervalMs, staleAfterMs, nextSlot: scheduler.nextSlot() });
        return metrics.scrape();
      },
    },
    logger,
    token: config.http.token,
    piiToken: config.http.piiToken,
    allowedHosts: config.http.allowedHosts,
    accountIds: () => accounts.ids(),
    startSync: (accountId) => scheduler.request(accountId),
    nextSlot: () => scheduler.nextSlot(),
    highTargetMs: config.highTargetMs,
    piiKey: config.pii.key,
    staleAfterMs,
    isStopping: () => io.signal.aborted,
  });
  const { host } = config.http;
  const http = await startHttp({
    app,
    host,
    port: config.http.port,
    onCrowded: () => metrics.recordCrowded(),
  });
  opened.defer(() => http.close(HTTP_CLOSE_MS));
  return addressOf(host, http.port);
}

/** Anything that hangs at the end, such as a dead connection, must not keep the process alive. */
function leaveAnyway(logger: Logger): NodeJS.Timeout {
  return setTimeout(() => {
    logger.error('stopping took too long, exiting');
    process.exit(EXIT.tryLater);
  }, SHUTDOWN_MS).unref();
}

/**
 * Waits for a database that is not there yet, or that a newer release has migrated: both may come back, and /readyz
 * reports them. False: a signal came first. Throws errors that a person must fix.
 */
async function bringUpToDate({ io, pool, isEmbedded, logger }: Parts, mayMigrate: boolean): Promise<boolean> {
  for (let attempt = 1; !io.signal.aborted; attempt += 1) {
    try {
      if (!mayMigrate) await requireMigrated(pool);
      else {
        const { applied } = await migrate(pool);
        if (applied > 0) logger.info({ applied }, 'database migrated');
      }
      // On our own server nobody else would make them, and pages read under them.
      if (isEmbedded) await createRoles(pool);
      return true;
    } catch (thrown) {
      const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
      if (error === undefined || (error.exit !== EXIT.tryLater && error.code !== 'DATABASE_NEWER'))
        throw thrown;
      const { code, happened, todo } = error;
      logger.error({ error_code: code, problem: happened, todo }, 'waiting for the database');
      const ms = Math.min(30_000, 1_000 * 2 ** (attempt - 1));
      await sleep(ms, undefined, { signal: io.signal }).catch(() => undefined);
    }
  }
  return false;
}

function warnOfSchedule(config: Config, accounts: AccountList, logger: Logger): void {
  const { schedule, timezone } = config.sync;
  for (const { date, times, kind } of clockChanges(schedule, timezone, new Date())) {
    logger.warn(
      { date, times: times.join(' '), timezone },
      kind === 'skipped'
        ? 'daylight saving skips these times of the schedule'
        : 'daylight saving repeats these times of the schedule, they run once',
    );
  }
  const isOne = accounts.isByName && accounts.ids().length === 1;
  if (config.pingUrl !== null && !isOne && !/account_id/i.test(config.pingUrl)) {
    logger.warn(
      accounts.isByName ? { accounts: accounts.ids().length } : {},
      'PING_URL has no {account_id}: one account that works hides another that fails',
    );
  }
}

/** The right bearer token is never limited, so its length protects it. */
function warnOfToken({ http: { host, token } }: Config, logger: Logger): void {
  if (token !== null && token.length < SHORT_TOKEN && !isLoopbackHost(host))
    logger.warn({ characters: token.length }, 'HTTP_TOKEN is short: who reaches the port could guess it');
}

function announce(
  io: Io,
  config: Config,
  accounts: AccountList,
  url: string,
  next: Date | null,
  logger: Logger,
): void {
  const { schedule, timezone } = config.sync;
  logger.info(
    {
      version: VERSION,
      schedule,
      timezone,
      next_slot: next === null ? 'none' : next.toISOString(),
      accounts: accounts.isByName ? accounts.ids().length : 'all that the token sees',
    },
    'serving',
  );
  if (io.stderr.isTTY === true) {
    const when = next === null ? 'no next slot' : `next slot ${minute(next, timezone)}`;
    io.stderr.write(`Serving at ${url}, ${when}. Stop with Ctrl-C.\n`);
  }
}
