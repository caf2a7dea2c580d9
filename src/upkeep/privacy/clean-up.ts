// After a rewrite, the old versions of rows are still in the files of the tables, until a VACUUM.
import { inline } from '../../db/sql/inline-sql.ts';
import { sql } from 'drizzle-orm';
import type { Pool } from '../../db/pool.ts';
import { rejectedRecords, userIdentities } from '../../db/schema.ts';

/** False if the server refused. It does nothing for a user who does not own the tables. */
export async function cleanUp(pool: Pool): Promise<boolean> {
  try {
    await pool.query(inline(sql`vacuum ${userIdentities}, ${rejectedRecords}`));
    return true;
  } catch {
    return false;
  }
}
