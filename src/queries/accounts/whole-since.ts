// Since when each part of an account's history is whole, if old rows were deleted.
import { eq, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { retention as t } from '../../db/schema.ts';
import type { Prunable } from '../../retention.ts';

export type WholeSince = { part: Prunable; since: Date; rows: number; prunedAt: Date };

/** By name of the part. Empty if nothing was ever deleted, or if this database role may not see it. */
export async function wholeSince(db: Db, accountKey: number): Promise<WholeSince[]> {
  const { rows: may } = await on(db).execute<{ read: boolean }>(
    sql`select has_table_privilege('risk.retention', 'select') as read`,
  );
  if (may[0]?.read !== true) return [];
  const rows = await on(db).select().from(t).where(eq(t.account_key, accountKey)).orderBy(t.dataset);
  return rows.map((row) => ({
    part: row.dataset as Prunable,
    since: new Date(row.whole_since),
    rows: row.row_count,
    prunedAt: new Date(row.pruned_at),
  }));
}
