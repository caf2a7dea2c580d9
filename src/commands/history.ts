// `history <user>`: what became of one user, in words.
import { Command } from 'commander';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { findUsers, type FoundUser } from '../queries/users/find-users.ts';
import { identityVersions, type IdentityVersion } from '../queries/users/identity-versions.ts';
import { lastLookup } from '../queries/users/last-lookup.ts';
import { levelPeriods } from '../queries/levels/level-periods.ts';
import { mayRead, type MayRead } from '../queries/health/may-read.ts';
import { walksSince } from '../queries/runs/walks-since.ts';
import { printHistory, type UserHistory } from '../terminal/print-history.ts';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import type { Format } from '../terminal/table.ts';
import { chooseHistories } from '../answers/choose-histories.ts';
import { withHistory } from './options/with-history.ts';
import { timeline } from '../answers/user-timeline.ts';

type Options = { account?: string; limit: number; identities: boolean; format: Format };

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function historyCommand(io: Io): Command {
  return new Command('history')
    .description('one user over time: levels, clearings and why, returns, renames')
    .argument('<user>', 'a user id, or an email when the database role may read emails')
    .option('--account <id>', 'in this account')
    .option('--identities', 'show email and name', false)
    .option('--limit <n>', 'the newest events only', wholeNumber(1, 1_000_000), 100)
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
  zt-risk-sync history 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  zt-risk-sync history ada@example.com --identities
  zt-risk-sync history ada@example.com --format csv > ada.csv`,
    )
    .action((who: string, options: Options) =>
      withHistory(io, async (pool) =>
        printHistory(io.stdout, await readHistory(pool, who, options), options),
      ),
    );
}

async function readHistory(pool: Pool, who: string, options: Options): Promise<UserHistory> {
  // Throws where the account is not known.
  await chooseHistories(pool, options.account);
  const may = await mayRead(pool);
  const user = await findOne(pool, who, options, may);
  const periods = await levelPeriods(pool, user, options.limit + 1);
  const versions = may.identities ? await identityVersions(pool, user) : null;
  const lookup = may.lookups ? await lastLookup(pool, user) : null;
  const events = timeline({
    periods,
    renames: versions === null ? newestRename(user) : versions.slice(1),
    lookup,
  });
  return {
    user,
    identity: options.identities ? (versions?.at(-1) ?? null) : null,
    events: events.slice(-options.limit),
    leftOut: events.length > options.limit,
    lookup,
    may,
    absentWalks:
      user.absent_since === null ? null : await walksSince(pool, user.account_key, user.absent_since),
  };
}

/** Without the right to read identities, the state still tells when the current one began. */
function newestRename(user: FoundUser): IdentityVersion[] {
  const isRenamed = Date.parse(user.identity_since) > Date.parse(user.first_seen_at);
  return isRenamed ? [{ valid_from: user.identity_since, email: null, name: null }] : [];
}

async function findOne(pool: Pool, who: string, options: Options, may: MayRead): Promise<FoundUser> {
  const isId = UUID.test(who);
  if (!may.identities && (options.identities || !isId))
    throw isId
      ? identitiesDenied('The history can be shown without them', 'Leave --identities out')
      : identitiesDenied('Only a user id finds a user', 'Give the user id');
  const found = await findUsers(pool, isId ? { userId: who } : { email: who }, options.account);
  const [user] = found;
  if (user === undefined) throw notFound(isId ? who.toLowerCase() : null, options.account);
  if (found.length > 1) throw ambiguous(found);
  return user;
}

// What was typed is not repeated unless it is an id: an email must not reach a log.
function notFound(userId: string | null, accountId: string | undefined): OperatorError {
  return new OperatorError({
    code: 'USER_NOT_FOUND',
    exit: EXIT.failed,
    happened: `No user with ${userId === null ? 'this email' : `the id ${userId}`} was ever met${accountId === undefined ? '' : ' in this account'}`,
    means: 'There is no history of them; a user without a risk level does not appear in the summary',
    todo: 'Check the id: `select user_id from risk_bi.users` lists the ones there are',
  });
}

function ambiguous(found: readonly FoundUser[]): OperatorError {
  const isSameUser = found.every((one) => one.user_id === found[0]?.user_id);
  const many = found.length === 10 ? '10 or more' : String(found.length);
  return new OperatorError({
    code: 'USER_AMBIGUOUS',
    exit: EXIT.failed,
    happened: isSameUser
      ? `${many} accounts know this user: ${found.map((one) => one.account_id).join(', ')}`
      : `${many} users have or had this email: ${found.map((one) => `${one.user_id} in account ${one.account_id}`).join(', ')}`,
    means: 'Which history is meant cannot be told',
    todo: isSameUser
      ? 'Name an account with --account'
      : 'Give one of the user ids, with --account where it is needed',
  });
}
