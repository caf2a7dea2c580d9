// What the database role may read beyond the history without personal data.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../db/pool.ts';

export type MayRead = {
  /** risk.user_identities: emails and names. */
  identities: boolean;
  /** risk_internal.lookups: what the own records of absent users said. */
  lookups: boolean;
};

/** Asking about a table of a schema that may not be used is an error: hence the CASE, which keeps the order. */
export async function mayRead(pool: Pool): Promise<MayRead> {
  const { rows } = await drizzle(pool).execute<MayRead>(sql`
    select has_table_privilege('risk.user_identities', 'select') as identities,
           case when has_schema_privilege('risk_internal', 'usage')
                then has_table_privilege('risk_internal.lookups', 'select') else false end as lookups`);
  return rows[0] ?? { identities: false, lookups: false };
}
