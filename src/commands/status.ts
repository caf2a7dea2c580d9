// `status`: how fresh each account is, which sync is running, and how the last runs ended. `--run <id>`: one run with
// its evidence.
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { scheduleState } from '../answers/accounts/account-states.ts';
import { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { listAccounts } from '../queries/accounts/list-accounts.ts';
import { lastCopy } from '../queries/health/last-copy.ts';
import { requestWindows } from '../queries/health/request-windows.ts';
import { sharedBudgetInWords } from '../terminal/shared-budget.ts';
import { databaseError } from '../db/database-errors.ts';
import { findRun, newestRuns, type Run } from '../queries/runs/list-runs.ts';
import { explainRun, type Fact } from '../answers/runs/explain-run.ts';
import { runNotFound } from '../answers/pages/runs.ts';
import { localMinute } from '../time/when.ts';
import { duration, printable } from '../words.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import { json, printRows, table, type Cell, type Column, type OutputFormat } from '../terminal/table.ts';
import { chooseHistories, NO_ACCOUNT } from '../answers/choose-histories.ts';
import { timezoneOption } from './options/times.ts';
import { withHistory } from './options/with-history.ts';
import {
  ACCOUNT_COLUMNS,
  accountCells,
  accountLines,
  copyWarning,
} from '../terminal/print/status/print-status.ts';
import { MANY_ACCOUNTS, manyAccountLines } from '../terminal/print/status/print-many-accounts.ts';
import { viewOf, type View } from '../terminal/view.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = {
  run?: number;
  account: string[];
  limit: number;
  accounts: boolean;
  all: boolean;
  timezone?: string;
  format: OutputFormat;
};

