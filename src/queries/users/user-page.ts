// Users over accounts as they are now, sorted, in pages.
import { sql, type SQL } from 'drizzle-orm';
import { RISK_LEVELS } from '../../user-risk.ts';
import { ofAccounts, type Question } from '../question.ts';

export type UserRow = {
  account_id: string;
  account_label: string;
  user_id: string;
  /** Null: cleared. */
  max_risk_level: string | null;
  level_since: string | null;
  event_count: number;
  last_event: string;
  first_seen_at: string;
  absent_since: string | null;
  cleared_at: string | null;
  /** Set if the person was erased: the id is then a random one. */
  erased_at: string | null;
};

export const STATES = ['present', 'high', 'medium', 'low', 'cleared', 'all'] as const;
export type State = (typeof STATES)[number];
export const SORTS = ['level', 'level_since', 'event_count', 'last_event', 'first_seen_at'] as const;
export type Sort = (typeof SORTS)[number];
export type Order = 'asc' | 'desc';

export type UsersFilter = {
  level: State;
  /** Only present users that the newest walks did not meet. */
  absent: boolean;
  /** Any of these ids. Null: no search. */
  search: { idRange: readonly [string, string] | null; ids: readonly string[] } | null;
};
export type UsersOrder = { sort: Sort; order: Order };
export type UserPageKey = readonly (string | number)[];

/** The first rows of a list: the gravest, the longest, the most, the newest. */
export const USUAL_ORDER: Readonly<Record<Sort, Order>> = {
  level: 'desc',
  level_since: 'asc',
  event_count: 'desc',
  last_event: 'desc',
  first_seen_at: 'desc',
};

const COLUMNS = sql`account_id, account_label, user_id, max_risk_level, level_since, event_count, last_event, first_seen_at,
             absent_since, cleared_at, erased_at`;

type Part = { by: SQL; type: SQL; of: (row: UserRow) => string | number };
const LAST_EVENT: Part = { by: sql`last_event`, type: sql`timestamptz`, of: (row) => row.last_event };
/** Bytes are compared twice as fast as texts with a language's collation. */
const TIES: readonly Part[] = [
  { by: sql`account_id collate "C"`, type: sql`text`, of: (row) => row.account_id },
  { by: sql`user_id`, type: sql`uuid`, of: (row) => row.user_id },
];
/** None of them is null, so that rows can be compared. */
const PARTS: Readonly<Record<Sort, readonly Part[]>> = {
  level: [
    { by: sql`coalesce(level_rank, 0)`, type: sql`int`, of: (row) => rankOf(row.max_risk_level) },
    LAST_EVENT,
  ],
  level_since: [
    {
      by: sql`coalesce(level_since, cleared_at)`,
      type: sql`timestamptz`,
      of: (row) => (row.level_since ?? row.cleared_at)!,
    },
  ],
  event_count: [{ by: sql`event_count`, type: sql`int`, of: (row) => row.event_count }],
  last_event: [LAST_EVENT],
  first_seen_at: [{ by: sql`first_seen_at`, type: sql`timestamptz`, of: (row) => row.first_seen_at }],
};

/** Like `level_rank`: 1 for the lowest level. 0: cleared. */
function rankOf(level: string | null): number {
  return RISK_LEVELS.findIndex((one) => one === level) + 1;
}

export function keyOfUser(sort: Sort): (row: UserRow) => UserPageKey {
  return (row) => [...PARTS[sort], ...TIES].map(({ of }) => of(row));
}

/**
 * `after`: the key of the last row of the page before. Users of retired accounts are left out, except if one is named.
 */
export function pageOfUsers(
  accountIds: readonly string[] | null,
  filter: UsersFilter,
  { sort, order }: UsersOrder,
  after: UserPageKey | null,
  most: number,
): Question<UserRow> {
  const parts = [...PARTS[sort], ...TIES];
  const direction = order === 'asc' ? sql` asc` : sql` desc`;
  const sorted = parts.map(({ by }) => sql`${by}${direction}`);
  return {
    statement: sql`
      select ${COLUMNS}
        from risk_bi.users
       where ${matching(accountIds, filter)}${atLevel(filter.level)}${beyond(parts, order, after)}
       order by ${sql.join(sorted, sql`, `)}
       limit ${most}::int`,
  };
}

/** One row for each of these accounts that knows the user. */
export function usersWithId(accountIds: readonly string[], userId: string): Question<UserRow> {
  return {
    statement: sql`
      select ${COLUMNS}
        from risk_bi.users
       where user_id = ${userId}::uuid and ${ofAccounts(accountIds)}
       order by account_id`,
  };
}

export type UserCount = { level: string; user_count: number };

/** Users at each level, and `cleared`. Ignores the level in the filter. */
export function userCounts(
  accountIds: readonly string[] | null,
  filter: Omit<UsersFilter, 'level'>,
): Question<UserCount> {
  return {
    statement: sql`
      select coalesce(max_risk_level, 'cleared') as level, count(*)::int as user_count
        from risk_bi.users
       where ${matching(accountIds, filter)}
       group by 1
       order by 1`,
  };
}

function matching(accountIds: readonly string[] | null, { absent, search }: Omit<UsersFilter, 'level'>): SQL {
  const parts = [accountIds === null ? sql`not is_account_retired` : ofAccounts(accountIds)];
  if (absent) parts.push(sql`absent_since is not null`);
  if (search !== null) parts.push(found(search));
  return sql.join(parts, sql` and `);
}

function atLevel(level: State): SQL {
  if (level === 'all') return sql``;
  if (level === 'present') return sql` and is_present`;
  return level === 'cleared' ? sql` and not is_present` : sql` and max_risk_level = ${level}`;
}

function found({ idRange, ids }: NonNullable<UsersFilter['search']>): SQL {
  const ways: SQL[] = [];
  if (idRange !== null) ways.push(sql`user_id between ${idRange[0]}::uuid and ${idRange[1]}::uuid`);
  const listed = ids.map((id) => sql`${id}`);
  if (ids.length > 0) ways.push(sql`user_id in (${sql.join(listed, sql`, `)})`);
  return ways.length === 0 ? sql`false` : sql`(${sql.join(ways, sql` or `)})`;
}

function beyond(parts: readonly Part[], order: Order, after: UserPageKey | null): SQL {
  if (after === null) return sql``;
  const keys = parts.map(({ by }) => by);
  const values = parts.map(({ type }, nth) => sql`${after[nth]}::${type}`);
  const sign = order === 'asc' ? sql`>` : sql`<`;
  return sql`
         and (${sql.join(keys, sql`, `)}) ${sign} (${sql.join(values, sql`, `)})`;
}
