// `sync`: one run per account, now.
import { Command } from 'commander';
import { readConfig, type Config } from '../config.ts';
import { judgeSchema, openClient, openDatabase, openLogger, openSharedBudget, type Io } from '../context.ts';
import { listedAccounts } from '../accounts/read-token-list.ts';
import type { CloudflareClient } from '../cloudflare/client.ts';
import type { Logger } from '../logger.ts';
import { databaseError } from '../db/database-errors.ts';
import { boundGarbage } from '../host/heap.ts';
import { EXIT, isOperatorError, OperatorError, worstExit, type ExitCode } from '../errors.ts';
import type { Pool } from '../db/pool.ts';
import { knownAccounts } from '../queries/accounts/known-accounts.ts';
import { levelsOfSnapshot } from '../queries/levels/levels-of-snapshot.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { requestSync, type SyncOutcome } from '../sync/request-sync.ts';
import type { RunDeps } from '../sync/run-sync.ts';
import { accountOption, chooseAccounts, readLabels } from './options/accounts.ts';
import { formatOption } from './options/format.ts';
import { runSettings } from './options/run-settings.ts';
import { timezoneOption } from './options/times.ts';
import { printError } from '../terminal/print/print-error.ts';
import { createProgress } from '../terminal/progress.ts';
import { emptyLine, syncLine, syncLines, type SyncLine } from '../terminal/print/print-sync.ts';
import { viewOf } from '../terminal/view.ts';
import { pruneAfterRun } from '../upkeep/prune/prune-after-run.ts';
import { plural } from '../words.ts';

type Options = {
  account: string[];
  dryRun: boolean;
  acceptMassClear: boolean;
  format: 'table' | 'json';
  migrate: boolean;
  timezone?: string;
};

export function syncCommand(io: Io): Command {
  return new Command('sync')
    .description('walk every page of the risk summary now and publish a snapshot per account')
    .addOption(accountOption())
    .option('--dry-run', 'walk and compare, print what would change, publish nothing', false)
    .option(
      '--accept-mass-clear',
      'accept that most or all users are gone (after an intended clean-up)',
      false,
    )
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption(['table', 'json'], 'how to print; json: one line for each account'))
    .option('--no-migrate', 'refuse a database that is behind instead of migrating it')
    .action((options: Options) => sync(io, options));
}

async function sync(io: Io, options: Options): Promise<void> {
  const config = readConfig(
    io.source,
    options.account.length > 0 ? ['cloudflare', 'pii'] : ['cloudflare', 'pii', 'accounts'],
  );
  const logger = openLogger(io, config);
  const exits: ExitCode[] = [];
  const database = await openDatabase(io, config, logger, 'leave');
  const sharedBudget = openSharedBudget(database, logger);
  const client = openClient(config, logger, { sharedBudget });
  boundGarbage();
  try {
    const parts: SyncParts = { io, config, logger, pool: database.pool, client };
    const chosen = await choose(parts, options, (problem) => {
      exits.push(problem.exit);
      printError(io, problem);
    });
    await judgeSchema(database.pool, logger, options.migrate ? 'migrate' : 'refuse');
    const accountIds = isOfToken(config, options) ? await withoutRetired(database.pool, chosen) : chosen;
    for await (const exit of syncEach(parts, options, accountIds)) exits.push(exit);
  } finally {
    await client.close();
    await sharedBudget.close();
    await database.close();
  }
  io.exit(worstExit(exits));
}

type SyncParts = { io: Io; config: Config; logger: Logger; pool: Pool; client: CloudflareClient };

/** The accounts are those that the token sees. Nobody has named them, so a retired one is no mistake. */
function isOfToken({ cloudflare }: Config, { account }: Options): boolean {
  return cloudflare.accountsFrom.kind === 'token' && account.length === 0;
}

/** `onProblem`: the list is not whole. When accounts are named, that is an error instead. */
function choose(
  { io, config, logger, pool, client }: SyncParts,
  { account }: Options,
  onProblem: (problem: OperatorError) => void,
): Promise<readonly string[]> {
  return chooseAccounts(
    config,
    account,
    () => readLabels(pool),
    () => listAccounts(io, client, logger, account.length > 0 ? undefined : onProblem),
  );
}

/** One after another, until a signal comes. */
async function* syncEach(
  { io, config, logger, pool, client }: SyncParts,
  options: Options,
  accountIds: readonly string[],
): AsyncGenerator<ExitCode> {
  const deps: RunDeps = { pool, client, logger, settings: runSettings(config), timing: LEASE_TIMING };
  const timezone = options.timezone ?? config.sync.timezone;
  let begun = 0;
  for (const accountId of accountIds) {
    if (io.signal.aborted) break;
    begun += 1;
    yield await syncOne(io, deps, { ...options, timezone }, accountId, (more) => client.estimateMs(more));
    if (!options.dryRun)
      await pruneAfterRun(
        { pool, logger, timing: deps.timing },
        { accountId, retention: config.retention, signal: io.signal },
      );
  }
  const left = accountIds.slice(begun);
  if (left.length > 0) yield leaveOut(io, options, left);
}

