// The snapshots with an id, with their accounts. There can be several only in a distributed history.
import { eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { snapshots as s } from '../../db/schema.ts';

export type FoundSnapshot = { account_key: number; observed_at: Date };

export async function findSnapshots(db: Db, snapshotId: number): Promise<FoundSnapshot[]> {
  const rows = await on(db)
    .select({ account_key: s.account_key, observed_at: s.observed_at })
    .from(s)
    .where(eq(s.snapshot_id, snapshotId));
  return rows.map((row) => ({ ...row, observed_at: new Date(row.observed_at) }));
}
