// Users of one account with their state, now or as of a snapshot. Emails and names are read only on request.
import { sql, type SQL } from 'drizzle-orm';
import { levelRank } from '../../db/sql/level-rank.ts';
import { on, type Db } from '../../db/handle.ts';
import {
  accounts as k,
  snapshots as n,
  userIdentities as i,
  userLevels as l,
  users as u,
} from '../../db/schema.ts';
import { columnList } from '../../db/sql/column-names.ts';
import { fieldColumns, identityList } from '../../db/sql/user-columns.ts';
import { mapIdentity, type Identity } from '../../user-risk.ts';
import { matchIdentities } from './match-identities.ts';
import type { PersonSearch } from './person-search.ts';

export const USER_SORTS = ['level', 'events', 'last-event', 'since', 'first-seen'] as const;
export type UserSort = (typeof USER_SORTS)[number];

/** The identity is also null when identities were not requested, because then it is not read. */
export type ListedUser = Identity & {
  user_id: string;
  /** Null: cleared. */
  max_risk_level: string | null;
  event_count: number;
  /** To the microsecond, ISO 8601. */
  last_event: string;
  level_since: string | null;
  first_seen_at: string;
  absent_since: string | null;
  cleared_at: string | null;
  /** Set if the person was erased: the id is then a random one. */
  erased_at: string | null;
  /** The newest snapshot, or the requested one. */
  snapshot_id: number;
  observed_at: string;
};

export type UserFilter = {
  account_key: number;
  account_id: string;
  /** low, medium, high; null for cleared users. */
  levels: readonly (string | null)[];
  /** The lowest and the highest id that begin with the search text. Null if no id can begin with it. */
  idRange: readonly [string, string] | null;
  /** The text to find in email and name; only with `identities`. */
  search: PersonSearch | null;
  identities: boolean;
  sort: UserSort;
  limit: number | null;
  /**
   * The instant of a snapshot. Null: now. For an earlier time, only the present users are known, and not which of them
   * were absent.
   */
  asOf: string | null;
};

/** `total` also counts users beyond the limit. */
export async function listUsers(db: Db, filter: UserFilter): Promise<{ total: number; rows: ListedUser[] }> {
  const bearers = await bearersOf(db, filter);
  const { rows } = await on(db).execute<ListedUser & { total: number }>(sql`
    ${filter.asOf === null ? sql`` : presentAsOf(filter, filter.asOf)}
    select s.user_id, s.max_risk_level, s.event_count,
           to_char(s.last_event at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_event,
           s.level_since, s.first_seen_at, s.absent_since, s.cleared_at, s.erased_at,
           s.snapshot_id::float8 as snapshot_id, s.observed_at,
           ${identityList(filter.identities ? 'i' : null)}, count(*) over ()::integer as total
      from (${filter.asOf === null ? stateNow(filter) : stateAsOf(filter)}) s
      ${filter.identities ? identityOf(filter) : sql``}
     where ${ofLevels(filter.levels)} and ${found(filter, bearers)}
     order by ${ORDERS[filter.sort]}, s.user_id
     limit ${filter.limit}`);
  const iso = (at: string | null) => (at === null ? null : new Date(at).toISOString());
  return {
    total: rows[0]?.total ?? 0,
    rows: rows.map((row) => ({
      user_id: row.user_id,
      max_risk_level: row.max_risk_level,
      event_count: row.event_count,
      last_event: row.last_event,
      level_since: iso(row.level_since),
      first_seen_at: iso(row.first_seen_at) ?? '',
      absent_since: iso(row.absent_since),
      cleared_at: iso(row.cleared_at),
      erased_at: iso(row.erased_at),
      snapshot_id: row.snapshot_id,
      observed_at: iso(row.observed_at) ?? '',
      ...mapIdentity((field) => row[field]),
    })),
  };
}

