// Records in the source that a whole copy was taken, so that `status` does not warn.
import type { Pool } from '../db/pool.ts';
import { DEFAULT_LIMITS, inTransaction } from '../db/transaction.ts';

/**
 * False: it could not be recorded, for example on a standby or with a role that only reads. The copy is valid all the
 * same.
 */
export async function noteCopied(pool: Pool): Promise<boolean> {
  try {
    await inTransaction(pool, DEFAULT_LIMITS, async (_, client) => {
      await client.query('update risk_internal.feed_clock set copied_at = now()');
    });
    return true;
  } catch {
    return false;
  }
}
