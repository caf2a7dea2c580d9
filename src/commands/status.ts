// `status`: is it fresh, is it running, how did the last runs end; `--run <id>` one run with its evidence.
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { listAccounts, type AccountState } from '../queries/list-accounts.ts';
import { listRuns, type Run } from '../queries/list-runs.ts';
import { nextSlots } from '../schedule.ts';
import { explainRun, type Fact } from './explain-run.ts';
import {
  ago,
  duration,
  formatOption,
  minute,
  plural,
  printable,
  printRows,
  table,
  wholeNumber,
  type Cell,
  type Format,
} from './print.ts';
import { wrap } from './wrap.ts';

type Options = { run?: number; account?: string; limit: number; format: Format };

export function statusCommand(io: Io): Command {
  return new Command('status')
    .description('how fresh the history is, what is running, how the last runs ended')
    .option(
      '--run <id>',
      'one run, with the evidence behind its verdict',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--account <id>', 'only this account')
    .option('--limit <n>', 'how many runs', wholeNumber(1, 10_000), 10)
    .addOption(formatOption())
    .action(async (options: Options) => {
      const config = readConfig(io.source);
      const database = await openDatabase(io, config, openLogger(io, config), 'refuse');
      try {
        const { account, run, limit } = options;
        const runs = await listRuns(database.pool, {
          ...(account === undefined ? {} : { accountId: account }),
          ...(run === undefined ? {} : { runId: run }),
          limit,
        });
        if (run !== undefined) return printRun(io, options, runs);
        if (options.format !== 'table')
          return printRows(io.stdout, options.format, RUN_COLUMNS, runs.map(runCells));
        const all = await listAccounts(database.pool);
        const shown = all.filter((state) => account === undefined || state.account_id === account);
        if (shown.length === 0) {
          io.stdout.write('No account was ever synced here. Start with: zt-risk-sync sync\n');
          return;
        }
        for (const state of shown) io.stdout.write(`${accountLines(state).join('\n')}\n`);
        const [next] = nextSlots(config.sync.schedule, config.sync.timezone, 1);
        if (next)
          io.stdout.write(
            `next slot of the schedule (${config.sync.schedule}, ${config.sync.timezone}): ${minute(next)}\n`,
          );
        io.stdout.write(`\n${table(TABLE_COLUMNS, runs.map(tableCells))}\n`);
      } finally {
        await database.close();
      }
    });
}

function accountLines(state: AccountState): string[] {
  const name = state.label === null ? state.account_id : `${state.account_id} (${state.label})`;
  const lines: string[] = [];
  if (state.retired_at !== null) lines.push(`${name}  retired ${minute(state.retired_at)}`);
  else if (state.observed_at === null) lines.push(`${name}  no snapshot yet`);
  else {
    lines.push(
      `${name}  ${plural(state.user_count ?? 0, 'user')}, ${ago(state.observed_at)} (snapshot ${state.snapshot_id}, ${state.verdict})`,
    );
  }
  if (state.running_run_id !== null) {
    lines.push(
      `  running: run ${state.running_run_id} since ${minute(state.running_since ?? new Date())} on host ${state.running_host}`,
    );
  }
  if (state.failures_since > 0) lines.push(`  ${plural(state.failures_since, 'run')} failed since`);
  if ((state.carried_count ?? 0) > 0)
    lines.push(`  ${plural(state.carried_count ?? 0, 'user')} carried (present, not met by the last walk)`);
  if (state.rejected_waiting > 0)
    lines.push(`  ${plural(state.rejected_waiting, 'rejected record')} waiting: zt-risk-sync rejected list`);
  return lines;
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
    // A number, not a quantity: no thousands separator.
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

function printRun(io: Io, options: Options, runs: readonly Run[]): void {
  const [run] = runs;
  if (run === undefined) {
    throw new OperatorError({
      code: 'RUN_NOT_FOUND',
      exit: EXIT.failed,
      happened: `There is no finished run ${options.run}`,
      means: 'It may still be running, or its number was handed out and not used',
      todo: 'Run `zt-risk-sync status` for the runs there are',
    });
  }
  if (options.format === 'json') {
    const fields = Object.fromEntries(RUN_FIELDS.map((field, index) => [field, runCells(run)[index]]));
    io.stdout.write(`${JSON.stringify({ ...fields, evidence: run.evidence }, null, 2)}\n`);
    return;
  }
  if (options.format === 'csv') return printRows(io.stdout, 'csv', RUN_COLUMNS, [runCells(run)]);
  io.stdout.write(`${explainRun(run).map(factLine).join('\n')}\n`);
}

const FACT_INDENT = 11;

function factLine([name, text]: Fact): string {
  return `${name.padEnd(FACT_INDENT)}${wrap(printable(text), FACT_INDENT)}`;
}
