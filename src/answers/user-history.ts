// The history of one person in every account, found by id, or by email if the database role may read emails.
import type { Db } from '../db/handle.ts';
import { OperatorError } from '../errors.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { mayRead, type MayRead } from '../queries/health/may-read.ts';
import { wholeSince, type WholeSince } from '../queries/accounts/whole-since.ts';
import { levelPeriods } from '../queries/levels/level-periods.ts';
import { walksSince, type Walks } from '../queries/runs/walks-since.ts';
import { findUsers, MOST_FOUND, type FoundUser } from '../queries/users/find-users.ts';
import { identityVersions, type IdentityVersion } from '../queries/users/identity-versions.ts';
import { createPersonSearch } from '../queries/users/person-search.ts';
import { lastLookup, type LastLookup } from '../queries/users/last-lookup.ts';
import { NO_IDENTITY } from '../user-risk.ts';
import { chooseHistories } from './choose-histories.ts';
import { idRangeOf } from './id-range.ts';
import { identitiesDenied } from './identities-denied.ts';
import { keyNeeded } from './pii-key-needed.ts';
import { renamesOf, timeline, type Rename, type TimelineEvent } from './user-timeline.ts';

export type UserHistory = {
  user: FoundUser;
  /** The current email and name, if requested. */
  identity: IdentityVersion | null;
  events: readonly TimelineEvent[];
  /** Whether there are earlier events. */
  leftOut: boolean;
  lookup: LastLookup | null;
  /** Older events were deleted, in the parts that this history shows. */
  whole: readonly WholeSince[];
  may: MayRead;
  /** For a user who is absent now: the walks that did not meet the user. */
  absentWalks: Walks | null;
};

export type HistoryOptions = {
  /** Ids or labels; empty: all accounts. */
  account: readonly string[];
  /** At most this many of the newest events of each account. */
  limit: number;
  /** Also the current email and name. */
  identities: boolean;
  /** PII_KEY: with it, a person can be found even if the email is kept as a hash. */
  piiKey?: string | null;
};

/**
 * One history for each account that knows the user, in the order in which the accounts were added. `who`: an id, the
 * beginning of one, or an email. Throws USER_NOT_FOUND, USER_AMBIGUOUS, IDENTITIES_DENIED, ACCOUNT_UNKNOWN,
 * ACCOUNT_AMBIGUOUS, PII_KEY_NEEDED.
 */
export async function userHistories(db: Db, who: string, options: HistoryOptions): Promise<UserHistory[]> {
  const accounts = await chooseHistories(db, options.account);
  const may = await mayRead(db);
  const users = await findPerson(db, who, accounts, options, may);
  const histories: UserHistory[] = [];
  for (const user of users) histories.push(await historyOf(db, user, options, may));
  return histories;
}

async function historyOf(
  db: Db,
  user: FoundUser,
  options: HistoryOptions,
  may: MayRead,
): Promise<UserHistory> {
  const periods = await levelPeriods(db, user, options.limit + 1);
  const versions = may.identities ? await identityVersions(db, user) : null;
  const lookup = may.lookups ? await lastLookup(db, user) : null;
  const events = timeline({
    periods,
    renames: versions === null ? newestRename(user) : renamesOf(versions),
    lookup,
    erasedAt: user.erased_at,
  });
  return {
    user,
    identity: options.identities ? (versions?.at(-1) ?? null) : null,
    events: events.slice(-options.limit),
    leftOut: events.length > options.limit,
    lookup,
    whole: await wholeSince(db, user.account_key),
    may,
    absentWalks:
      user.absent_since === null ? null : await walksSince(db, user.account_key, user.absent_since),
  };
}

/** Without the right to read identities, the state still shows when the current one began. */
function newestRename(user: FoundUser): Rename[] {
  const isRenamed = Date.parse(user.identity_since) > Date.parse(user.first_seen_at);
  return isRenamed ? [{ valid_from: user.identity_since, ...NO_IDENTITY, renamed: null }] : [];
}

/** The same person in one account or several. */
async function findPerson(
  db: Db,
  who: string,
  accounts: readonly KnownAccount[],
  options: HistoryOptions,
  may: MayRead,
): Promise<FoundUser[]> {
  const idRange = idRangeOf(who);
  if (!may.identities && (options.identities || idRange === null))
    throw idRange === null
      ? identitiesDenied('A user can be found by id only', 'Give the user id, or the beginning of it')
      : identitiesDenied('The history can be shown without them', 'Leave --identities out');
  const keys = accounts.map(({ account_key }) => account_key);
  const email = createPersonSearch(who, options.piiKey ?? null);
  const found = await findUsers(db, idRange === null ? { email } : { idRange }, keys);
  if (found.length === 0 && email.met().locked) throw keyNeeded(options.piiKey ?? null);
  if (found.length === 0)
    throw notFound(idRange === null ? null : who.toLowerCase(), options.account.length > 0);
  const ids = new Set(found.map((user) => user.user_id));
  const inAccounts = new Set(found.map((user) => user.account_key));
  // An id belongs to one person. For an email, an account may know two.
  if (idRange === null ? inAccounts.size < found.length : ids.size > 1)
    throw ambiguous(found, idRange === null ? 'have or had this email' : 'have an id that begins like this');
  return found;
}

// Repeats the input only if it is an id: an email must not reach a log.
function notFound(id: string | null, isNarrowed: boolean): OperatorError {
  const what =
    id === null
      ? 'with this email or id'
      : id.length < 32
        ? `whose id begins with ${id}`
        : `with the id ${id}`;
  return new OperatorError({
    code: 'USER_NOT_FOUND',
    happened: `No user ${what} was ever met${isNarrowed ? ' in the accounts given with --account' : ''}`,
    means: 'There is no history of this user; a user without a risk level is not in the summary',
    todo: 'Look for the user with `zt-risk-sync users --search <beginning of the id>`; with --identities it also searches emails and names',
  });
}

const MOST_NAMED = 10;

function ambiguous(found: readonly FoundUser[], what: string): OperatorError {
  const many = found.length >= MOST_FOUND ? `${MOST_FOUND} or more` : String(found.length);
  const accounts = new Set(found.map((one) => one.account_id));
  const inAccount = (one: FoundUser) => (accounts.size === 1 ? '' : ` in account ${one.account_id}`);
  const named = found.slice(0, MOST_NAMED).map((one) => `${one.user_id}${inAccount(one)}`);
  const where = accounts.size === 1 ? ` in account ${[...accounts].join()}` : '';
  return new OperatorError({
    code: 'USER_AMBIGUOUS',
    happened: `${many} users${where} ${what}: ${named.join(', ')}${found.length > MOST_NAMED ? ', …' : ''}`,
    means: 'It is not clear which history to show',
    todo: 'Give one of the user ids, or more of its digits; `zt-risk-sync users --search` lists users',
  });
}
