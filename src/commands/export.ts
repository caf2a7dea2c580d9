// `export`: datasets as files, whole or only what is new.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { Argument, Command, Option } from 'commander';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { resolveAccounts } from '../answers/resolve-accounts.ts';
import type { Config } from '../config.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { keepWithPackage } from '../export/data-package.ts';
import {
  aboutDatasets,
  allDatasets,
  datasetOf,
  type Dataset,
  DATASET_NAMES,
  type DatasetName,
} from '../export/datasets.ts';
import { exportDatasets, keepFiles } from '../export/export-datasets.ts';
import { exportFeed } from '../export/export-feed.ts';
import { openFile, standardOutput } from '../export/output.ts';
import { onlyClock, type Feed } from '../export/read-clocks.ts';
import { FORMATS, type ExportFormat } from '../export/select-rows.ts';
import { openPartitions, requireEmptyFolder } from '../export/partitions.ts';
import { feedFolder, partitionFolders, targetsOf, type Targets } from '../export/targets.ts';
import { boundGarbage } from '../host/heap.ts';
import { knownAccounts, type KnownAccount } from '../queries/accounts/known-accounts.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { exportProgress, printExported, printFeed } from '../terminal/print/print-export.ts';
import { WHEN_HELP } from '../time/when.ts';
import { accountOption } from './options/accounts.ts';
import { wholeNumber } from './options/format.ts';
import { requireInOrder, readableTime, timeOf, timezoneOption } from './options/times.ts';
import { withHistory } from './options/with-history.ts';

type Options = {
  out: string;
  format?: ExportFormat;
  gzip: boolean;
  account: string[];
  since?: string;
  until?: string;
  timezone?: string;
  after?: number;
  snapshot?: number;
  identities: boolean;
  forPeople: boolean;
  state?: string;
  partition: boolean;
};

export function exportCommand(io: Io): Command {
  return new Command('export')
    .description('datasets as files for a warehouse: everything, or only what is new')
    .addArgument(
      new Argument('<dataset...>', 'one or several of the datasets below').choices(['all', ...DATASET_NAMES]),
    )
    .option('--out <path>', 'a file, a folder for several datasets, or - for standard output', '-')
    .addOption(new Option('--format <format>', 'default: the ending of --out, else csv').choices(FORMATS))
    .option('--gzip', 'compress each file', false)
    .addOption(accountOption())
    .addOption(
      new Option('--state <file>', 'only what is new since the last call with this file').conflicts([
        'after',
        'since',
        'until',
        'snapshot',
      ]),
    )
    .option('--after <watermark>', 'only rows written after this feed value', wholeNumber(0, MOST))
    .option('--since <when>', `only rows of this time or later: ${WHEN_HELP}`, readableTime)
    .option('--until <when>', 'only rows before this time', readableTime)
    .addOption(timezoneOption('time zone of times without an offset'))
    .option('--snapshot <id>', 'snapshot-users: this one; default: the newest', wholeNumber(1, MOST))
    .option('--partition', 'Parquet in folders account=…/date=…', false)
    .option('--identities', 'also export emails and names', false)
    .option('--for-people', 'CSV for a spreadsheet: text cannot become a formula', false)
    .addHelpText('after', HELP)
    .action((given: string[], options: Options) => {
      const datasets = chosenDatasets(given, options);
      return withHistory(io, (pool, config) => run(io, pool, config, datasets, options));
    });
}

const MOST = Number.MAX_SAFE_INTEGER;

const HELP = `
Datasets:
${aboutDatasets()
  .map(({ name, about }) => `  ${name.padEnd(16)} ${about}`)
  .join('\n')}
  ${'all'.padEnd(16)} all except snapshot-users; identities if asked for

Several datasets go to a folder, all from one snapshot of the database. A file
gets its name when it is whole. datapackage.json in the folder says what the
files and their columns are. Times in files are in UTC. accounts and users have
no time of their own: --since and --until leave them whole. A period belongs to
a span if it overlaps the span.

Every row has the feed value that wrote it last: snapshot_id, and in accounts
and runs feed_id. The command prints the watermark to go on from with --after.
In a distributed history (Citus), each account has a watermark of its own.

With --state, --out is a folder of its own, and each call adds files with what
is new: also periods that were closed, users who changed and runs that failed.
Load the files that the state lists, in that order: of rows with the same key,
the last one counts. After a crash, the next call repeats what is unfinished.

With --partition, each dataset is a new folder that DuckDB, Spark, Trino, Athena
and BigQuery read as one table. date is the UTC day of a row's time. With
--state as well, each call adds files in these folders.

CSV is written for programs, as it is: a name may begin with a sign that a
spreadsheet takes for a formula. Use --for-people for a file that people open.

  zt-risk-sync export all --out feed/ --gzip
  zt-risk-sync export all --out feed/ --state feed.json
  zt-risk-sync export all --out lake/ --partition --state lake.json
  zt-risk-sync export level-changes --since 30d --for-people --out changes.csv
  zt-risk-sync export runs --after 1234 --format ndjson`;

/** Throws IDENTITIES_NOT_ASKED. */
function chosenDatasets(given: readonly string[], { identities }: Options): DatasetName[] {
  const names = given.flatMap((name) => (name === 'all' ? allDatasets(identities) : [name as DatasetName]));
  if (names.includes('identities') && !identities) {
    throw new OperatorError({
      code: 'IDENTITIES_NOT_ASKED',
      happened: 'The dataset identities holds emails and names, and --identities was not given',
      means: 'Personal data is exported only when it is asked for. Nothing was exported',
      todo: 'Add --identities, or leave this dataset out',
    });
  }
  return [...new Set(names)];
}

