// How many users have each level in one snapshot, low to high.
import { and, eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { riskLevelBySnapshot as v } from '../../db/views.ts';
import { RISK_LEVELS } from '../../user-risk.ts';

export type LevelCount = { max_risk_level: string; user_count: number };

/** In a distributed history, the id of a snapshot is only unique within its account. */
export async function levelsOfSnapshot(db: Db, accountId: string, snapshotId: number): Promise<LevelCount[]> {
  const rows = await on(db)
    .select({ max_risk_level: v.max_risk_level, user_count: v.user_count })
    .from(v)
    .where(and(eq(v.account_id, accountId), eq(v.snapshot_id, snapshotId)));
  return RISK_LEVELS.flatMap((level) => rows.filter((row) => row.max_risk_level === level));
}