/** The accounts that the token sees, with progress: thousands of them take minutes. */
async function listAccounts(
  io: Io,
  client: CloudflareClient,
  logger: Logger,
  onProblem?: (problem: OperatorError) => void,
): Promise<readonly string[]> {
  const bar = createProgress({ stderr: io.stderr, logger, leastMs: (more) => client.estimateMs(more) });
  try {
    const onPage = ({ pages, expected }: { pages: number; expected: number | null }) =>
      bar.to(pages, expected, () => `Accounts of the token: page ${pages}`);
    return await listedAccounts(client, { signal: io.signal, onPage }, onProblem);
  } finally {
    bar.end();
  }
}

async function withoutRetired(pool: Pool, accountIds: readonly string[]): Promise<readonly string[]> {
  const retired = new Set(
    (await knownAccounts(pool)).flatMap((known) => (known.retired_at === null ? [] : [known.account_id])),
  );
  return accountIds.filter((id) => !retired.has(id));
}

async function syncOne(
  io: Io,
  deps: RunDeps,
  options: Options & { timezone: string },
  accountId: string,
  leastMs: (more: number) => number,
): Promise<ExitCode> {
  const began = performance.now();
  const bar = createProgress({ stderr: io.stderr, logger: deps.logger, leastMs });
  // On a terminal, the bar and the summary are enough for an ordinary run.
  const quiet = io.stderr.isTTY === true && deps.logger.level === 'info';
  const logger = quiet ? deps.logger.child({}, { level: 'warn' }) : deps.logger;
  try {
    const outcome = await requestSync(
      { ...deps, logger },
      {
        accountId,
        trigger: 'cli',
        dryRun: options.dryRun,
        acceptMassClear: options.acceptMassClear,
        signal: io.signal,
        onProgress: (p) =>
          bar.to(
            p.pages,
            p.expectedPages,
            () =>
              `Account ${accountId}: page ${p.pages}${p.expectedPages === null ? '' : ` of ${p.expectedPages}`}, ${plural(p.records, 'record')}`,
          ),
      },
    );
    const line = syncLine(accountId, outcome, performance.now() - began);
    const error = outcome.kind === 'ran' ? outcome.result.error : null;
    bar.end();
    if (options.format === 'json') io.stdout.write(`${JSON.stringify(line)}\n`);
    else await printSummary(io, deps, line, outcome, options.timezone);
    if (error !== null) printError(io, error);
    return error?.exit ?? EXIT.done;
  } catch (thrown) {
    bar.end();
    const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
    if (error === undefined) throw thrown;
    if (options.format === 'json') printFailed(io, accountId, performance.now() - began, error);
    printError(io, error);
    return error.exit;
  }
}

/** A signal came before these accounts were synced. */
function leaveOut(io: Io, options: Options, accountIds: readonly string[]): ExitCode {
  const reason = io.signal.reason as OperatorError;
  const error = new OperatorError({
    ...reason,
    happened: `${reason.happened} before the sync of ${accountIds.join(', ')}`,
    means: `${plural(accountIds.length, 'account')} of this command ${accountIds.length === 1 ? 'was' : 'were'} not synced`,
  });
  if (options.format === 'json') for (const accountId of accountIds) printFailed(io, accountId, 0, error);
  printError(io, error);
  return error.exit;
}

function printFailed(io: Io, accountId: string, durationMs: number, error: OperatorError): void {
  const line: SyncLine = {
    ...emptyLine(accountId, 'failed'),
    duration_ms: Math.round(durationMs),
    error: { code: error.code, message: error.message },
  };
  io.stdout.write(`${JSON.stringify(line)}\n`);
}

async function printSummary(
  io: Io,
  deps: RunDeps,
  line: SyncLine,
  outcome: SyncOutcome,
  timezone: string,
): Promise<void> {
  const { account_id, snapshot_id } = line;
  // The snapshot is published: if the database goes away now, the run has succeeded all the same.
  const levels =
    snapshot_id === null ? [] : await levelsOfSnapshot(deps.pool, account_id, snapshot_id).catch(() => []);
  const ran = outcome.kind === 'ran' ? outcome : null;
  const told = syncLines(
    line,
    {
      levels,
      isDryRun: ran?.dryRun ?? false,
      isPublished: ran?.result.published != null,
      reasons: ran?.result.facts.evidence.reasons ?? [],
      holder: outcome.kind === 'already_running' ? outcome.holder : null,
    },
    viewOf(io, timezone),
  );
  for (const text of told) io.stdout.write(`${text}\n`);
}
