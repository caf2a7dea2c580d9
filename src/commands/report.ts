// `report`: what happened in a period, as one file for people who do not open a dashboard.
import { Command, Option } from 'commander';
import { reportOf } from '../answers/report/report.ts';
import { accountNames } from '../answers/report/report-words.ts';
import { resolveAccounts } from '../answers/resolve-accounts.ts';
import { dayOf, scopeOf, type Scope } from '../answers/scope.ts';
import type { Config } from '../config.ts';
import type { Io } from '../context.ts';
import { isOperatorError } from '../errors.ts';
import type { Db } from '../db/handle.ts';
import type { Pool } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import { NO_ACCOUNT } from '../answers/choose-histories.ts';
import { openFile, outputFailed, standardOutput, type Output } from '../export/output.ts';
import { readAssets } from '../http/assets.ts';
import { reportJson } from '../pages/report/report-json.ts';
import { reportMarkdown } from '../pages/report/report-markdown.ts';
import { reportPage } from '../pages/report/report-page.ts';
import type { Report } from '../answers/report/report.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { startOfDay, WHEN_HELP } from '../time/when.ts';
import { VERSION } from '../version.ts';
import { accountOption } from './options/accounts.ts';
import { requireInOrder, readableTime, timeOf, timezoneOption } from './options/times.ts';
import { withHistory } from './options/with-history.ts';

const FORMATS = ['html', 'md', 'json'] as const;
type ReportFormat = (typeof FORMATS)[number];

type Options = {
  account: string[];
  from?: string;
  to?: string;
  timezone?: string;
  format?: ReportFormat;
  out?: string;
  identities: boolean;
};

const USUAL_MS = 30 * 86_400_000;
/** A history of years takes a minute. */
const LIMITS = { statementMs: 300_000, lockMs: 10_000 };

export function reportCommand(io: Io): Command {
  return new Command('report')
    .description('what happened in a period, as one HTML file that stands alone, or as Markdown or JSON')
    .addOption(accountOption())
    .option(
      '--from <when>',
      `begin of the period: ${WHEN_HELP} (default: 30 days before the end)`,
      readableTime,
    )
    .option('--to <when>', 'end of the period, not included (default: now)', readableTime)
    .addOption(timezoneOption('time zone of all times, and in which days begin'))
    .addOption(new Option('--format <format>', 'default: the ending of --out, else html').choices(FORMATS))
    .option(
      '--out <file>',
      'a file, or - for standard output (default: -, and a file for HTML on a terminal)',
    )
    .option('--identities', 'show emails and names', false)
    .addHelpText(
      'after',
      `
The file needs no server, no network and no script: mail it, or print it to PDF.
Without --account, accounts that are retired are left out. HIGH_TARGET is how
long somebody may be at high.

  zt-risk-sync report
  zt-risk-sync report --from 2026-10-01 --to 2026-11-01 --out october.html
  zt-risk-sync report --account Demo --format md --timezone Europe/Berlin`,
    )
    .action((options: Options) => withHistory(io, (pool, config) => run(io, pool, config, options)));
}

async function run(io: Io, pool: Pool, config: Config, options: Options): Promise<void> {
  const asked = { targetMs: config.highTargetMs, identities: options.identities };
  const timezone = options.timezone ?? config.sync.timezone;
  const report = await readOnly(
    pool,
    LIMITS,
    async (db) => reportOf(db, await scopeFor(db, options, timezone), asked),
    { cancel: io.signal },
  );
  if (report.scope.known.length === 0) {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  const format = options.format ?? formatOf(options.out);
  const out = options.out ?? (format === 'html' && io.stdout.isTTY === true ? nameOf(report.scope) : '-');
  await write(io, out, textOf(report, format));
  if (out !== '-')
    io.stdout.write(
      `Report of ${report.scope.accounts.length === 1 ? 'one account' : `${report.scope.accounts.length} accounts`} written to ${out}\n`,
    );
}

/** The default period begins with a whole day. */
async function scopeFor(db: Db, { account, from, to }: Options, timezone: string): Promise<Scope> {
  const clock = { now: await databaseNow(db), timezone };
  const end = to === undefined ? clock.now : timeOf('--to', to, clock);
  const usual = startOfDay(dayOf(new Date(end.getTime() - USUAL_MS), timezone), timezone);
  const begin = from === undefined ? usual : timeOf('--from', from, clock);
  requireInOrder(['--from', begin], ['--to', end]);
  const span = { from: begin.toISOString(), to: end.toISOString() };
  const [only = ''] = account.length === 1 ? account : [];
  const scope = await scopeOf(db, { account: only, ...span, tz: timezone }, '30d');
  if (account.length < 2) return scope;
  const several = resolveAccounts(scope.known, account);
  return { ...scope, accounts: several, several };
}

function textOf(report: Report, format: ReportFormat): string {
  if (format === 'json') return reportJson(report, VERSION);
  if (format === 'md') return reportMarkdown(report, VERSION);
  return `${String(reportPage(report, { style: readAssets().style.content, version: VERSION }))}\n`;
}

function formatOf(out = '-'): ReportFormat {
  return FORMATS.find((format) => out.endsWith(`.${format}`)) ?? 'html';
}

/** "report-demo-2026-10-30-2026-11-29.html" */
function nameOf(scope: Scope): string {
  const account = accountNames(scope)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const { from, to } = scope.span;
  return `report-${account === '' ? 'account' : account}-${dayOf(from, scope.timezone)}-${dayOf(to, scope.timezone)}.html`;
}

async function write(io: Io, out: string, text: string): Promise<void> {
  const output: Output = out === '-' ? standardOutput(io.stdout as NodeJS.WriteStream) : await openFile(out);
  try {
    await new Promise<void>((done, failed) => {
      // main.ts watches the process' own output, and knows that a reader who stops early is no error.
      if (output.isShared) return void output.stream.write(text, () => done());
      output.stream.once('error', failed);
      output.stream.end(text, () => done());
    });
    await output.keep();
  } catch (error) {
    await output.drop();
    throw isOperatorError(error) ? error : outputFailed(out, error);
  }
}
