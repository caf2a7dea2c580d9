// After a load of many users, the worker refreshes the planner's statistics. Autovacuum would do it a minute later.
// Until then the planner expects a few rows, and joins by nested loop: `users --identities` of 100,000 users took more
// than ten minutes, and a statement that has begun keeps its plan.
import { sql } from 'drizzle-orm';
import { inline } from '../../db/sql/inline-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { userActivity, userIdentities, userLevels, users } from '../../db/schema.ts';
import { total } from '../state/level-sums.ts';
import type { ChangeCounts } from './changes.ts';

/** Fewer users take no time, whatever the plan. */
const LEAST = 1_000;
/** From this share of new users on, the statistics describe another account. */
const NEW_SHARE = 0.2;

/** Says whether the load was large enough. For the owner of the tables; for others it does nothing. */
export async function refreshStatistics(
  pool: Pool,
  { appeared, sums }: Pick<ChangeCounts, 'appeared' | 'sums'>,
): Promise<boolean> {
  if (appeared < LEAST || appeared < total(sums).users * NEW_SHARE) return false;
  // Nobody is waited for: whoever holds such a lock is an ANALYZE itself, or changes the table.
  await pool.query(
    inline(sql`analyze (skip_locked) ${users}, ${userLevels}, ${userIdentities}, ${userActivity}`),
  );
  return true;
}
