// `privacy apply`: rewrites the stored emails and names as PII_MODE and PII_KEY require.
import { Command, Option } from 'commander';
import { NO_ACCOUNT } from '../answers/choose-histories.ts';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createPiiPolicy } from '../pii-policy.ts';
import { knownAccounts } from '../queries/accounts/known-accounts.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { askYesNo } from '../terminal/ask.ts';
import { inputOf } from '../terminal/input.ts';
import { appliedColumns, appliedLine, type AppliedAccount } from '../terminal/print/upkeep/print-privacy.ts';
import { createProgress } from '../terminal/progress.ts';
import { printRows } from '../terminal/table.ts';
import { wrap, widthOf } from '../terminal/wrap.ts';
import { applyMode, previewMode } from '../upkeep/privacy/apply-mode.ts';
import type { TargetMode } from '../upkeep/privacy/change-mode.ts';
import { cleanUp } from '../upkeep/privacy/clean-up.ts';
import { plural } from '../words.ts';

type Options = { dryRun: boolean; dropOldHashes: boolean; yes: boolean; format: 'table' | 'json' };

export function privacyApplyCommand(io: Io): Command {
  return new Command('apply')
    .description('rewrite the emails and names that are kept, as PII_MODE and PII_KEY say')
    .option('--dry-run', 'say what would be rewritten, change nothing', false)
    .option('--drop-old-hashes', 'with a new PII_KEY: also remove the hashes of earlier keys', false)
    .option('--yes', 'on a terminal: do not ask', false)
    .addOption(new Option('--format <format>', 'output format').choices(['table', 'json']).default('table'))
    .addHelpText('after', HELP)
    .action(async (options: Options) => {
      const config = readConfig(io.source, ['pii']);
      const logger = openLogger(io, config);
      const policy = createPiiPolicy(config.pii.mode, config.pii.key);
      const database = await openDatabase(io, config, logger, 'refuse');
      try {
        const target = { ...policy, dropOldHashes: options.dropOldHashes };
        await apply(io, { pool: database.pool, logger }, target, options);
      } finally {
        await database.close();
      }
    });
}

const HELP = `
Every account of the database is brought into line, in short transactions. From
the first one to the last one, no run of the account starts (IDENTITY_MODE). A
call that was stopped or killed is completed by the next one.

On a terminal, it asks before it removes anything. With any answer but yes,
nothing changes, and it exits 1.

Hashes and removed names cannot be turned back. PII_MODE=full keeps what comes
from then on. Backups and exports that were made before are not changed.

  PII_MODE=pseudonymous zt-risk-sync privacy apply --dry-run
  PII_MODE=none zt-risk-sync privacy apply`;

type Deps = { pool: Pool; logger: Logger };
type Account = AppliedAccount & { key: number };

async function apply(io: Io, deps: Deps, target: TargetMode, options: Options): Promise<void> {
  const accounts = await preview(io, deps.pool, target);
  if (accounts.length === 0 && options.format === 'table') return void io.stdout.write(NO_ACCOUNT);
  if (options.dryRun) return print(io, accounts, options);
  const due = accounts.filter(({ changed }) => changed);
  if (!(await isAgreed(io, due, target, options))) {
    io.stderr.write('Nothing was changed.\n');
    return io.exit(EXIT.failed);
  }
  for (const account of due) {
    io.signal.throwIfAborted();
    Object.assign(account, await applyOne(io, deps, account, target));
  }
  if (due.length > 0 && target.mode !== 'full' && !(await cleanUp(deps.pool)))
    io.stderr.write('VACUUM was refused: old versions stay in the files of the tables until the next one\n');
  print(io, accounts, options);
}

async function preview(io: Io, pool: Pool, target: TargetMode): Promise<Account[]> {
  const accounts: Account[] = [];
  for (const { account_key: key, account_id, label } of await knownAccounts(pool)) {
    io.signal.throwIfAborted();
    const found = await previewMode(pool, key, target);
    accounts.push({ key, account_id, label, mode: target.mode, ...found, rejected: 0 });
  }
  return accounts;
}

/**
 * On a terminal, the command asks before steps that cannot be undone. Elsewhere the command itself counts as consent.
 */
async function isAgreed(
  io: Io,
  due: readonly Account[],
  { mode }: TargetMode,
  { yes }: Options,
): Promise<boolean> {
  const { isTTY } = inputOf(io);
  if (yes || isTTY !== true || due.length === 0 || mode === 'full') return true;
  const count = due.reduce((sum, { identities }) => sum + identities, 0);
  const what = `${plural(count, 'version')} of email and name in ${plural(due.length, 'account')}`;
  const become = mode === 'none' ? 'will be removed' : 'will become hashes';
  const text = `${what} ${become}. Rejected records that were kept as served will be deleted. This cannot be undone.`;
  io.stderr.write(`${wrap(text, 0, widthOf(io))}\n`);
  return askYesNo(io, 'Continue?');
}

async function applyOne(
  io: Io,
  { pool, logger }: Deps,
  { key, account_id, label }: Account,
  target: TargetMode,
): Promise<Partial<AppliedAccount>> {
  const name = label ?? account_id;
  const bar = createProgress({ stderr: io.stderr, logger });
  let isTold = false;
  try {
    return await applyMode(
      { pool, timing: LEASE_TIMING },
      {
        accountKey: key,
        target,
        signal: io.signal,
        onProgress: (done, total) =>
          bar.to(done, total, () => `${name}: ${plural(done, 'identity', 'identities')} rewritten`),
        onBusy({ runId }) {
          if (!isTold) io.stderr.write(`Waiting for run ${runId} of account ${name}\n`);
          isTold = true;
        },
      },
    );
  } catch (error) {
    throw io.signal.aborted ? interrupted(io.signal.reason as OperatorError) : error;
  } finally {
    bar.end();
  }
}

function interrupted(reason: OperatorError): OperatorError {
  return new OperatorError({
    ...reason,
    happened: reason.happened,
    means: 'The change is not complete. Until it is, no run of the account starts',
    todo: 'Run `zt-risk-sync privacy apply` again: it continues where it stopped',
  });
}

function print(io: Io, accounts: readonly Account[], { dryRun, format }: Options): void {
  if (format === 'json') {
    const columns = appliedColumns.map((name) => ({ name }));
    const rows = accounts.map((one) => appliedColumns.map((name) => one[name]));
    return printRows(io.stdout, 'json', columns, rows);
  }
  for (const account of accounts) io.stdout.write(`${wrap(appliedLine(account, dryRun), 2, widthOf(io))}\n`);
}
