// After a load of many users, the worker refreshes the planner's statistics. Autovacuum would do it a minute later.
// Until then the planner expects a few rows, and joins by nested loop: `users --identities` of 100,000 users took more
// than ten minutes. A statement that has begun keeps its plan.
import { sql } from 'drizzle-orm';
import { inline } from '../../db/sql/inline-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { userActivity, userIdentities, userLevels, users } from '../../db/schema.ts';
import { total } from '../state/level-sums.ts';
import type { ChangeCounts } from './changes.ts';

/** With fewer users, every plan is fast. */
const LEAST = 1_000;
/** If new users are at least this share of the account, its old statistics no longer describe it. */
const NEW_SHARE = 0.2;

/**
 * Returns whether the load was large enough. It works for the owner of the tables, and does nothing for other roles.
 */
export async function refreshStatistics(
  pool: Pool,
  { appeared, sums }: Pick<ChangeCounts, 'appeared' | 'sums'>,
): Promise<boolean> {
  if (appeared < LEAST || appeared < total(sums).users * NEW_SHARE) return false;
  // It waits for no lock: a session that holds such a lock runs ANALYZE itself, or changes the table.
  await pool.query(
    inline(sql`analyze (skip_locked) ${users}, ${userLevels}, ${userIdentities}, ${userActivity}`),
  );
  return true;
}
