// The requested users of each account, now or at an earlier time.
import type { Db } from '../db/handle.ts';
import { beyondRetention, OperatorError } from '../errors.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { wholeSince } from '../queries/accounts/whole-since.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { snapshotAt, type SnapshotAt } from '../queries/snapshots/snapshot-at.ts';
import { listUsers, type ListedUser, type UserSort } from '../queries/users/list-users.ts';
import {
  createPersonSearch,
  type SearchedIdentities,
  type PersonSearch,
} from '../queries/users/person-search.ts';
import { RISK_LEVELS } from '../user-risk.ts';
import { beforeHistory, chooseHistories, livingAt } from './choose-histories.ts';
import { idRangeOf } from './id-range.ts';
import { identitiesDenied } from './identities-denied.ts';

export type UserListFilter = {
  /** Levels, or `cleared`; empty: all levels. */
  level: readonly string[];
  sort: UserSort;
  search?: string;
  /** The maximum number of users per account. Null: all. */
  limit: number | null;
  /** Ids or labels; empty: all accounts. */
  account: readonly string[];
  /** Also read email and name, and search them. */
  identities: boolean;
  /** Null for now. */
  asOf: Date | null;
  /** PII_KEY: with it, hashes can be searched for a whole email or name. */
  piiKey?: string | null;
};

export type UserList = {
  account: KnownAccount;
  snapshot: SnapshotAt;
  /** The number of all matching users, even beyond the limit. */
  total: number;
  rows: ListedUser[];
};

export type UserLists = {
  lists: UserList[];
  /** Accounts whose first snapshot is later. */
  without: KnownAccount[];
  known: KnownAccount[];
  /** The accounts of `known` that were synced at that time. */
  accounts: KnownAccount[];
  /** The time of the lists: `asOf`, or the database's clock. */
  at: Date;
  /** How the searched emails and names were kept. Null if none were searched. */
  met: Readonly<SearchedIdentities> | null;
};

/**
 * Throws AS_OF_CLEARED, SEARCH_NEEDS_IDENTITIES, IDENTITIES_DENIED, ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS, BEFORE_HISTORY.
 */
export async function userLists(db: Db, filter: UserListFilter): Promise<UserLists> {
  const { identities, asOf } = filter;
  if (asOf !== null && filter.level.includes('cleared')) throw asOfCleared();
  const search = searchOf(filter.search, identities, filter.piiKey ?? null);
  if (identities && !(await mayRead(db)).identities)
    throw identitiesDenied('Users can be listed without them', 'Leave --identities out');
  const at = asOf ?? (await databaseNow(db));
  const known = await chooseHistories(db, filter.account);
  const accounts = livingAt(known, at, filter.account);
  const lists: UserList[] = [];
  const without: KnownAccount[] = [];
  for (const account of accounts) {
    const snapshot = await snapshotAt(db, account.account_key, at);
    if (snapshot === null) {
      without.push(account);
      continue;
    }
    const { account_key, account_id } = account;
    if (asOf !== null && identities) await requireIdentities(db, account_key, snapshot.observed_at);
    const listed = await listUsers(db, {
      account_key,
      account_id,
      levels: levelsOf(filter.level),
      ...search,
      identities,
      sort: filter.sort,
      limit: filter.limit,
      asOf: asOf === null ? null : snapshot.observed_at.toISOString(),
    });
    lists.push({ account, snapshot, ...listed });
  }
  if (lists.length === 0 && asOf !== null && accounts.length > 0)
    throw beforeHistory('--as-of', at, accounts);
  return { lists, without, known, accounts, at, met: search.search?.met() ?? null };
}

/** Null means cleared. */
function levelsOf(wanted: readonly string[]): (string | null)[] {
  const levels = wanted.length === 0 ? RISK_LEVELS : wanted;
  return levels.map((level) => (level === 'cleared' ? null : level));
}

/** Turns the search text into a range of ids and a text for email and name. Throws SEARCH_NEEDS_IDENTITIES. */
function searchOf(
  text: string | undefined,
  identities: boolean,
  piiKey: string | null,
): { idRange: [string, string] | null; search: PersonSearch | null } {
  if (text === undefined || text === '') return { idRange: null, search: null };
  const idRange = idRangeOf(text);
  if (idRange === null && !identities) {
    throw new OperatorError({
      code: 'SEARCH_NEEDS_IDENTITIES',
      happened: 'The text of --search is not the beginning of a user id',
      means: 'Emails and names are searched only with --identities',
      todo: 'Add --identities, or give the beginning of a user id',
    });
  }
  return { idRange, search: identities ? createPersonSearch(text, piiKey) : null };
}

export function asOfCleared(): OperatorError {
  return new OperatorError({
    code: 'AS_OF_CLEARED',
    happened: '--as-of cannot list cleared users',
    means: 'For an earlier time, only the users who were present then are known',
    todo: 'Leave out --level cleared; `zt-risk-sync diff` shows who was cleared since then',
  });
}

/** The database function that lists users at an earlier time knows no emails and names. */
async function requireIdentities(db: Db, accountKey: number, at: Date): Promise<void> {
  const found = (await wholeSince(db, accountKey)).find(({ part }) => part === 'identities');
  if (found !== undefined && at < found.since) throw beyondRetention(found.since.toISOString());
}
