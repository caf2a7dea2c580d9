// The newest snapshot of an account at or before an instant.
import { and, desc, eq, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { snapshots as s } from '../../db/schema.ts';

export type SnapshotAt = { snapshot_id: number; observed_at: Date; verdict: string };

/** Null: the first snapshot is later. */
export async function snapshotAt(db: Db, accountKey: number, at: Date): Promise<SnapshotAt | null> {
  const [row] = await on(db)
    .select({ snapshot_id: s.snapshot_id, observed_at: s.observed_at, verdict: s.verdict })
    .from(s)
    .where(and(eq(s.account_key, accountKey), sql`${s.observed_at} <= ${at.toISOString()}::timestamptz`))
    .orderBy(desc(s.observed_at))
    .limit(1);
  return row === undefined ? null : { ...row, observed_at: new Date(row.observed_at) };
}
