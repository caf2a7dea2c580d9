// Deletes rejected records that no run has met during the retention: their texts are personal data. A run does it when
// it ends. The command `prune` does it for accounts that are no longer synced.
import { and, eq, sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { rejectedRecords } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';

/** Returns the number deleted. Most often nothing has expired, and then nothing is written. */
export async function deleteExpired(pool: Pool, accountKey: number, retentionMs: number): Promise<number> {
  const expired = sql`select ${r.record_hash} as hash from ${r} where ${isExpired(accountKey, retentionMs)}`;
  const { rows } = await drizzle(pool).execute(sql`${expired} limit 1`);
  if (rows.length === 0) return 0;
  return inTransaction(pool, DEFAULT_LIMITS, (tx) => deleteOf(tx, accountKey, expired));
}

/** The number of expired records, and their size. Deletes nothing. */
export async function countExpired(
  pool: Pool,
  accountKey: number,
  retentionMs: number,
): Promise<{ rows: number; bytes: number }> {
  const { rows } = await drizzle(pool).execute<{ rows: number; bytes: number }>(sql`
    select count(*)::float8 as rows, coalesce(sum(pg_column_size(${r}.*)), 0)::float8 as bytes
      from ${r} where ${isExpired(accountKey, retentionMs)}`);
  return rows[0] ?? { rows: 0, bytes: 0 };
}

const r = rejectedRecords;

function isExpired(accountKey: number, retentionMs: number): SQL {
  return sql`${r.account_key} = ${accountKey} and ${r.last_seen_at} < now() - make_interval(secs => ${retentionMs / 1000})`;
}

/** The keys are listed: without statistics, a join with the query may take minutes. */
export async function deleteOf(tx: Transaction, accountKey: number, query: SQL): Promise<number> {
  const { rows } = await tx.execute<{ hash: string }>(query);
  if (rows.length === 0) return 0;
  const hashes = sql.param(rows.map(({ hash }) => hash));
  await tx
    .delete(r)
    .where(and(eq(r.account_key, accountKey), sql`${r.record_hash} = any (${hashes}::text[])`));
  return rows.length;
}
