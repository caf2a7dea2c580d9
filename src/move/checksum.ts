// Whether two tables hold the same rows: their number, and the sum of a 64-bit hash of each row as text. It needs no
// order, so nothing is sorted. The text of a row is the same in PostgreSQL 15 to 18, and so is the hash. Not
// hash_record_extended: it hashes values as the server stores them, which may differ between versions and machines.
import type { PoolClient } from '../db/pool.ts';
import { quotedColumns, quotedName } from './history.ts';
import type { MovedTable } from './moved-tables.ts';

// The longest time that a timer of the driver can have.
const NO_LIMIT_MS = 2_147_483_647;

/** Call it in a transaction that has pinned the settings (db/pool.ts): they decide how times look as text. */
export async function checksumOf(
  client: PoolClient,
  { name, columns }: MovedTable,
): Promise<{ rows: number; checksum: string }> {
  const text = `select count(*)::float8 as rows,
      coalesce(sum(hashtextextended(row(${quotedColumns(columns)})::text collate "C", 0)), 0)::text as checksum
    from ${quotedName(name)}`;
  const query = { text, query_timeout: NO_LIMIT_MS };
  const { rows } = await client.query<{ rows: number; checksum: string }>(query);
  return rows[0]!;
}
