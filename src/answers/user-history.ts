// The history of one user, found by id, or by email where the database role may read emails.
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { mayRead, type MayRead } from '../queries/health/may-read.ts';
import { levelPeriods } from '../queries/levels/level-periods.ts';
import { walksSince, type Walks } from '../queries/runs/walks-since.ts';
import { findUsers, type FoundUser } from '../queries/users/find-users.ts';
import { identityVersions, type IdentityVersion } from '../queries/users/identity-versions.ts';
import { lastLookup, type LastLookup } from '../queries/users/last-lookup.ts';
import { chooseHistories } from './choose-histories.ts';
import { identitiesDenied } from './identities-denied.ts';
import { timeline, type TimelineEvent } from './user-timeline.ts';

export type UserHistory = {
  user: FoundUser;
  /** The current email and name, if requested. */
  identity: IdentityVersion | null;
  events: readonly TimelineEvent[];
  /** Whether there are earlier events. */
  leftOut: boolean;
  lookup: LastLookup | null;
  may: MayRead;
  /** For a user who is absent now: the walks that did not meet them. */
  absentWalks: Walks | null;
};

export type HistoryOptions = {
  account?: string;
  /** At most this many of the newest events. */
  limit: number;
  /** Also the current email and name. */
  identities: boolean;
};

export async function userHistory(pool: Pool, who: string, options: HistoryOptions): Promise<UserHistory> {
  // Throws when the account is not known.
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

/** Without the right to read identities, the state still shows when the current one began. */
function newestRename(user: FoundUser): IdentityVersion[] {
  const isRenamed = Date.parse(user.identity_since) > Date.parse(user.first_seen_at);
  return isRenamed ? [{ valid_from: user.identity_since, email: null, name: null }] : [];
}

async function findOne(pool: Pool, who: string, options: HistoryOptions, may: MayRead): Promise<FoundUser> {
  const isId = UUID.test(who);
  if (!may.identities && (options.identities || !isId))
    throw isId
      ? identitiesDenied('The history can be shown without them', 'Leave --identities out')
      : identitiesDenied('A user can be found by id only', 'Give the user id');
  const found = await findUsers(pool, isId ? { userId: who } : { email: who }, options.account);
  const [user] = found;
  if (user === undefined) throw notFound(isId ? who.toLowerCase() : null, options.account);
  if (found.length > 1) throw ambiguous(found);
  return user;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// Repeats the input only when it is an id: an email must not reach a log.
function notFound(userId: string | null, accountId: string | undefined): OperatorError {
  return new OperatorError({
    code: 'USER_NOT_FOUND',
    happened: `No user with ${userId === null ? 'this email' : `the id ${userId}`} was ever met${accountId === undefined ? '' : ' in this account'}`,
    means: 'There is no history of this user; a user without a risk level is not in the summary',
    todo: 'Check the id: `select user_id from risk_bi.users` lists the known ids',
  });
}

function ambiguous(found: readonly FoundUser[]): OperatorError {
  const isSameUser = found.every((one) => one.user_id === found[0]?.user_id);
  const many = found.length === 10 ? '10 or more' : String(found.length);
  return new OperatorError({
    code: 'USER_AMBIGUOUS',
    happened: isSameUser
      ? `${many} accounts know this user: ${found.map((one) => one.account_id).join(', ')}`
      : `${many} users have or had this email: ${found.map((one) => `${one.user_id} in account ${one.account_id}`).join(', ')}`,
    means: 'It is not clear which history to show',
    todo: isSameUser
      ? 'Name an account with --account'
      : 'Give one of the user ids, with --account if needed',
  });
}