async function run(
  io: Io,
  pool: Pool,
  config: Config,
  datasets: readonly DatasetName[],
  options: Options,
): Promise<void> {
  const chosen = datasets.map((name) => datasetOf(name, options.identities));
  boundGarbage();
  const targets = await targetsFor(datasets, chosen, options);
  if (chosen.some(({ isPersonal }) => isPersonal) && !(await mayRead(pool)).identities)
    throw identitiesDenied('All other datasets can be exported without that right', 'Leave --identities out');
  const accounts = await accountsOf(pool, options.account);
  // On one terminal, progress would appear between the rows.
  const progress = exportProgress(options.out === '-' && io.stdout.isTTY === true ? null : io.stderr);
  const deps = {
    pool,
    signal: io.signal,
    onProgress: (dataset: DatasetName, bytes: number) => progress.to(dataset, bytes),
  };
  const how = { accounts, format: targets.format, gzip: targets.gzip, forPeople: options.forPeople };
  if (options.state !== undefined) {
    const feed = {
      ...how,
      stateFile: options.state,
      folder: options.out,
      partition: options.partition,
      datasets: chosen,
    };
    printFeed(io.stdout, await exportFeed(deps, feed).finally(() => progress.end()), options.state);
    return;
  }
  const exported = await exportDatasets(
    deps,
    {
      ...how,
      ...(await spanOf(pool, config, options)),
      snapshotId: options.snapshot ?? null,
      parts: partsOf(io, targets, options),
    },
    (feed) => refuseWatermark(feed, options.after ?? 0),
  ).finally(() => progress.end());
  if (exported === null) return;
  const folder = folderOf(targets, options);
  const feed = goesOn(options) ? exported.feed : null;
  const whole = { isWhole: options.after === undefined, datasets: chosen, feed };
  if (folder === null) await keepFiles(exported.written);
  else await keepWithPackage(folder, exported.written, { ...targets, ...whole });
  printExported(options.out === '-' ? io.stderr : io.stdout, exported, goesOn(options));
}

/** The folder for the files of several datasets. Null: the folder does not exist, or the folders are partitions. */
function folderOf({ targets }: Targets, { out, partition }: Options): string | null {
  const [first] = targets;
  return partition || first?.file == null || first.file === out ? null : path.dirname(first.file);
}

async function targetsFor(
  datasets: readonly DatasetName[],
  chosen: readonly Dataset[],
  options: Options,
): Promise<Targets> {
  const { state } = options;
  if (state !== undefined) return feedFolder({ ...options, state }, chosen);
  if (options.partition) return partitionFolders({ ...options, datasets });
  return targetsOf({ ...options, datasets, isFolder: await isFolder(options.out) });
}

function partsOf(
  io: Io,
  { targets }: Pick<Targets, 'targets'>,
  { after = 0, identities, partition }: Options,
) {
  return targets.map(({ dataset, file }) => ({
    dataset: datasetOf(dataset, identities),
    after: () => after,
    open: async () => {
      if (file === null) return standardOutput(io.stdout as NodeJS.WriteStream);
      if (!partition) return openFile(file);
      await requireEmptyFolder(file);
      return openPartitions(file, 'rows.parquet');
    },
  }));
}

/** An export of a span of time lacks the rows outside it, so no later export can continue from it. */
function goesOn({ since, until, snapshot }: Options): boolean {
  return since === undefined && until === undefined && snapshot === undefined;
}

async function isFolder(out: string): Promise<boolean> {
  return stat(out).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Null: all. */
async function accountsOf(pool: Pool, wanted: readonly string[]): Promise<KnownAccount[] | null> {
  return wanted.length === 0 ? null : resolveAccounts(await knownAccounts(pool), wanted);
}

async function spanOf(
  pool: Pool,
  config: Config,
  { since, until, timezone = config.sync.timezone }: Options,
): Promise<{ since: Date | null; until: Date | null }> {
  if (since === undefined && until === undefined) return { since: null, until: null };
  const clock = { now: await databaseNow(pool), timezone };
  const at = (name: string, text?: string) => (text === undefined ? null : timeOf(name, text, clock));
  const span = { since: at('--since', since), until: at('--until', until) };
  if (span.since !== null && span.until !== null)
    requireInOrder(['--since', span.since], ['--until', span.until]);
  return span;
}

/** Throws WATERMARK_AMBIGUOUS, WATERMARK_UNKNOWN. */
function refuseWatermark(feed: Feed, after: number): void {
  if (after === 0) return;
  const clock = onlyClock(feed) ?? (feed.length === 1 ? feed[0] : undefined);
  if (clock === undefined) throw ambiguous(after, feed.length);
  if (after <= clock.feedId) return;
  throw new OperatorError({
    code: 'WATERMARK_UNKNOWN',
    happened: `--after is ${after}, and the newest feed value of this ${clock.accountId === null ? 'history' : 'account'} is ${clock.feedId}`,
    means: 'The watermark belongs to another history, or this one was restored. Nothing was exported',
    todo: 'Export everything again without --after, and replace what was loaded (docs/feeds.md)',
  });
}

function ambiguous(after: number, accounts: number): OperatorError {
  return new OperatorError({
    code: 'WATERMARK_AMBIGUOUS',
    happened: `--after is ${after}, and ${accounts} accounts have a watermark each`,
    means: 'In a distributed history, each account has its own feed values. Nothing was exported',
    todo: 'Name one account with --account. Or use --state, which keeps the watermarks of all accounts',
  });
}
