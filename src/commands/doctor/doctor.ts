// `doctor`: reports what is wrong and how to fix it. Changes nothing, and survives all the problems that it looks for.
import { Command } from 'commander';
import type { Config } from '../../config.ts';
import { openLogger, type Io } from '../../context.ts';
import type { Pool } from '../../db/pool.ts';
import { isOperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { checkAccount, examineAccount, keptAccounts, type ExaminedAccount } from './account.ts';
import { judgeAccounts, readListed } from './accounts.ts';
import { createAsker, type Asker } from './asker.ts';
import { judgeBudget, judgeClocks } from './clock.ts';
import { checkConfiguration } from './configuration.ts';
import { checkCredentials } from './credentials.ts';
import { checkLocks, checkPrivileges, lookAtMigrations, reachDatabase, type Reached } from './database.ts';
import { ACCOUNT_CHECKS, CHECKS, exitOf, failedWith, skipped, type Check, type Line } from './lines.ts';
import { checkDistribution } from './distribution.ts';
import { judgePaging, judgeWalkTime, probePaging } from './paging.ts';
import { examined } from './many.ts';
import { createReport, type DoctorReport } from './print.ts';
import { checkReplication } from './replication.ts';
import { judgeSettings } from './server.ts';
import { checkSharedBudget } from './shared-budget.ts';
import { checkLookups, judgeAccount, probeAccounts, type AccountProbe } from './summary.ts';
import { accountOption, chooseAccounts, readLabels } from '../options/accounts.ts';
import { formatOption } from '../options/format.ts';
import { timezoneOption } from '../options/times.ts';
import type { OutputFormat } from '../../terminal/table.ts';

type Options = { account: string[]; offline: boolean; timezone?: string; format: OutputFormat };

export function doctorCommand(io: Io): Command {
  return new Command('doctor')
    .description('report what is wrong and how to fix it; changes nothing')
    .addOption(accountOption())
    .option('--offline', 'do not ask Cloudflare', false)
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption(undefined, 'how to print: check, status, account_id, found, mend'))
    .action(async (options: Options) => {
      const report = createReport(io, options.format);
      await examine(io, options, report);
      io.exit(exitOf(report.end()));
    });
}

async function examine(io: Io, options: Options, report: DoctorReport): Promise<void> {
  const accountGiven = options.account.length > 0;
  const { config, line } = checkConfiguration(io.source, { offline: options.offline, accountGiven });
  if (config === null) {
    report.add(line);
    return report.add(
      skipAll(
        CHECKS.filter((check) => check !== 'configuration' && check !== 'overall'),
        'the configuration is wrong',
      ),
    );
  }
  // A wrong --account is a usage error, not a finding, so it is reported before the first line.
  const isEvery = options.account.length === 0;
  if (isEvery) report.add(line);
  const logger = openLogger(io, config);
  const reached = await reachDatabase(io, config, logger);
  const pool = reached.database?.pool;
  const labels = async () => (pool === undefined ? [] : readLabels(pool).catch(() => []));
  const { asker, line: noClient } = openAsker(io, config, logger, options);
  try {
    const reading = await readListed(asker, config);
    const listed = reading === null ? undefined : async () => reading.ids;
    const chosen = await chooseAccounts(config, options.account, labels, listed);
    const timezone = options.timezone ?? config.sync.timezone;
    report.add(isEvery ? reached.line : [line, reached.line]);
    const { pool, why } = await examineDatabase(reached, report);
    const kept = pool === null ? null : await keptAccounts(pool);
    const all = chosen.length > 0 ? chosen : (kept ?? []);
    const { accountIds, line: ofMany } = isEvery
      ? await examined(pool, config, all)
      : { accountIds: all, line: null };
    const probes = asker === null ? [] : await probeAccounts(asker, accountIds);
    const credentials = noClient ?? (await checkCredentials(asker, config.cloudflare.auth!, probes));
    report.add(credentials);
    const { kind } = config.cloudflare.accountsFrom;
    const counts = { named: chosen.length, checked: accountIds.length, chosen: all.length };
    report.add(judgeAccounts({ from: kind, ...counts, reading, kept }));
    report.add(judgeClocks(asker?.clockMs() ?? null, reached.clockMs));
    const budget = asker === null ? skipped('rate_budget', noClient.found) : judgeBudget(asker.budgets());
    report.add(budget);
    if (ofMany) report.add(ofMany);
    for (const accountId of accountIds) {
      io.signal.throwIfAborted();
      const add = (lines: readonly Line[]) => report.add(lines.map((found) => ({ ...found, accountId })));
      const { known, line: unknown } =
        pool === null ? { known: null, line: null } : await examineAccount(pool, accountId);
      const probe = probes.find((p) => p.accountId === accountId);
      if (asker === null || probe === undefined) add(skipAll(SUMMARY_CHECKS, credentials.found));
      else add(await examineSummary(asker, config, probe, { credentials, budget }, known));
      if (pool === null) add(skipAll(ACCOUNT_CHECKS, why));
      else if (unknown !== null) add(ACCOUNT_CHECKS.map((check) => ({ ...unknown, check })));
      else add(await checkAccount(pool, config, { accountId, known }, timezone));
    }
  } finally {
    await asker?.close();
    await reached.database?.close();
  }
}

