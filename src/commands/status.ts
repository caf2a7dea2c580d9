// `status`: how fresh each account is, which sync is running, how the last runs ended; `--run <id>`: one run with its
// evidence.
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { scheduleState } from '../answers/account-states.ts';
import { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { listAccounts, type AccountState } from '../queries/accounts/list-accounts.ts';
import { findRun, listRuns, type Run } from '../queries/runs/list-runs.ts';
import { explainRun, type Fact } from '../answers/explain-run.ts';
import { duration, minute, printable } from '../words.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import { json, printRows, table, type Cell, type Format } from '../terminal/table.ts';
import { accountUnknown, NO_ACCOUNT } from '../answers/choose-histories.ts';
import { withHistory } from './options/with-history.ts';
import { ACCOUNT_COLUMNS, accountCells, accountLines } from '../terminal/print-status.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = { run?: number; account?: string; limit: number; accounts: boolean; format: Format };

export function statusCommand(io: Io): Command {
  return new Command('status')
    .description('how fresh the history is, what is running, how the last runs ended')
    .option(
      '--run <id>',
      'one run, with the evidence behind its verdict',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--account <id>', 'only this account')
    .option('--limit <n>', 'at most this many runs per account', wholeNumber(1, 10_000), 10)
    .addOption(formatOption())
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
  if (run !== undefined) return printRun(io, options, await findRun(pool, run, account));
  const all = await listAccounts(pool);
  const shown = all.filter((state) => account === undefined || state.account_id === account);
  if (all.length > 0 && shown.length === 0) throw accountUnknown();
  const runs: Run[] = [];
  if (!options.accounts)
    for (const state of shown) runs.push(...(await listRuns(pool, state.account_id, limit)));
  if (format !== 'table' && !options.accounts) {
    const newestFirst = runs.toSorted((one, other) => other.run_id - one.run_id);
    return printRows(io.stdout, format, RUN_COLUMNS, newestFirst.map(runCells));
  }
  const schedule = await scheduleState(pool, { ...config.sync, leaseMs: LEASE_TIMING.leaseMs });
  if (format !== 'table') {
    const columns = ACCOUNT_COLUMNS.map((name) => ({ name }));
    return printRows(
      io.stdout,
      format,
      columns,
      shown.map((state) => accountCells(state, schedule)),
    );
  }
  if (shown.length === 0) {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  for (const state of shown) {
    io.stdout.write(`${accountLines(state, schedule).join('\n')}\n`);
    const isAsked = state.retired_at === null || account !== undefined;
    if (!options.accounts && isAsked) io.stdout.write(runsOf(state, runs));
  }
  if (schedule.nextSlot !== null) {
    const { schedule: expression, timezone, nextSlot } = schedule;
    const wait = duration(Math.max(0, nextSlot.getTime() - Date.now()));
    io.stdout.write(
      `${wrap(`next slot of the schedule (${expression}, ${timezone}): ${minute(nextSlot)}, in ${wait}`, 2)}\n`,
    );
  }
}

function runsOf(state: AccountState, runs: readonly Run[]): string {
  const own = runs.filter(({ account_id }) => account_id === state.account_id);
  return own.length === 0
    ? '  no run has ended yet\n\n'
    : `\n${table(TABLE_COLUMNS, own.map(tableCells))}\n\n`;
}

// 80 columns wide with the longest error code.
const TABLE_COLUMNS = [
  { name: 'run', right: true },
  { name: 'started (UTC)' },
  { name: 'took', right: true },
  { name: 'by' },
  { name: 'met', right: true },
  { name: 'status' },
  { name: 'verdict / error' },
];

function tableCells(run: Run): Cell[] {
  return [
    // An id, not a quantity: no thousands separator.
    String(run.run_id),
    minute(run.started_at).replace(' UTC', ''),
    duration(new Date(run.finished_at).getTime() - new Date(run.started_at).getTime()),
    run.trigger,
    run.users_met,
    run.status,
    [run.verdict, run.error_code].filter((part) => part !== null).join(' ') || null,
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

function printRun(io: Io, options: Options, run: Run | undefined): void {
  if (run === undefined) {
    throw new OperatorError({
      code: 'RUN_NOT_FOUND',
      happened: `There is no finished run ${options.run}`,
      means: 'It may still be running, or its number was never used',
      todo: 'Run `zt-risk-sync status` to list the runs',
    });
  }
  if (options.format === 'json') {
    const fields = Object.fromEntries(RUN_FIELDS.map((field, index) => [field, runCells(run)[index]]));
    io.stdout.write(`${json({ ...fields, evidence: run.evidence })}\n`);
    return;
  }
  if (options.format === 'csv') return printRows(io.stdout, 'csv', RUN_COLUMNS, [runCells(run)]);
  io.stdout.write(`${explainRun(run).map(factLine).join('\n')}\n`);
}

const FACT_INDENT = 11;

function factLine([name, text]: Fact): string {
  return `${name.padEnd(FACT_INDENT)}${wrap(printable(text), FACT_INDENT)}`;
}
