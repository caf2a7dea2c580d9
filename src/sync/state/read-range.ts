// Reads present users and their identities in ranges of keys. Each range stays small, even if the planner's estimates
// are wrong.
import { sql, type SQL } from 'drizzle-orm';
import { columnList } from '../../db/sql/column-names.ts';
import { inline, whole } from '../../db/sql/inline-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { readCopy } from '../../db/read-copy.ts';
import { userIdentities, userLevels, users } from '../../db/schema.ts';
import { fieldColumns } from '../../db/sql/user-columns.ts';
import type { HashKey } from '../../keyed-hash.ts';
import { fieldsOf, IDENTITY_FIELDS, RISK_LEVELS } from '../../user-risk.ts';
import type { Lease } from '../claim/lease.ts';
import { hashIdentityRow } from './encode-identity.ts';
import { readActivity } from './encode-values.ts';
import { brokenIdentities } from './state-errors.ts';
import { emptyValues, readUuid, type LevelRank, type UserTable } from './user-table.ts';

/** Present users with keys up to `end`, as rows of the user table, and the condition that finds their identities. */
export type KeyRange = { rows: number[]; end: number; bytes: number; identities: SQL };

export type RangeReader = {
  /** Puts some users with keys above `after` into the user table. Reading a range again gives the same result. */
  users(after: number, limit: number): Promise<KeyRange>;
  /** Reads the identities of those users. Returns the number of bytes. Throws STATE_BROKEN. */
  identities(range: KeyRange): Promise<number>;
};

export type RangeDeps = { pool: Pool; table: UserTable; key: HashKey };

/** `isSparse`: most users were cleared, so it is faster to look up the present ones. */
export function createRangeReader(
  deps: RangeDeps,
  lease: Lease,
  { lastUserKey, isSparse }: { lastUserKey: number; isSparse: boolean },
): RangeReader {
  const read = isSparse ? readSparse : readDense;
  return {
    users: (after, limit) => read(deps, lease.accountKey, { after, limit, lastUserKey }),
    identities: (range) => readIdentities(deps, lease, range),
  };
}

type Wanted = { after: number; limit: number; lastUserKey: number };

/** If most keys belong to present users: reads a range of keys. */
async function readDense(
  deps: RangeDeps,
  accountKey: number,
  { after, limit, lastUserKey }: Wanted,
): Promise<KeyRange> {
  const end = Math.min(lastUserKey, after + limit);
  const keys = sql`${users.user_key} > ${whole(after)} and ${users.user_key} <= ${whole(end)}`;
  const identities = sql`${userIdentities.user_key} > ${whole(after)} and ${userIdentities.user_key} <= ${whole(end)}`;
  return { ...(await readByKeys(deps, accountKey, keys)), end, identities };
}

/**
 * If most users were cleared: finds the keys of the present users in their open periods, which have their own index.
 */
async function readSparse(
  deps: RangeDeps,
  accountKey: number,
  { after, limit, lastUserKey }: Wanted,
): Promise<KeyRange> {
  const keys: number[] = [];
  await readCopy(deps.pool, presentKeysQuery(accountKey, after, limit), 1, (row) => {
    keys.push(row.bytes.readInt32BE(row.start[0]));
  });
  const named = sql`any (${sql.raw(`'{${keys.join(',')}}'`)})`;
  const end = keys.length < limit ? lastUserKey : (keys.at(-1) as number);
  return {
    ...(await readByKeys(deps, accountKey, sql`${users.user_key} = ${named}`)),
    end,
    identities: sql`${userIdentities.user_key} = ${named}`,
  };
}

async function readByKeys(
  { pool, table }: RangeDeps,
  accountKey: number,
  keys: SQL,
): Promise<Pick<KeyRange, 'rows' | 'bytes'>> {
  const found: number[] = [];
  const id = new Int32Array(4);
  const values = emptyValues();
  const bytes = await readCopy(pool, usersQuery(accountKey, keys), 4 + fieldsOf('activity').length, (row) => {
    readUuid(row.bytes, row.start[1] as number, id);
    values.level = RANKS.get(row.bytes[row.start[2] as number]) ?? 0;
    const isAbsent = row.bytes[row.start[3] as number] === 1;
    readActivity(row, 4, values);
    const at = table.findOrAdd(id);
    table.setKnown(at, row.bytes.readInt32BE(row.start[0]), values, isAbsent);
    found.push(at);
  });
  return { rows: found, bytes };
}

/** Users and identities arrive in the order of keys. */
async function readIdentities(
  { pool, table, key }: RangeDeps,
  lease: Lease,
  { rows, identities }: KeyRange,
): Promise<number> {
  if (rows.length === 0) return 0;
  let next = 0;
  let matched = 0;
  const hash = new Uint32Array(2);
  const keys = rows.map((at) => table.key(at));
  const bytes = await readCopy(
    pool,
    identitiesQuery(lease.accountKey, identities),
    1 + IDENTITY_FIELDS.length,
    (row) => {
      const userKey = row.bytes.readInt32BE(row.start[0]);
      while (next < keys.length && (keys[next] as number) < userKey) next++;
      if (keys[next] !== userKey) return;
      hashIdentityRow(key, row, hash);
      table.setIdentity(rows[next++] as number, hash);
      matched++;
    },
  );
  if (matched < rows.length) throw brokenIdentities(lease, rows.length - matched);
  return bytes;
}

/** The rank of a level, by its first letter. */
const RANKS: ReadonlyMap<number | undefined, LevelRank> = new Map(
  RISK_LEVELS.map((level, n) => [level.charCodeAt(0), (n + 1) as LevelRank]),
);

function usersQuery(accountKey: number, keys: SQL): string {
  const u = users;
  return inline(sql`
    select ${u.user_key}, ${u.user_id}, ${u.max_risk_level}, ${u.absent_since} is not null, ${columnList(...fieldColumns(u, 'activity'))}
      from ${u}
     where ${u.account_key} = ${whole(accountKey)} and ${keys} and ${u.max_risk_level} is not null
     order by ${u.user_key}`);
}

function presentKeysQuery(accountKey: number, after: number, limit: number): string {
  const l = userLevels;
  return inline(sql`
    select ${l.user_key} from ${l}
     where ${l.account_key} = ${whole(accountKey)} and ${l.user_key} > ${whole(after)} and ${l.valid_to} is null
     order by ${l.user_key} limit ${whole(limit)}`);
}

/** No join with users: without statistics it may be a nested loop. */
function identitiesQuery(accountKey: number, keys: SQL): string {
  const i = userIdentities;
  return inline(sql`
    select ${columnList(i.user_key, ...fieldColumns(i, 'identity'))} from ${i}
     where ${i.account_key} = ${whole(accountKey)} and ${keys} and ${i.valid_to} is null
     order by ${i.user_key}`);
}
