// One snapshot by its id, with its account.
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { snapshots as s } from '../../db/schema.ts';

export type FoundSnapshot = { account_key: number; observed_at: Date };

export async function findSnapshot(pool: Pool, snapshotId: number): Promise<FoundSnapshot | null> {
  const [row] = await drizzle(pool)
    .select({ account_key: s.account_key, observed_at: s.observed_at })
    .from(s)
    .where(eq(s.snapshot_id, snapshotId));
  return row === undefined ? null : { ...row, observed_at: new Date(row.observed_at) };
}
