// How many users have each level in one snapshot, low to high.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { riskLevelBySnapshot as v } from '../../db/views.ts';
import { RISK_LEVELS } from '../../user-risk.ts';

export type LevelCount = { max_risk_level: string; user_count: number };

export async function levelsOfSnapshot(pool: Pool, snapshotId: number): Promise<LevelCount[]> {
  const rows = await drizzle(pool)
    .select({ max_risk_level: v.max_risk_level, user_count: v.user_count })
    .from(v)
    .where(sql`${v.snapshot_id} = ${snapshotId}`);
  return RISK_LEVELS.flatMap((level) => rows.filter((row) => row.max_risk_level === level));
}
