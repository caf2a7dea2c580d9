// After a large publish, the worker reads the new rows once. It counts them again, and it saves the next reader a
// write: the first reader of a row marks it as committed. With checksums, the default of PostgreSQL 18, this mark logs
// whole pages if there was a checkpoint in between: 11 MB for 100,000 users. Right after the load, the mark logs
// nothing.
import { sql, type SQL } from 'drizzle-orm';
import { REACH_WORKERS, setLocal } from '../../db/sql/set-local.ts';
import { inline, whole } from '../../db/sql/inline-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { userActivity, userIdentities, userLevels, users } from '../../db/schema.ts';
import type { ChangeCounts } from './changes.ts';

/** Fewer new users fit into a few pages. */
const LEAST = 1_000;

// The query reads page by page, even in large tables, and never only the index.
const BITMAP_SCAN = setLocal(
  REACH_WORKERS,
  ...['enable_seqscan', 'enable_indexscan', 'enable_indexonlyscan'].map((setting) => `${setting} = off`),
);

/** How many rows of the new users each table has. Null if there are too few new users to check. */
export async function readBack(
  pool: Pool,
  accountKey: number,
  lastUserKey: number,
  counts: Pick<ChangeCounts, 'appeared'>,
): Promise<number[] | null> {
  if (counts.appeared < LEAST) return null;
  const [u, l, i, a] = [users, userLevels, userIdentities, userActivity];
  const countOf = (table: SQL, account: SQL, key: SQL) =>
    sql`select count(*)::integer as rows from ${table} where ${account} = ${whole(accountKey)} and ${key} > ${whole(lastUserKey)}`;
  const reads = [
    countOf(sql`${u}`, sql`${u.account_key}`, sql`${u.user_key}`),
    countOf(sql`${l}`, sql`${l.account_key}`, sql`${l.user_key}`),
    countOf(sql`${i}`, sql`${i.account_key}`, sql`${i.user_key}`),
    countOf(sql`${a}`, sql`${a.account_key}`, sql`${a.user_key}`),
  ];
  const results: unknown = await pool.query(
    `begin read only; ${BITMAP_SCAN}; ${reads.map(inline).join(';')}; commit`,
  );
  return (results as { rows: { rows: number }[] }[]).flatMap((result) => result.rows.map(({ rows }) => rows));
}
