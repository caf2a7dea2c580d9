// Reads an account's state as a run does, and compares each row of the resulting table with the database.
import assert from 'node:assert/strict';
import type { Pool } from '../../../src/db/pool.ts';
import type { PostgresInstant } from '../../../src/db/postgres-instant.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import { keyedHash, randomHashKey } from '../../../src/keyed-hash.ts';
import { readState, type AccountState } from '../../../src/sync/state/read-state.ts';
import { createUserTable, readUserId, type UserTable } from '../../../src/sync/state/user-table.ts';
import { rankOf } from '../../../src/sync/walk/compare-records.ts';
import type { RiskLevel } from '../../../src/user-risk.ts';

export type Reading = { table: UserTable; state: AccountState; key: ReturnType<typeof randomHashKey> };

export async function readAccountState(
  pool: Pool,
  lease: Lease,
  over: { onRange?: () => Promise<void>; signal?: AbortSignal; observedAt?: string } = {},
): Promise<Reading> {
  const { onRange, signal = new AbortController().signal, observedAt = lease.startedAt } = over;
  const table = createUserTable();
  const key = randomHashKey();
  const deps = { pool, table, key, ...(onRange ? { onRange } : {}) };
  return { table, key, state: await readState(deps, lease, observedAt, signal) };
}

/** The table holds every present user as the database does, and no other user. */
export async function assertStateIsExact(
  pool: Pool,
  lease: Lease,
  { table, state, key }: Reading,
): Promise<void> {
  const { rows } = await pool.query<{
    user_key: number;
    user_id: string;
    level: RiskLevel;
    event_count: number;
    seconds: number | null;
    sign: number;
    micros: number;
    absent: boolean;
    email: string | null;
    name: string | null;
  }>(
    `select u.user_key, u.user_id, max_risk_level as level, event_count, absent_since is not null as absent, email, name,
            case when isfinite(last_event) then floor(extract(epoch from last_event))::float8 end as seconds,
            case when last_event = 'infinity' then 1 else -1 end as sign,
            case when isfinite(last_event) then extract(microseconds from last_event)::integer % 1000000 else 0 end as micros
       from risk.users u join risk.user_identities i on i.account_key = u.account_key and i.user_key = u.user_key and i.valid_to is null
      where u.account_key = $1 and max_risk_level is not null`,
    [lease.accountKey],
  );
  assert.equal(table.size(), rows.length);
  assert.equal(state.present, rows.length);
  const id = new Int32Array(4);
  const identity = Buffer.alloc(IDENTITY_MAX_BYTES);
  const hash = new Uint32Array(2);
  for (const user of rows) {
    readUserId(user.user_id, id);
    const row = table.find(id);
    const what = `user ${user.user_key}`;
    assert.ok(row >= 0, what);
    keyedHash(key, identity, 0, encodeIdentity(user, identity, 0), hash, 0);
    const lastEvent: PostgresInstant = { seconds: user.seconds ?? user.sign * Infinity, micros: user.micros };
    const values = { level: rankOf(user.level), eventCount: user.event_count, lastEvent, hash };
    assert.equal(table.compare(row, values), 0, what);
    assert.deepEqual([table.key(row), table.isAbsent(row)], [user.user_key, user.absent], what);
  }
}