function stateNow({ account_key }: UserFilter): SQL {
  return sql`
    select ${u.account_key}, ${u.user_key}, ${u.user_id}, ${u.max_risk_level}, ${u.event_count}, ${u.last_event}, ${u.level_since}, ${u.first_seen_at},
           ${u.absent_since}, ${u.cleared_at}, ${u.erased_at}, n.snapshot_id, n.observed_at
      from ${u}
      cross join (select ${n.snapshot_id}, ${n.observed_at} from ${n} where ${n.account_key} = ${account_key}
                   order by ${n.observed_at} desc limit 1) n
     where ${u.account_key} = ${account_key}`;
}

/** Materialized, because Citus cannot join a function that asks a node with the tables on that node. */
function presentAsOf({ account_id }: UserFilter, at: string): SQL {
  return sql`with a as materialized (select * from risk_bi.users_as_of(${account_id}, ${at}::timestamptz))`;
}

/**
 * The key is read from the accounts: with a constant key, Citus would send the whole statement to one node, `a`
 * included.
 */
function stateAsOf({ account_id }: UserFilter): SQL {
  return sql`
    select ${u.account_key}, ${u.user_key}, ${u.user_id}, a.max_risk_level, a.event_count, a.last_event, ${l.valid_from} as level_since, ${u.first_seen_at},
           null::timestamptz as absent_since, null::timestamptz as cleared_at, ${u.erased_at}, a.snapshot_id, a.observed_at
      from a
      join ${k} on ${k.account_id} = ${account_id}
      join ${u} on ${u.account_key} = ${k.account_key} and ${u.user_id} = a.user_id
      join ${l} on ${l.account_key} = ${k.account_key} and ${l.user_key} = ${u.user_key}
       and ${l.valid_from} <= a.observed_at and (${l.valid_to} is null or ${l.valid_to} > a.observed_at)`;
}

function versionsOf({ asOf }: UserFilter): SQL {
  return asOf === null
    ? sql`${i.valid_to} is null`
    : sql`${i.valid_from} <= ${asOf}::timestamptz and (${i.valid_to} is null or ${i.valid_to} > ${asOf}::timestamptz)`;
}

function identityOf(filter: UserFilter): SQL {
  return sql`left join (select ${i.account_key}, ${i.user_key}, ${columnList(...fieldColumns(i, 'identity'))} from ${i}
    where ${versionsOf(filter)}) i on i.account_key = s.account_key and i.user_key = s.user_key`;
}

/** Keys of the users with the text in their email or name. Null if the request has no such text. */
async function bearersOf(db: Db, filter: UserFilter): Promise<number[] | null> {
  const { search } = filter;
  if (search === null || !filter.identities) return null;
  const found = await matchIdentities(
    db,
    { accountKeys: [filter.account_key], versions: versionsOf(filter) },
    (one) => search.isIn(one),
  );
  return found.map(({ user_key }) => user_key);
}

function ofLevels(levels: readonly (string | null)[]): SQL {
  const named = levels.filter((level) => level !== null);
  const present = sql`s.max_risk_level = any(${sql.param(named)}::text[])`;
  return levels.includes(null) ? sql`(s.max_risk_level is null or ${present})` : present;
}

function found({ idRange, search }: UserFilter, bearers: readonly number[] | null): SQL {
  if (idRange === null && search === null) return sql`true`;
  const ways: SQL[] = [];
  if (idRange !== null) ways.push(sql`s.user_id between ${idRange[0]}::uuid and ${idRange[1]}::uuid`);
  if (bearers !== null) ways.push(sql`s.user_key = any (${sql.param([...bearers])}::integer[])`);
  return ways.length === 0 ? sql`false` : sql`(${sql.join(ways, sql` or `)})`;
}

const WORST = sql`${levelRank(sql.raw('s.max_risk_level'))} desc nulls last`;
const ORDERS: Readonly<Record<UserSort, SQL>> = {
  level: sql`${WORST}, s.last_event desc`,
  events: sql`s.event_count desc, ${WORST}`,
  'last-event': sql`s.last_event desc`,
  since: sql`coalesce(s.level_since, s.cleared_at) desc`,
  'first-seen': sql`s.first_seen_at desc`,
};