export function statusCommand(io: Io): Command {
  return new Command('status')
    .description('how fresh the history is, what is running, how the last runs ended')
    .option(
      '--run <id>',
      'one run, with the evidence behind its verdict',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .addOption(accountOption())
    .option('--limit <n>', 'at most this many runs per account', wholeNumber(1, 10_000), 10)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .option('--all', `each of more than ${MANY_ACCOUNTS} accounts, not only those that need a look`, false)
    .option('--accounts', 'accounts without their runs; in JSON and CSV one row per account', false)
    .addHelpText(
      'after',
      `
SYNC_SCHEDULE and SYNC_TIMEZONE of this command decide what is stale and when
the slots are: set them as for serve.

  zt-risk-sync status --accounts --format json
  zt-risk-sync status --run 41`,
    )
    .action((options: Options) => withHistory(io, (pool, config) => printStatus(io, config, pool, options)));
}

async function printStatus(io: Io, config: Config, pool: Pool, options: Options): Promise<void> {
  const { account, run, limit, format } = options;
  const view = viewOf(io, options.timezone ?? config.sync.timezone);
  const chosen = await chooseHistories(pool, account);
  if (run !== undefined) {
    const keys = account.length === 0 ? undefined : chosen.map(({ account_key }) => account_key);
    const found = await findRun(pool, run, keys);
    if (found === undefined) throw runNotFound(run);
    return printRun(io, options, view, found);
  }
  const states = new Map((await listAccounts(pool)).map((state) => [state.account_id, state]));
  const shown = chosen.flatMap(({ account_id }) => states.get(account_id) ?? []);
  const isMany = format === 'table' && shown.length > MANY_ACCOUNTS && account.length === 0 && !options.all;
  const keys = chosen.map(({ account_key }) => account_key);
  const runs = options.accounts || isMany ? new Map<string, Run[]>() : await newestRuns(pool, keys, limit);
  if (format !== 'table' && !options.accounts) {
    const newestFirst = [...runs.values()].flat().toSorted((one, other) => other.run_id - one.run_id);
    return printRows(io.stdout, format, RUN_COLUMNS, newestFirst.map(runCells));
  }
  const copy = config.databaseUrl === null ? await lastCopy(pool) : null;
  const schedule = await scheduleState(pool, { ...config.sync, leaseMs: LEASE_TIMING.leaseMs });
  if (format !== 'table') {
    const columns = ACCOUNT_COLUMNS.map((name) => ({ name }));
    return printRows(
      io.stdout,
      format,
      columns,
      shown.map((state) => accountCells(state, schedule, copy)),
    );
  }
  if (shown.length === 0) {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  if (isMany) io.stdout.write(`${manyAccountLines(shown, schedule, view).join('\n')}\n`);
  for (const state of isMany ? [] : shown) {
    io.stdout.write(`${accountLines(state, schedule, view).join('\n')}\n`);
    const isAsked = state.retired_at === null || account.length > 0;
    if (!options.accounts && isAsked) io.stdout.write(runsOf(runs.get(state.account_id) ?? [], view));
  }
  const warning = copyWarning(copy, view);
  if (warning !== null) io.stdout.write(`${warning}\n`);
  for (const line of await budgetLines(pool)) io.stdout.write(`${wrap(line, 2, view.textWidth)}\n`);
  if (runs.size > 0) io.stdout.write(`Times of runs are in ${view.timezone}.\n`);
  if (schedule.nextSlot !== null) {
    const { schedule: expression, timezone, nextSlot } = schedule;
    const wait = duration(Math.max(0, nextSlot.getTime() - Date.now()));
    io.stdout.write(
      `${wrap(`next slot of the schedule (${expression}, ${timezone}): ${view.time(nextSlot)}, in ${wait}`, 2, view.textWidth)}\n`,
    );
  }
}

/** A role for readers may not see them. */
async function budgetLines(pool: Pool): Promise<string[]> {
  try {
    const used = (await requestWindows(pool)).filter((one) => one.used > 0);
    return used.map((one) => `requests by all replicas: ${sharedBudgetInWords(one)}`);
  } catch (error) {
    if (databaseError(error)?.code !== 'DATABASE_PERMISSION') throw error;
    return [];
  }
}

function runsOf(own: readonly Run[], view: View): string {
  if (own.length === 0) return '  no run has ended yet\n\n';
  const rows = own.map((run) => tableCells(run, view.timezone));
  return `\n${table(TABLE_COLUMNS, rows, view.width)}\n\n`;
}

// 80 columns wide with the longest error code.
const TABLE_COLUMNS: readonly Column[] = [
  { name: 'run', right: true },
  { name: 'started' },
  { name: 'took', right: true },
  { name: 'by' },
  { name: 'met', right: true },
  { name: 'status' },
  { name: 'verdict / error' },
  { name: 'snapshot', right: true, extra: true },
  { name: 'pages', right: true, extra: true },
  { name: 'passes', right: true, extra: true },
  { name: 'requests', right: true, extra: true },
  { name: 'rejected', right: true, extra: true },
  { name: 'host', extra: true, shrinks: true },
];

function tableCells(run: Run, timezone: string): Cell[] {
  return [
    // An id, not a quantity: no thousands separator.
    String(run.run_id),
    localMinute(run.started_at, timezone),
    duration(new Date(run.finished_at).getTime() - new Date(run.started_at).getTime()),
    run.trigger,
    // Counts are missing if the process died.
    run.status === 'abandoned' ? null : run.users_met,
    run.status,
    [run.verdict, run.error_code].filter((part) => part !== null).join(' ') || null,
    run.snapshot_id === null ? null : String(run.snapshot_id),
    run.status === 'abandoned' ? null : run.pages,
    run.passes,
    run.requests,
    run.rejected,
    run.host,
  ];
}

const RUN_FIELDS = [
  'account_id',
  'run_id',
  'trigger',
  'scheduled_for',
  'status',
  'verdict',
  'snapshot_id',
  'started_at',
  'finished_at',
  'host',
  'passes',
  'pages',
  'requests',
  'retries',
  'bytes',
  'users_met',
  'duplicates',
  'rejected',
  'total_first',
  'total_last',
  'expected_unseen',
  'lookups',
  'error_code',
  'error_message',
] as const satisfies readonly (keyof Run)[];

const RUN_COLUMNS = RUN_FIELDS.map((name) => ({ name }));

function runCells(run: Run): Cell[] {
  return RUN_FIELDS.map((field) => {
    const value = run[field];
    return field.endsWith('_at') || field === 'scheduled_for' ? iso(value as string | null) : value;
  });
}

function iso(value: string | null): string | null {
  return value === null ? null : new Date(value).toISOString();
}

function printRun(io: Io, options: Options, view: View, run: Run): void {
  if (options.format === 'json') {
    const fields = Object.fromEntries(RUN_FIELDS.map((field, index) => [field, runCells(run)[index]]));
    io.stdout.write(`${json({ ...fields, evidence: run.evidence })}\n`);
    return;
  }
  if (options.format === 'csv') return printRows(io.stdout, 'csv', RUN_COLUMNS, [runCells(run)]);
  io.stdout.write(
    `${explainRun(run, view.time)
      .map((fact) => factLine(fact, view.textWidth))
      .join('\n')}\n`,
  );
}

const FACT_INDENT = 11;

function factLine([name, text]: Fact, width: number): string {
  return `${name.padEnd(FACT_INDENT)}${wrap(printable(text), FACT_INDENT, width)}`;
}
