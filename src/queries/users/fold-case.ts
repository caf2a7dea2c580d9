// Ignores case in every alphabet. In a database whose locale is C, lower() alone changes only A to Z.
import { sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';

// The best first: ICU, which nearly every PostgreSQL is built with; then what PostgreSQL 18 and 17 bring themselves.
const COLLATIONS = ['und-x-icu', 'pg_unicode_fast', 'pg_c_utf8'];

/** Without any of these collations, the database's own rules apply. */
export async function foldCase(pool: Pool): Promise<(text: SQL) => SQL> {
  const { rows } = await drizzle(pool).execute<{ collname: string }>(sql`
    select collname from pg_collation
     where collname = any(${sql.param(COLLATIONS)}::text[]) and collnamespace = 'pg_catalog'::regnamespace
       and collencoding in (-1, (select encoding from pg_database where datname = current_database()))
     order by array_position(${sql.param(COLLATIONS)}::text[], collname::text) limit 1`);
  const name = rows[0]?.collname;
  return (text) =>
    name === undefined ? sql`lower(${text})` : sql`lower(${text} collate ${sql.identifier(name)})`;
}
