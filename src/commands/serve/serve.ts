// `serve`: runs the schedule and the HTTP server until a signal, then closes everything in reverse order.
import { once } from 'node:events';
import { Command } from 'commander';
import { readAccountFile } from '../../account-file.ts';
import { createAccountList, type ListSource } from '../../accounts/account-list.ts';
import { readTokenList } from '../../accounts/read-token-list.ts';
import { readConfig } from '../../config.ts';
import { openLogger, type Io } from '../../context.ts';
import { EXIT, type OperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { createScheduler } from '../../scheduler/scheduler.ts';
import type { Need } from '../../settings/cross-checks.ts';
import { LEASE_TIMING } from '../../sync/claim/lease.ts';
import { slotFacts } from '../../sync/claim/slot-facts.ts';
import { requestSync, type SyncOutcome, type SyncRequest } from '../../sync/request-sync.ts';
import { pruneAfterRun } from '../../upkeep/prune/prune-after-run.ts';
import { accountOption } from '../options/accounts.ts';
import { runSettings } from '../options/run-settings.ts';
import { announce, warnOfSchedule, warnOfToken } from './announce.ts';
import { bringUpToDate } from './bring-up-to-date.ts';
import { listen } from './listen.ts';
import { openParts, type Parts } from './parts.ts';

type Options = { account: string[]; migrate: boolean };

// A publish gets 20 s, recording the run gets the rest. An orchestrator should wait a little longer than this before it
// kills the process.
const SHUTDOWN_MS = 30_000;

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
    const parts = await openParts({ io, config, logger }, options.account, opened);
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
    // After a refused start, nothing is left that could hang.
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

function sourceOf({ io, config, client }: Parts): ListSource {
  const { accountsFrom } = config.cloudflare;
  if (accountsFrom.kind === 'file') return { kind: 'file', read: () => readAccountFile(accountsFrom.path) };
  if (accountsFrom.kind === 'variable') return { kind: 'variable' };
  return { kind: 'token', read: () => readTokenList(client, { signal: io.signal }) };
}

/** Runs one sync, counts it, pings after a success, and prunes. */
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

/** Anything that hangs at the end, such as a dead connection, must not keep the process alive. */
function leaveAnyway(logger: Logger): NodeJS.Timeout {
  return setTimeout(() => {
    logger.error('stopping took too long, exiting');
    process.exit(EXIT.tryLater);
  }, SHUTDOWN_MS).unref();
}
