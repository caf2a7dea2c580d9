// Reads the account's present users from the database, once, while the first pages are fetched. The holder of the lease is
// the account's only writer, so what is read here stays true until it publishes; the publish checks that.
import { isDeepStrictEqual } from 'node:util';
import { sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { columnList } from '../../db/column-names.ts';
import { inline, whole } from '../../db/inline-sql.ts';
import { decodeInstant } from '../../db/postgres-instant.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { readCopy } from '../../db/read-copy.ts';
import {
  accountWriters,
  snapshotLevels,
  snapshots,
  userIdentities,
  userLevels,
  users,
} from '../../db/schema.ts';
import { fieldColumns } from '../../db/user-columns.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import { CLOCK_TOLERANCE_MS } from '../../time/clock-tolerance.ts';
import type { Lease } from '../claim/lease.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import { emptySums, total, type LevelSums } from './level-sums.ts';
import { brokenIdentities, brokenSums, clockBackwards, stateMoved } from './state-errors.ts';
import type { LevelRank, UserTable, UserValues } from './user-table.ts';

export type AccountState = {
  /** Highest key ever given to a user of the account. */
  lastUserKey: number;
  /** The clock's value of the account's last writer; -1 where none was ever noted. */
  lastWriter: number;
  present: number;
  sums: LevelSums;
  /** When the newest snapshot was observed, in text; null before the first. */
  newestAt: string | null;
  /** Whether a snapshot of the account is complete. */
  hasComplete: boolean;
};

type Header = Omit<AccountState, 'present' | 'sums'> & { recorded: LevelSums };

/** Seams for tests: called between two ranges. */
type StateDeps = { pool: Pool; table: UserTable; key: HashKey; onRange?: () => Promise<void> };

// Users of one statement: about 0.35 MB, and their identities as much again. Twice as many take 5 MB more of memory, and no less time.
const ROWS = 5_000;
// With names of ten thousand characters they make two megabytes; how long names are is known after the first range.
const FIRST_ROWS = 50;
const MAX_BYTES = 1024 * 1024;
// Keys for each present user, from which on it is quicker to look the present ones up.
const SPARSE = 2;

/**
 * Fills `table`. A stopped worker holds no snapshot and no lock meanwhile; a lost connection repeats one range. Throws
 * STATE_BROKEN (exit 1) when users and newest snapshot contradict each other, STATE_MOVED (exit 75) when somebody wrote
 * meanwhile, CLOCK_BACKWARDS (exit 75), signal.reason.
 */
export async function readState(
  { pool, table, key, onRange }: StateDeps,
  lease: Lease,
  observedAt: string,
  signal: AbortSignal,
): Promise<AccountState> {
  const header = await readHeader(pool, lease, observedAt);
  const expected = total(header.recorded);
  const sums = emptySums();
  const id = new Int32Array(4);
  const values: UserValues = {
    level: 0,
    eventCount: 0,
    lastEvent: { seconds: 0, micros: 0 },
    hash: new Uint32Array(2),
  };
  // Also where the snapshot counts nobody: users who are there all the same must be noticed.
  if (header.lastUserKey > 0) {
    await readUsers();
    const now = await readHeader(pool, lease, observedAt);
    if (now.lastWriter !== header.lastWriter) throw stateMoved(lease, 'while its users were read');
  }
  if (!isDeepStrictEqual(sums, header.recorded)) throw brokenSums(lease, sums, header.recorded);
  const { recorded: _, ...state } = header;
  return { ...state, present: expected.users, sums };

  /**
   * By ranges of keys, each of them small whatever the planner believes of the account. The server works on the next range while the identities of this one come.
   */
  async function readUsers(): Promise<void> {
    table.reserve(expected.users);
    const isSparse = expected.users > 0 && header.lastUserKey > expected.users * SPARSE;
    let rows = FIRST_ROWS;
    const begin = (after: number) => {
      const limit = rows;
      const users = readAgain(() => (isSparse ? readSparse(after, limit) : readDense(after, limit)));
      // Awaited a round later: until then its failure is nobody's.
      users.catch(() => undefined);
      return users;
    };
    let next: Promise<Range> | null = begin(0);
    while (next !== null) {
      signal.throwIfAborted();
      await onRange?.();
      const range: Range = await next;
      next = range.end < header.lastUserKey ? begin(range.end) : null;
      const identityBytes = await readAgain(() => readIdentities(range));
      for (const row of range.rows) {
        const level = RISK_LEVELS[table.level(row) - 1];
        if (level === undefined) continue;
        sums[level].users++;
        sums[level].events += table.eventCount(row);
      }
      // Names of ten thousand characters make rows a hundred times as long.
      const perRow = Math.max(range.bytes, identityBytes) / Math.max(1, range.rows.length);
      rows = Math.max(FIRST_ROWS, Math.min(ROWS, rows * 10, Math.floor(MAX_BYTES / Math.max(1, perRow))));
    }
  }

  /** Most keys belong to present users: a range of keys. */
  async function readDense(after: number, limit: number): Promise<Range> {
    const end = Math.min(header.lastUserKey, after + limit);
    const keys = sql`${users.user_key} > ${whole(after)} and ${users.user_key} <= ${whole(end)}`;
    const identities = sql`${userIdentities.user_key} > ${whole(after)} and ${userIdentities.user_key} <= ${whole(end)}`;
    return { ...(await readByKeys(keys)), end, identities };
  }

  /** Most users were cleared: the keys of the others come from their open periods, which have an index of their own. */
  async function readSparse(after: number, limit: number): Promise<Range> {
    const keys: number[] = [];
    await readCopy(pool, presentKeysQuery(lease.accountKey, after, limit), 1, (row) => {
      keys.push(row.bytes.readInt32BE(row.start[0]));
    });
    const named = sql`any (${sql.raw(`'{${keys.join(',')}}'`)})`;
    const end = keys.length < limit ? header.lastUserKey : (keys.at(-1) as number);
    return {
      ...(await readByKeys(sql`${users.user_key} = ${named}`)),
      end,
      identities: sql`${userIdentities.user_key} = ${named}`,
    };
  }

  async function readByKeys(keys: SQL): Promise<Pick<Range, 'rows' | 'bytes'>> {
    const found: number[] = [];
    const bytes = await readCopy(pool, usersQuery(lease.accountKey, keys), 6, (row) => {
      readUuid(row.bytes, row.start[1] as number, id);
      values.level = RANKS.get(row.bytes[row.start[2] as number]) ?? 0;
      values.eventCount = row.bytes.readInt32BE(row.start[3]);
      decodeInstant(row.bytes, row.start[4] as number, values.lastEvent);
      const isAbsent = row.bytes[row.start[5] as number] === 1;
      const at = table.findOrAdd(id);
      table.setKnown(at, row.bytes.readInt32BE(row.start[0]), values, isAbsent);
      found.push(at);
    });
    return { rows: found, bytes };
  }

  /** Users and identities come in the order of keys. Returns the bytes that came. */
  async function readIdentities({ rows, identities }: Range): Promise<number> {
    if (rows.length === 0) return 0;
    let next = 0;
    let matched = 0;
    const keys = rows.map((at) => table.key(at));
    const bytes = await readCopy(pool, identitiesQuery(lease.accountKey, identities), 3, (row) => {
      const userKey = row.bytes.readInt32BE(row.start[0]);
      while (next < keys.length && (keys[next] as number) < userKey) next++;
      if (keys[next] !== userKey) return;
      keyedHash(key, row.bytes, (row.start[1] as number) - 4, row.end, values.hash, 0);
      table.setIdentity(rows[next++] as number, values.hash);
      matched++;
    });
    if (matched < rows.length) throw brokenIdentities(lease, rows.length - matched);
    return bytes;
  }
}

/** Present users with keys up to `end`, as rows of the user table, and the condition that finds their identities. */
type Range = { rows: number[]; end: number; bytes: number; identities: SQL };

/** By the first letter of the level. */
const RANKS: ReadonlyMap<number | undefined, LevelRank> = new Map(
  RISK_LEVELS.map((level, n) => [level.charCodeAt(0), (n + 1) as LevelRank]),
);

export function readUuid(bytes: Buffer, at: number, into: Int32Array): void {
  for (let n = 0; n < 4; n++) into[n] = bytes.readInt32BE(at + 4 * n);
}

function usersQuery(accountKey: number, keys: SQL): string {
  const u = users;
  return inline(sql`
    select ${u.user_key}, ${u.user_id}, ${u.max_risk_level}, ${u.event_count}, ${u.last_event}, ${u.absent_since} is not null
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

async function readHeader(pool: Pool, lease: Lease, observedAt: string): Promise<Header> {
  const [w, s, l] = [accountWriters, snapshots, snapshotLevels];
  const { rows } = await readAgain(() =>
    drizzle(pool).execute<{
      lastUserKey: number;
      lastWriter: number;
      newestAt: string | null;
      backwards: boolean | null;
      hasComplete: boolean;
      levels: Partial<LevelSums> | null;
    }>(sql`
    select coalesce(${w.last_user_key}, 0) as "lastUserKey", coalesce(${w.last_snapshot_id}, -1)::float8 as "lastWriter", newest.observed_at::text as "newestAt",
           newest.observed_at - ${observedAt}::timestamptz > ${CLOCK_TOLERANCE_MS}::float8 * interval '1 millisecond' as backwards,
           exists (select from ${s} where ${s.account_key} = ${lease.accountKey} and ${s.verdict} = 'complete') as "hasComplete",
           (select jsonb_object_agg(${l.max_risk_level}, jsonb_build_object('users', ${l.user_count}, 'events', ${l.event_count})) from ${l}
             where ${l.account_key} = ${lease.accountKey} and ${l.snapshot_id} = newest.snapshot_id) as levels
      from (select) one
      left join ${w} on ${w.account_key} = ${lease.accountKey}
      left join (select ${s.snapshot_id} as snapshot_id, ${s.observed_at} as observed_at from ${s}
                  where ${s.account_key} = ${lease.accountKey} order by ${s.observed_at} desc limit 1) newest on true`),
  );
  const [row] = rows;
  if (row === undefined) throw new Error('a select without a row');
  if (row.backwards === true) throw clockBackwards(observedAt, row.newestAt);
  return { ...row, recorded: { ...emptySums(), ...row.levels } };
}