const SUMMARY_CHECKS = ['account', 'lookups', 'paging', 'walk_time'] as const satisfies readonly Check[];

function skipAll(checks: readonly Check[], why: string): Line[] {
  return checks.map((check) => skipped(check, why));
}

/** Without an asker, `line` says why. */
function openAsker(
  io: Io,
  config: Config,
  logger: Logger,
  { offline }: Options,
): { asker: Asker; line: null } | { asker: null; line: Line } {
  if (offline) return { asker: null, line: skipped('credentials', '--offline') };
  if (config.cloudflare.auth === null)
    return { asker: null, line: skipped('credentials', 'there are no credentials') };
  try {
    return { asker: createAsker(io, config, logger), line: null };
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    return { asker: null, line: failedWith('credentials', error) };
  }
}

/** `pool` is null when the tables cannot be checked; `why` says why. */
async function examineDatabase(
  { database, facts }: Reached,
  report: DoctorReport,
): Promise<{ pool: Pool | null; why: string }> {
  if (database === null || facts === null) {
    const why = 'the database cannot be reached';
    report.add(
      skipAll(
        ['settings', 'privileges', 'migrations', 'locks', 'replication', 'distribution', 'shared_budget'],
        why,
      ),
    );
    return { pool: null, why };
  }
  const { pool } = database;
  const migrations = await lookAtMigrations(pool);
  report.add(judgeSettings(facts));
  report.add(await checkPrivileges(pool, migrations.isBehind));
  report.add(migrations.line);
  report.add(await checkLocks(pool));
  report.add(await checkReplication(pool));
  report.add(
    migrations.isUsable ? await checkDistribution(pool) : skipped('distribution', migrations.line.found),
  );
  report.add(await checkSharedBudget(pool));
  return { pool: migrations.isUsable ? pool : null, why: 'the migrations must be right first' };
}

async function examineSummary(
  asker: Asker,
  config: Config,
  probe: AccountProbe,
  { credentials, budget }: { credentials: Line; budget: Line },
  known: ExaminedAccount | null,
): Promise<Line[]> {
  const { sync } = config;
  const account = judgeAccount(probe, credentials);
  const { page } = probe;
  if (page === null)
    return [account, ...skipAll(['lookups', 'paging', 'walk_time'], 'the risk summary could not be read')];
  // The few requests left are for a run, or for people at the dashboard.
  if (budget.status === 'warning')
    return [
      account,
      ...skipAll(['lookups', 'paging', 'walk_time'], 'few requests are left: see rate_budget'),
    ];
  const walks = known?.walks ?? [];
  const read = { ...probe, page };
  const lookups = await checkLookups(asker, read, sync.confirm);
  const paging = await probePaging(asker, read, sync.perPage);
  return 'check' in paging
    ? [account, lookups, paging, skipped('walk_time', 'it is not known how the server pages')]
    : [account, lookups, judgePaging(paging, walks), judgeWalkTime(paging, walks, sync)];
}
