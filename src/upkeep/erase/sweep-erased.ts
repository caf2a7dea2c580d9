// Removes what an erasure leaves inside the server: old versions of rows and of index entries, and the planner's
// samples of values. Readers and pg_dump never see old versions, but the files hold them.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { getTableConfig } from 'drizzle-orm/pg-core';
import type { Pool } from '../../db/pool.ts';
import {
  lookups,
  rejectedRecords,
  stagedChanges,
  stagedRejected,
  syncRuns,
  userIdentities,
  users,
} from '../../db/schema.ts';

/**
 * all: done. not_owner: the database user has no right to do it. failed: the server refused, for example because it is
 * busy.
 */
export type Swept = 'all' | 'not_owner' | 'failed';

const TABLES = [userIdentities, users, rejectedRecords, lookups, syncRuns, stagedRejected, stagedChanges];

/** Not in a transaction. A transaction that is older than the erasure keeps old versions until it ends. */
export async function sweepErased(pool: Pool): Promise<Swept> {
  const names = TABLES.map((table) => {
    const { schema, name } = getTableConfig(table);
    return `"${schema}"."${name}"`;
  });
  const { rows } = await drizzle(pool).execute<{ owns: boolean }>(sql`
    select bool_and(pg_has_role(relowner, 'usage')) as owns from pg_class
     where oid = any (${sql.param(names)}::regclass[])`);
  if (rows[0]?.owns !== true) return 'not_owner';
  try {
    // Without INDEX_CLEANUP, the server skips the indexes when only a few rows are old.
    for (const name of names) await pool.query(`vacuum (analyze, index_cleanup on) ${name}`);
    return 'all';
  } catch {
    return 'failed';
  }
}
