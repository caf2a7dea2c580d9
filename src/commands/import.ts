// `import`: saved answers of the summary become snapshots of their own time.
import { Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from '../config.ts';
import { judgeSchema, openDatabase, openLogger, type Io } from '../context.ts';
import { databaseError } from '../db/database-errors.ts';
import { EXIT, isOperatorError, worstExit, type ExitCode, type OperatorError } from '../errors.ts';
import { boundGarbage } from '../host/heap.ts';
import type { Logger } from '../logger.ts';
import { timesOf } from '../saved/file-times.ts';
import { inspectFile, type FileFacts } from '../saved/inspect-file.ts';
import { openFiles } from '../saved/open-files.ts';
import { aheadOf, type PlannedSnapshot } from '../saved/plan-snapshots.ts';
import { savedError, type SavedFile } from '../saved/saved-file.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { inputOf } from '../terminal/input.ts';
import { printError } from '../terminal/print/print-error.ts';
import {
  aheadText,
  doneRow,
  failedRow,
  importedRow,
  importText,
  previewRow,
  type ImportRow,
} from '../terminal/print/print-import.ts';
import { createProgress } from '../terminal/progress.ts';
import { viewOf } from '../terminal/view.ts';
import { importSnapshot, type ImportDeps } from '../upkeep/import/import-snapshot.ts';
import { planImport, type ImportPlan } from '../upkeep/import/plan-import.ts';
import { previewSnapshot } from '../upkeep/import/preview-snapshot.ts';
import { forImport } from '../upkeep/import/import-errors.ts';
import { plural } from '../words.ts';
import { newAccountIdOf } from './options/accounts.ts';
import { formatOption } from './options/format.ts';
import { runSettings } from './options/run-settings.ts';
import { timezoneOption } from './options/times.ts';

type Options = {
  account?: string;
  at?: string;
  timezone?: string;
  dryRun: boolean;
  acceptMassClear: boolean;
  format: 'table' | 'json';
  migrate: boolean;
};

export function importCommand(io: Io): Command {
  return new Command('import')
    .description('publish saved answers of the risk summary as snapshots of their own time')
    .argument('<file...>', 'JSON, packed with gzip or not; - for standard input')
    .addOption(
      new Option(
        '--account <account>',
        'whose answers they are (required): its id, or the label of a known account',
      ).argParser(once),
    )
    .addOption(new Option('--at <time>', 'the time of all these files, for one snapshot').argParser(once))
    .addOption(
      timezoneOption(
        'zone of times in names that have none: needed there. And of all times that are printed',
      ),
    )
    .option('--dry-run', 'check all files, print what would be published, publish nothing', false)
    .option(
      '--accept-mass-clear',
      'accept that most or all users are gone (after an intended clean-up)',
      false,
    )
    .addOption(formatOption(['table', 'json'], 'how to print; json: one line for each snapshot'))
    .option('--no-migrate', 'refuse a database that is behind instead of migrating it')
    .addHelpText('after', HELP)
    .action((names: string[], options: Options) => run(io, names, options));
}

const HELP = `
Files of the same instant are the pages of one snapshot. The instant is --at, or
it is in the name of the file: 2024-01-05T04:00Z-page2.json,
risk_2024-01-05T04-00-00Z.json.gz, risk-1704427200.json. Without a zone in the
name (risk_20240105.json), --timezone must say where that time was. The date of
the file itself never counts.

A file holds one or several answers, an array of them, the users alone, or one
user a line. Only answers with their total can make a complete snapshot. Users
who are missing are cleared after two complete snapshots in a row; nobody is
asked, and no token is needed.

Import first, then sync: a snapshot cannot be older than the newest one. All
files are checked before the first one is published. If the command ends early,
run it again: what was imported is left out. docs/import.md has examples.`;

/** Commander would keep only the last of several values. */
function once(text: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('It was given more than once.');
  return text;
}

async function run(io: Io, names: readonly string[], options: Options): Promise<void> {
  const { account } = options;
  if (account === undefined) throw accountMissing();
  const config = readConfig(io.source, ['pii']);
  const logger = openLogger(io, config);
  const opened = await openFiles(names, {
    at: options.at ?? null,
    stdin: inputOf(io),
    signal: io.signal,
  });
  try {
    const dated = timesOf(opened.files, { at: options.at ?? null, timezone: options.timezone ?? null });
    const database = await openDatabase(io, config, logger, 'leave');
    boundGarbage();
    try {
      const accountId = await newAccountIdOf(database.pool, account);
      await judgeSchema(database.pool, logger, options.migrate ? 'migrate' : 'refuse');
      const found = await inspectAll(io, logger, dated);
      if (found === null) return;
      const plan = await planImport(database.pool, accountId, found);
      const deps = { pool: database.pool, logger, settings: runSettings(config), timing: LEASE_TIMING };
      const timezone = options.timezone ?? config.sync.timezone;
      io.stderr.write(aheadText(aheadOf(plan.todo), viewOf(io, timezone)));
      await importAll(io, deps, { ...options, accountId, timezone }, plan);
    } finally {
      await database.close();
    }
  } finally {
    await opened.close();
  }
}

function accountMissing(): OperatorError {
  return savedError(
    'IMPORT_OPTIONS',
    'It was not said of which account these answers are',
    'Add --account with the id of the account: the answers themselves do not hold it',
  );
}

const MOST_ERRORS = 10;

/** Reads every file once. Null: some cannot be imported, and each of these was reported. */
async function inspectAll(
  io: Io,
  logger: Logger,
  dated: readonly { file: SavedFile; at: Date }[],
): Promise<{ at: Date; facts: FileFacts }[] | null> {
  const bar = createProgress({ stderr: io.stderr, logger });
  const found: { at: Date; facts: FileFacts }[] = [];
  const errors: OperatorError[] = [];
  try {
    for (const { file, at } of dated) {
      try {
        found.push({ at, facts: await inspectFile(file, io.signal) });
      } catch (error) {
        if (!isOperatorError(error) || io.signal.aborted) throw error;
        errors.push(error);
      }
      const read = found.length + errors.length;
      bar.to(read, dated.length, () => `checked ${read} of ${plural(dated.length, 'file')}`);
    }
  } finally {
    bar.end();
  }
  if (errors.length === 0) return found;
  for (const error of errors.slice(0, MOST_ERRORS)) printError(io, error);
  if (errors.length > MOST_ERRORS)
    io.stderr.write(`${plural(errors.length - MOST_ERRORS, 'more file')} cannot be imported\n`);
  io.exit(worstExit(errors.map(({ exit }) => exit)));
  return null;
}

type ImportOptions = Options & { accountId: string; timezone: string };

/** In the order of time, until one fails: after a later snapshot, an earlier one can no longer be imported. */
async function importAll(
  io: Io,
  deps: ImportDeps,
  options: ImportOptions,
  { todo, done }: ImportPlan,
): Promise<void> {
  const { accountId } = options;
  const printer = createPrinter(io, options);
  for (const { planned, snapshotId } of done) printer.add(doneRow(accountId, planned, snapshotId));
  const quiet = { ...deps, logger: deps.logger.child({}, { level: quietLevel(io, deps.logger) }) };
  const bar = createProgress({ stderr: io.stderr, logger: deps.logger });
  let [count, exit]: [number, ExitCode] = [0, EXIT.done];
  let stoppedBy: OperatorError | null = null;
  for (const planned of todo) {
    const { row, error } = await importOne(io, quiet, options, planned);
    printer.add(row);
    // A guard may stop the import after a snapshot that was published.
    if (error === null || row.line.snapshot_id !== null) count++;
    exit = error?.exit ?? EXIT.done;
    // Users who wait for a complete walk do not stop the import: the next snapshot may be that walk.
    if (error !== null && error.code !== 'CLEAR_PENDING') {
      stoppedBy = error;
      break;
    }
    bar.to(count, todo.length, () => `${count} of ${todo.length}: ${planned.at.toISOString().slice(0, 16)}Z`);
  }
  bar.end();
  printer.end();
  if (stoppedBy !== null) printStop(io, stoppedBy, todo.length - count);
  io.exit(exit);
}

type One = { row: ImportRow; error: OperatorError | null };

async function importOne(
  io: Io,
  deps: ImportDeps,
  options: ImportOptions,
  planned: PlannedSnapshot,
): Promise<One> {
  const { accountId, acceptMassClear } = options;
  const { signal } = io;
  const began = performance.now();
  const took = () => performance.now() - began;
  try {
    signal.throwIfAborted();
    if (options.dryRun) {
      const preview = await previewSnapshot(planned, { accountId, signal });
      return { row: previewRow(accountId, planned, preview, took()), error: null };
    }
    const outcome = await importSnapshot(deps, { accountId, planned, acceptMassClear, signal });
    const { error } = outcome.result;
    return {
      row: importedRow(accountId, planned, { outcome, ms: took() }),
      error: error === null ? null : forImport(error),
    };
  } catch (thrown) {
    const known = isOperatorError(thrown) ? thrown : databaseError(thrown);
    if (known === undefined) throw thrown;
    const error = forImport(known);
    return { row: failedRow(accountId, planned, error), error };
  }
}

/** The table shows what a run has published. Without a table, warnings are for the log. */
function quietLevel(io: Io, logger: Logger): string {
  if (logger.level !== 'info') return logger.level;
  return io.stderr.isTTY === true ? 'silent' : 'warn';
}

/** JSON at once, and the table at the end. */
function createPrinter(
  io: Io,
  { format, dryRun, timezone }: ImportOptions,
): { add(row: ImportRow): void; end(): void } {
  const rows: ImportRow[] = [];
  return {
    add(row) {
      if (format === 'json') io.stdout.write(`${JSON.stringify(row.line)}\n`);
      else rows.push(row);
    },
    end() {
      if (format === 'table') io.stdout.write(importText(rows, { isDryRun: dryRun }, viewOf(io, timezone)));
    },
  };
}

function printStop(io: Io, error: OperatorError, left: number): void {
  printError(io, error);
  if (left > 0)
    io.stderr.write(`${plural(left, 'snapshot')} of these files ${left === 1 ? 'remains' : 'remain'}\n`);
}
