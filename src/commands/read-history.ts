// What the commands that ask the history have in common: a database that may be read with a role for readers, its clock, and
// the accounts that are meant.
import { InvalidArgumentError, Option } from 'commander';
import { readConfig, type Config } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import { databaseError } from '../db/database-errors.ts';
import { requireMigrated } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { knownAccounts, type KnownAccount } from '../queries/accounts/known-accounts.ts';
import { isTimeZone } from '../time/schedule.ts';
import { printable } from '../terminal/print.ts';
import { parseWhen, WHEN_HELP } from '../time/when.ts';

export async function withHistory(
  io: Io,
  work: (pool: Pool, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig(io.source);
  const database = await openDatabase(io, config, openLogger(io, config), 'leave');
  try {
    await requireMigratedIfTold(database.pool);
    await work(database.pool, config);
  } finally {
    await database.close();
  }
}

/** A role for reading may not see which migrations were applied: then the history itself must do. */
async function requireMigratedIfTold(pool: Pool): Promise<void> {
  try {
    await requireMigrated(pool);
  } catch (error) {
    if (databaseError(error)?.code !== 'DATABASE_PERMISSION') throw error;
  }
}

export const NO_ACCOUNT = 'No account was ever synced here. Start with: zt-risk-sync sync\n';

/** Those that are wanted, in the order in which they were added; empty in a database that has none at all. */
export async function chooseHistories(pool: Pool, accountId: string | undefined): Promise<KnownAccount[]> {
  const known = await knownAccounts(pool);
  if (accountId === undefined || known.length === 0) return known;
  const chosen = known.filter((account) => account.account_id === accountId);
  if (chosen.length === 0) {
    throw accountUnknown();
  }
  return chosen;
}

export function accountUnknown(): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    exit: EXIT.failed,
    happened: 'No history is kept of the account that --account names',
    means: 'There is nothing to show of it',
    todo: 'Run `zt-risk-sync accounts` for the ones there are',
  });
}

/** Without those that were retired by then, unless one is named: nobody looked any more. */
export function livingAt(
  accounts: readonly KnownAccount[],
  at: Date,
  accountId: string | undefined,
): KnownAccount[] {
  return accounts.filter(
    (account) => accountId !== undefined || account.retired_at === null || account.retired_at > at,
  );
}

/** No account has a snapshot so early. */
export function beforeHistory(name: string, at: Date, accounts: readonly KnownAccount[]): OperatorError {
  const firsts = accounts.flatMap(({ first_at }) => (first_at === null ? [] : [first_at.getTime()]));
  return new OperatorError({
    code: 'BEFORE_HISTORY',
    exit: EXIT.failed,
    happened: `${name} is ${at.toISOString()}, and there is no snapshot so early`,
    means:
      firsts.length === 0
        ? 'There is no snapshot at all yet'
        : `The history begins at ${new Date(Math.min(...firsts)).toISOString()}`,
    todo: firsts.length === 0 ? 'Make one with `zt-risk-sync sync`' : 'Give a time from then on',
  });
}

export function accountName({ account_id, label }: KnownAccount): string {
  return printable(label === null ? account_id : `${account_id} (${label})`);
}

export function timezoneOption(what: string): Option {
  return new Option('--timezone <zone>', `${what} (default: SYNC_TIMEZONE)`).argParser((text) => {
    if (!isTimeZone(text)) throw new InvalidArgumentError('must be a time zone such as Europe/Berlin.');
    return text;
  });
}

/** Of an argument or option: what parseWhen can read. What it means is known once the database has told its time. */
export function readableTime(text: string): string {
  if (parseWhen(text, SOME_TIME)?.kind !== 'instant') throw new InvalidArgumentError(`must be ${WHEN_HELP}.`);
  return text;
}

export function readableTimeOrSnapshot(text: string): string {
  if (parseWhen(text, SOME_TIME) === null)
    throw new InvalidArgumentError(`must be ${WHEN_HELP}, or the id of a snapshot.`);
  return text;
}

const SOME_TIME = { now: new Date(0), timezone: 'UTC' };

/** Of a text that readableTime has let pass. Throws TIME_IN_FUTURE. */
export function timeOf(name: string, text: string, clock: { now: Date; timezone: string }): Date {
  const when = parseWhen(text, clock);
  if (when?.kind !== 'instant') throw new Error(`${name} was not checked`);
  if (when.at > clock.now) {
    throw new OperatorError({
      code: 'TIME_IN_FUTURE',
      exit: EXIT.usage,
      happened: `${name} is ${when.at.toISOString()}, and the database's clock reads ${clock.now.toISOString()}`,
      means: 'Nobody knows yet what will be then',
      todo: `Give a time that has passed; one without an offset is of ${clock.timezone} (--timezone)`,
    });
  }
  return when.at;
}
