// What the database role may read besides the history without personal data.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';

export type MayRead = {
  /** risk.user_identities: emails and names. */
  identities: boolean;
  /** risk_internal.lookups: the answers to lookups of absent users. */
  lookups: boolean;
  /** risk_internal.leases and rejected_records: the run in progress, and the records that wait. */
  leases: boolean;
};

/** A privilege question about a table is an error if the role may not use its schema. CASE checks the schema first. */
export async function mayRead(db: Db): Promise<MayRead> {
  const { rows } = await on(db).execute<MayRead>(sql`
    select has_table_privilege('risk.user_identities', 'select') as identities,
           case when has_schema_privilege('risk_internal', 'usage')
                then has_table_privilege('risk_internal.lookups', 'select') else false end as lookups,
           case when has_schema_privilege('risk_internal', 'usage')
                then has_table_privilege('risk_internal.leases', 'select')
                 and has_table_privilege('risk_internal.rejected_records', 'select') else false end as leases`);
  return rows[0] ?? { identities: false, lookups: false, leases: false };
}
