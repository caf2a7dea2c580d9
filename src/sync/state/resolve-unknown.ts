// Asks the database about the users that the state lacks: it holds present users alone. Those that it knows were cleared, and
// return; the others are new.
import { sql } from 'drizzle-orm';
import { decodeInstant } from '../../db/postgres-instant.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { readCopy } from '../../db/read-copy.ts';
import { inline, whole } from '../../db/inline-sql.ts';
import { userIdentities, users } from '../../db/schema.ts';
import type { Lease } from '../claim/lease.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import { readUuid, type AccountState } from './read-state.ts';
import { brokenIdentities, stateMoved } from './state-errors.ts';
import type { UserTable, UserValues } from './user-table.ts';

// With names of ten thousand characters these make two megabytes; how long names are is known after the first statement.
const FIRST = 50;
const MOST = 5_000;
const MAX_BYTES = 1024 * 1024;

/** Gives every accepted user that was cleared before their key, and what the history holds. Throws STATE_MOVED and STATE_BROKEN. */
export async function resolveUnknown(
  { pool, table, key }: { pool: Pool; table: UserTable; key: HashKey },
  lease: Lease,
  state: AccountState,
): Promise<void> {
  // Everybody who ever got a key is present.
  if (state.lastUserKey === state.present) return;
  let atOnce = FIRST;
  let rows: number[] = [];
  for (let row = 0; row < table.size(); row++) {
    if (table.key(row) === 0 && table.wasAccepted(row)) rows.push(row);
    if (rows.length < atOnce && row < table.size() - 1) continue;
    if (rows.length === 0) continue;
    const bytes = await resolve(rows);
    atOnce = Math.max(FIRST, Math.min(MOST, atOnce * 10, Math.floor((MAX_BYTES * rows.length) / bytes)));
    rows = [];
  }

  /** Returns the bytes that came. */
  async function resolve(unknown: readonly number[]): Promise<number> {
    const ids = unknown.map((row) => `'${table.userId(row)}'`).join(',');
    const found: number[] = [];
    const id = new Int32Array(4);
    const values: UserValues = {
      level: 0,
      eventCount: 0,
      lastEvent: { seconds: 0, micros: 0 },
      hash: new Uint32Array(2),
    };
    const u = users;
    const bytes = await readAgain(() =>
      readCopy(
        pool,
        inline(sql`select ${u.user_key}, ${u.user_id}, ${u.event_count}, ${u.last_event}, ${u.max_risk_level} is null from ${u}
          where ${u.account_key} = ${whole(lease.accountKey)} and ${u.user_id} in (${sql.raw(ids)}) order by ${u.user_key}`),
        5,
        (row) => {
          if (row.bytes[row.start[4] as number] !== 1) throw stateMoved(lease, 'while the pages were read');
          readUuid(row.bytes, row.start[1] as number, id);
          values.eventCount = row.bytes.readInt32BE(row.start[2]);
          decodeInstant(row.bytes, row.start[3] as number, values.lastEvent);
          const at = table.find(id);
          table.setKnown(at, row.bytes.readInt32BE(row.start[0]), values, false);
          found.push(at);
        },
      ),
    );
    if (found.length === 0) return bytes;
    const keys = new Map(found.map((row) => [table.key(row), row]));
    const i = userIdentities;
    const identityBytes = await readAgain(() =>
      readCopy(
        pool,
        inline(sql`select ${i.user_key}, ${i.email}, ${i.name} from ${i}
          where ${i.account_key} = ${whole(lease.accountKey)} and ${i.user_key} = any (${sql.raw(`'{${[...keys.keys()].join(',')}}'`)})
            and ${i.valid_to} is null`),
        3,
        (row) => {
          const at = keys.get(row.bytes.readInt32BE(row.start[0]));
          if (at === undefined) return;
          keyedHash(key, row.bytes, (row.start[1] as number) - 4, row.end, values.hash, 0);
          table.setIdentity(at, values.hash);
          keys.delete(table.key(at));
        },
      ),
    );
    if (keys.size > 0) throw brokenIdentities(lease, keys.size);
    return Math.max(bytes, identityBytes);
  }
}
