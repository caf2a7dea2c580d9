// Whether the database has a time zone of this name: its list differs from the list of this program.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { rootCause } from '../../logger.ts';
import { postgresZone } from '../postgres-zone.ts';

const UNKNOWN_ZONE = '22023';

/**
 * Reading the list of zones takes a hundred times as long as this. After `false`, the transaction has failed and cannot
 * be used.
 */
export async function knowsZone(db: Db, timezone: string): Promise<boolean> {
  try {
    await on(db).execute(sql`select now() at time zone ${postgresZone(timezone)}`);
    return true;
  } catch (error) {
    if ((rootCause(error) as { code?: unknown } | null)?.code === UNKNOWN_ZONE) return false;
    throw error;
  }
}
