// What the page of users says: the users of a search, at each level or at one, sorted.
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import { answerTo, type Question } from '../../queries/question.ts';
import { namesOf } from '../../queries/users/names-of.ts';
import { createPersonSearch } from '../../queries/users/person-search.ts';
import { searchIdentities } from '../../queries/users/search-identities.ts';
import {
  SORTS,
  STATES,
  USUAL_ORDER,
  userCounts,
  pageOfUsers,
  type State,
  type UserPageKey,
  type UserRow,
  type UsersFilter,
  type UsersOrder,
} from '../../queries/users/user-page.ts';
import { plural } from '../../words.ts';
import { idRangeOf } from '../id-range.ts';
import { searchLimits } from '../pii-key-needed.ts';
import { idsOf, type Scope } from '../scope.ts';
import { chosenOf } from './chosen.ts';
import type { Identity } from '../../user-risk.ts';

/** The maximum number of users that a text may find in emails and names: a statement lists their ids. */
const MOST_FOUND = 1_000;

export type UsersAsked = {
  level: State;
  absent: boolean;
  order: UsersOrder;
  /** The beginning of an id; with `identities` also a part of an email or name. Empty: all users. */
  text: string;
  after: UserPageKey | null;
  most: number;
  identities: boolean;
  /** PII_KEY: with it, hashes can be searched for a whole email or name. */
  piiKey?: string | null;
};

export type UsersPage = UsersAsked & {
  question: Question<UserRow>;
  rows: UserRow[];
  /** Counts with the other filters, but for every level. */
  counts: Readonly<Record<State, number>>;
  /**
   * refused: the text cannot be the beginning of an id, and emails and names may not be searched. cut: it finds too
   * many users.
   */
  search: 'done' | 'refused' | 'cut';
  /** What the search could not see, as a sentence without a full stop. */
  limits: string | null;
  /** Only if the request asked for them. */
  names: ReadonlyMap<string, Identity>;
};

export async function usersPageOf(db: Db, scope: Scope, asked: UsersAsked): Promise<UsersPage> {
  const ids = idsOf(scope);
  const { search, filter, limits } = await filterOf(db, scope, asked);
  const question = pageOfUsers(ids, filter, asked.order, asked.after, asked.most);
  const rows = await answerTo(db, question);
  const levels = await answerTo(db, userCounts(ids, filter));
  return {
    ...asked,
    question,
    rows,
    counts: sums(new Map(levels.map(({ level, user_count }) => [level, user_count]))),
    search,
    limits,
    names: asked.identities ? await namesOf(db, rows) : new Map(),
  };
}

async function filterOf(
  db: Db,
  { accounts }: Scope,
  { level, absent, text, identities, piiKey = null }: UsersAsked,
): Promise<Pick<UsersPage, 'search' | 'limits'> & { filter: UsersFilter }> {
  if (text === '') return { search: 'done', limits: null, filter: { level, absent, search: null } };
  const idRange = idRangeOf(text);
  if (!identities)
    return {
      search: idRange === null ? 'refused' : 'done',
      limits: null,
      filter: { level, absent, search: { idRange, ids: [] } },
    };
  const keys = accounts.map(({ account_key }) => account_key);
  const person = createPersonSearch(text, piiKey);
  const { ids, count } = await searchIdentities(db, person, keys, MOST_FOUND);
  return {
    search: count > MOST_FOUND ? 'cut' : 'done',
    limits: searchLimits(person.met()),
    filter: { level, absent, search: { idRange, ids } },
  };
}

function sums(counts: ReadonlyMap<string, number>): Record<State, number> {
  const of = (level: string) => counts.get(level) ?? 0;
  const present = of('high') + of('medium') + of('low');
  return {
    present,
    high: of('high'),
    medium: of('medium'),
    low: of('low'),
    cleared: of('cleared'),
    all: present + of('cleared'),
  };
}

type Text = (name: string) => string | null | undefined;

/** Pure. Throws SCOPE_INVALID. */
export function usersAskedOf(text: Text): Pick<UsersAsked, 'level' | 'absent' | 'order' | 'text'> {
  const sort = chosenOf('sort', text('sort'), SORTS) ?? 'level';
  return {
    level: chosenOf('level', text('level'), STATES) ?? 'present',
    absent: chosenOf('absent', text('absent'), ['yes']) !== null,
    order: { sort, order: chosenOf('order', text('order'), ['asc', 'desc']) ?? USUAL_ORDER[sort] },
    text: (text('q') ?? '').trim(),
  };
}

/** For programs, which cannot be shown a page that explains it. */
export function searchRefused(search: 'refused' | 'cut'): OperatorError {
  if (search === 'cut')
    return new OperatorError({
      code: 'SCOPE_INVALID',
      happened: `The parameter q finds more than ${MOST_FOUND.toLocaleString('en-US')} users`,
      means: 'The list would lack the others',
      todo: 'Give more of the text',
    });
  return new OperatorError({
    code: 'SEARCH_NEEDS_IDENTITIES',
    happened: 'The text is not the beginning of a user id',
    means: 'Emails and names are searched only for those who may see them',
    todo: 'Give the beginning of a user id, or ask an administrator for the right to see emails and names',
  });
}

/** "12,345 users are present: 6 at high, 41 at medium, 12,298 at low." Pure. */
export function usersHeadline({ counts, text, absent, search }: UsersPage): string {
  if (search === 'refused') return 'Emails and names cannot be searched.';
  const some = (count: number) => count.toLocaleString('en-US');
  const { present, cleared, high, medium, low } = counts;
  const are = present === 1 ? 'user is' : 'users are';
  if (absent && text === '')
    return present === 0
      ? 'Nobody is absent: the newest walks met every present user.'
      : `${some(present)} ${are} absent: present, and not met by the newest walks.`;
  if (text !== '')
    return counts.all === 0 ? 'No user fits.' : `${plural(counts.all, 'user fits', 'users fit')}.`;
  if (counts.all === 0) return 'No user was ever met.';
  if (present === 0) return `Nobody is present; ${some(cleared)} were cleared.`;
  return `${some(present)} ${are} present: ${some(high)} at high, ${some(medium)} at medium, ${some(low)} at low.`;
}
