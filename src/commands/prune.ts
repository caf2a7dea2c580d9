// `prune`: deletes rows that are past their retention, or says which rows it would delete.
import { Command, InvalidArgumentError } from 'commander';
import { chooseHistories, NO_ACCOUNT } from '../answers/choose-histories.ts';
import { readConfig, type Config } from '../config.ts';
import { openLogger, type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { wholeSince } from '../queries/accounts/whole-since.ts';
import { keepsForEver, PRUNABLE, RETENTION_VARIABLES, type Retention } from '../retention.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { countExpired, deleteExpired } from '../sync/walk/expired-records.ts';
import { printPruned, type PruneRow } from '../terminal/print/upkeep/print-prune.ts';
import { createProgress } from '../terminal/progress.ts';
import type { OutputFormat } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { parseDuration } from '../time/duration.ts';
import { previewAccount } from '../upkeep/prune/preview-account.ts';
import { pruneAccount } from '../upkeep/prune/prune-account.ts';
import { plural } from '../words.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption } from './options/format.ts';
import { timezoneOption } from './options/times.ts';
import { withDatabase } from './options/with-history.ts';

type Options = {
  account: string[];
  dryRun: boolean;
  activity?: number;
  levels?: number;
  identities?: number;
  runs?: number;
  rejected?: number;
  timezone?: string;
  format: OutputFormat;
};

export function pruneCommand(io: Io): Command {
  return new Command('prune')
    .description('delete what is older than its retention; serve and sync do it after each run')
    .addOption(accountOption())
    .option('--dry-run', 'say what would go and how large it is, delete nothing', false)
    .option('--activity <time>', 'keep event counters this long (default: RETENTION_ACTIVITY)', duration)
    .option('--levels <time>', 'keep level periods this long (default: RETENTION_LEVELS)', duration)
    .option(
      '--identities <time>',
      'keep old emails and names this long (default: RETENTION_IDENTITIES)',
      duration,
    )
    .option('--runs <time>', 'keep runs this long (default: RETENTION_RUNS)', duration)
    .option('--rejected <time>', 'keep rejected records this long (default: RETENTION_REJECTED)', duration)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .addHelpText('after', HELP)
    .action((options: Options) => {
      // Before the database is opened: nothing is asked of it, in any state.
      const { retention, isUnset } = chosenRetention(readConfig(io.source), options);
      if (isUnset) throw unset();
      return withDatabase(io, (pool, config) => run(io, pool, config, { ...options, retention }));
    });
}

const HELP = `
A time is a whole number with s, m, h or d, such as 400d. Only what a newer row
superseded before that time goes, so everything later stays exact: users as of
any later instant, changes, trends. What a user has now always stays. Snapshots
and their counts are kept for ever.

Afterwards, questions about an earlier instant are refused, and
risk_bi.retention says since when each part is whole. The work is done in
short transactions: it may be stopped at any time, and the next call goes on.
A run of the account goes first.

  zt-risk-sync prune --dry-run --activity 400d
  zt-risk-sync prune --activity 90d --runs 365d --account production`;

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError('must be a duration such as 400d, 12h or 90m.');
  return ms;
}

function chosenRetention(
  config: Pick<Config, 'retention'>,
  options: Options,
): { retention: Retention; isUnset: boolean } {
  const retention = Object.fromEntries(
    PRUNABLE.map((part) => [part, options[part] ?? config.retention[part]]),
  ) as Retention;
  return { retention, isUnset: keepsForEver(retention) && options.rejected === undefined };
}

async function run(
  io: Io,
  pool: Pool,
  config: Config,
  options: Options & { retention: Retention },
): Promise<void> {
  const { retention } = options;
  const rejectedMs = options.rejected ?? config.sync.rejectedRetentionMs;
  const accounts = await chooseHistories(pool, options.account);
  if (accounts.length === 0 && options.format === 'table') return void io.stdout.write(NO_ACCOUNT);
  const rows: PruneRow[] = [];
  const view = viewOf(io, options.timezone ?? config.sync.timezone);
  try {
    for (const account of accounts) {
      io.signal.throwIfAborted();
      const one = { account, retention, rejectedMs };
      if (options.dryRun) await preview(pool, one, rows);
      else await prune(io, pool, config, one, rows);
    }
  } catch (error) {
    // Rows are deleted even if the command ends early, so it always reports them.
    if (!options.dryRun && rows.some((row) => row.rows > 0)) printPruned(io.stdout, rows, options, view);
    throw isOperatorError(error) && error.code === 'INTERRUPTED' ? interrupted(error) : error;
  }
  printPruned(io.stdout, rows, options, view);
}

type One = { account: KnownAccount; retention: Retention; rejectedMs: number };

async function preview(pool: Pool, { account, retention, rejectedMs }: One, rows: PruneRow[]): Promise<void> {
  const { account_key } = account;
  for (const one of await previewAccount(pool, account_key, retention)) rows.push({ account, ...one });
  const expired = await countExpired(pool, account_key, rejectedMs);
  rows.push({ account, part: 'rejected', ...expired, wholeSince: null });
}

async function prune(
  io: Io,
  pool: Pool,
  config: Config,
  { account, retention, rejectedMs }: One,
  rows: PruneRow[],
): Promise<void> {
  const bar = createProgress({ stderr: io.stderr, logger: openLogger(io, config) });
  const byPart = new Map<string, PruneRow>();
  for (const part of PRUNABLE) {
    if (retention[part] === null) continue;
    const row: PruneRow = { account, part, rows: 0, bytes: null, wholeSince: null };
    byPart.set(part, row);
    rows.push(row);
  }
  let isTold = false;
  try {
    await pruneAccount(
      { pool, timing: LEASE_TIMING },
      {
        accountKey: account.account_key,
        retention,
        signal: io.signal,
        onBusy({ runId }) {
          if (!isTold)
            io.stderr.write(`Run ${runId} works on this account: prune continues when it has ended\n`);
          isTold = true;
          return true;
        },
        onProgress(part, count, horizon, upTo) {
          byPart.get(part)!.rows = count;
          const { prunedUpTo: from, lastSnapshotId: to } = horizon;
          bar.to(
            upTo === null ? count : upTo - from,
            upTo === null ? null : to - from,
            () => `${account.label ?? account.account_id}: ${plural(count, 'row')} of ${part} deleted`,
          );
        },
      },
    );
    const expired = await deleteExpired(pool, account.account_key, rejectedMs);
    rows.push({ account, part: 'rejected', rows: expired, bytes: null, wholeSince: null });
  } finally {
    bar.end();
    for (const { part, since } of await wholeSince(pool, account.account_key).catch(() => []))
      Object.assign(byPart.get(part) ?? {}, { wholeSince: since.toISOString() });
  }
}

function unset(): OperatorError {
  const names = PRUNABLE.map((part) => RETENTION_VARIABLES[part]).join(', ');
  return new OperatorError({
    code: 'RETENTION_UNSET',
    happened: 'It was not said how long the history is kept',
    means: 'The history is kept for ever, and nothing was deleted',
    todo: `Set one or several of ${names} to a time such as 400d, or give --activity, --levels, --identities or --runs. RETENTION_REJECTED has a default, and runs apply it`,
  });
}

function interrupted({ happened, cause }: OperatorError): OperatorError {
  return new OperatorError({
    code: 'INTERRUPTED',
    happened,
    means: 'What was deleted stays deleted, and everything later than the retention is whole',
    todo: 'Run `zt-risk-sync prune` again: it continues where it stopped',
    cause,
  });
}
