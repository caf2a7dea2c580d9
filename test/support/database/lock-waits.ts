// Tests that hold a lock must know when another session waits for it. On a distributed history, a session waits on the
// node that has the row.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../../src/db/pool.ts';
import { CITUS_URL } from './distributed-database.ts';

// Autovacuum may wait as well.
const ON_A_NODE = `select count(*)::integer as waiting from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and wait_event_type = 'Lock'`;
const WAITING =
  CITUS_URL === ''
    ? ON_A_NODE
    : `select sum(result::integer)::integer as waiting from run_command_on_all_nodes($$${ON_A_NODE}$$)`;

/** How many sessions of the database wait for a lock. */
export async function lockWaiters(pool: Pool): Promise<number> {
  return (await pool.query<{ waiting: number }>(WAITING)).rows[0]!.waiting;
}

/** Resolves when that many sessions wait for a lock. */
export async function untilLockWaiters(pool: Pool, count = 1): Promise<void> {
  for (let tries = 0; (await lockWaiters(pool)) < count; tries++) {
    assert.ok(tries < 3_000, `${count} sessions should wait for a lock`);
    await sleep(10);
  }
}
