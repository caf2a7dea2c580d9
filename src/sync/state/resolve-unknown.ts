// Asks the database about the users that the state lacks, because the state holds only present users. Users that the
// database knows were cleared, and return. The others are new.
import { sql } from 'drizzle-orm';
import { columnList } from '../../db/sql/column-names.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { readCopy } from '../../db/read-copy.ts';
import { inline, whole } from '../../db/sql/inline-sql.ts';
import { userIdentities, users } from '../../db/schema.ts';
import { fieldColumns } from '../../db/sql/user-columns.ts';
import { fieldsOf, IDENTITY_FIELDS } from '../../user-risk.ts';
import type { Lease } from '../claim/lease.ts';
import type { HashKey } from '../../keyed-hash.ts';
import type { AccountState } from './read-state.ts';
import { hashIdentityRow } from './encode-identity.ts';
import { brokenIdentities, stateMoved } from './state-errors.ts';
import { readActivity } from './encode-values.ts';
import { emptyValues, readUuid, type UserTable } from './user-table.ts';

// With names of ten thousand characters, these rows take two megabytes. The first statement shows how long names are.
const FIRST = 50;
const MOST = 5_000;
const MAX_BYTES = 1024 * 1024;

type ResolveDeps = { pool: Pool; table: UserTable; key: HashKey };

/**
 * Gives every accepted user who was cleared before the old key and what the history holds. Throws STATE_MOVED and
 * STATE_BROKEN.
 */
export async function resolveUnknown(deps: ResolveDeps, lease: Lease, state: AccountState): Promise<void> {
  const { table } = deps;
  // Every user who ever got a key is present, so there are none to find.
  if (state.lastUserKey === state.present) return;
  let atOnce = FIRST;
  let rows: number[] = [];
  for (let row = 0; row < table.size(); row++) {
    if (table.key(row) === 0 && table.wasAccepted(row)) rows.push(row);
    if (rows.length < atOnce && row < table.size() - 1) continue;
    if (rows.length === 0) continue;
    const bytes = await resolve(deps, lease, rows);
    atOnce = Math.max(FIRST, Math.min(MOST, atOnce * 10, Math.floor((MAX_BYTES * rows.length) / bytes)));
    rows = [];
  }
}

/** Returns the number of bytes. */
async function resolve(deps: ResolveDeps, lease: Lease, unknown: readonly number[]): Promise<number> {
  const { rows, bytes } = await readCleared(deps, lease, unknown);
  if (rows.length === 0) return bytes;
  return Math.max(bytes, await readIdentities(deps, lease, rows));
}

/** Finds the users that the history knows. */
async function readCleared(
  { pool, table }: ResolveDeps,
  lease: Lease,
  unknown: readonly number[],
): Promise<{ rows: number[]; bytes: number }> {
  const ids = unknown.map((row) => `'${table.userId(row)}'`).join(',');
  const found: number[] = [];
  const id = new Int32Array(4);
  const values = emptyValues();
  const u = users;
  const query = sql`select ${u.user_key}, ${u.user_id}, ${u.max_risk_level} is null, ${columnList(...fieldColumns(u, 'activity'))} from ${u}
    where ${u.account_key} = ${whole(lease.accountKey)} and ${u.user_id} in (${sql.raw(ids)}) order by ${u.user_key}`;
  const bytes = await readAgain(() =>
    readCopy(pool, inline(query), 3 + fieldsOf('activity').length, (row) => {
      if (row.bytes[row.start[2] as number] !== 1) throw stateMoved(lease, 'while the pages were read');
      readUuid(row.bytes, row.start[1] as number, id);
      readActivity(row, 3, values);
      const at = table.find(id);
      table.setKnown(at, row.bytes.readInt32BE(row.start[0]), values, false);
      found.push(at);
    }),
  );
  return { rows: found, bytes };
}

/** Returns the number of bytes. Throws STATE_BROKEN. */
async function readIdentities(
  { pool, table, key }: ResolveDeps,
  lease: Lease,
  rows: readonly number[],
): Promise<number> {
  const byKey = new Map(rows.map((row) => [table.key(row), row]));
  const hash = new Uint32Array(2);
  const i = userIdentities;
  const query = sql`select ${columnList(i.user_key, ...fieldColumns(i, 'identity'))} from ${i}
    where ${i.account_key} = ${whole(lease.accountKey)} and ${i.user_key} = any (${sql.raw(`'{${[...byKey.keys()].join(',')}}'`)})
      and ${i.valid_to} is null`;
  const bytes = await readAgain(() =>
    readCopy(pool, inline(query), 1 + IDENTITY_FIELDS.length, (row) => {
      const at = byKey.get(row.bytes.readInt32BE(row.start[0]));
      if (at === undefined) return;
      hashIdentityRow(key, row, hash);
      table.setIdentity(at, hash);
      byKey.delete(table.key(at));
    }),
  );
  if (byKey.size > 0) throw brokenIdentities(lease, byKey.size);
  return bytes;
}
