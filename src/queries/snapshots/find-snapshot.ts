// One snapshot by its id, with its account.
import { eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { snapshots as s } from '../../db/schema.ts';

export type FoundSnapshot = { account_key: number; observed_at: Date };

export async function findSnapshot(db: Db, snapshotId: number): Promise<FoundSnapshot | null> {
  const [row] = await on(db)
    .select({ account_key: s.account_key, observed_at: s.observed_at })
    .from(s)
    .where(eq(s.snapshot_id, snapshotId));
  return row === undefined ? null : { ...row, observed_at: new Date(row.observed_at) };
}
