// The next snapshots whose activity may have superseded rows: as many as one transaction can handle.
import { sql } from 'drizzle-orm';
import { whole } from '../../db/sql/inline-sql.ts';
import { snapshots as s, userActivity as a } from '../../db/schema.ts';
import { on, type Db } from '../../db/handle.ts';
import type { Horizon } from './horizon.ts';

/** The number of snapshots that one statement looks at. For an hourly account, that is five days. */
const AT_ONCE = 128;

/**
 * Null: no snapshot up to the horizon has activity that was not looked at. `most`: rows of activity. A single snapshot
 * may have more.
 */
export async function nextSnapshots(
  db: Db,
  { accountKey, lastSnapshotId }: Horizon,
  after: number,
  most: number,
): Promise<{ after: number; upTo: number } | null> {
  const key = whole(accountKey);
  for (let from = after; from < lastSnapshotId;) {
    const { rows: ends } = await on(db).execute<{ id: number | null }>(sql`
      select max(snapshot_id)::float8 as id
        from (select ${s.snapshot_id} as snapshot_id from ${s} where ${s.account_key} = ${key}
                 and ${s.snapshot_id} > ${whole(from)} and ${s.snapshot_id} <= ${whole(lastSnapshotId)}
               order by ${s.snapshot_id} limit ${whole(AT_ONCE)}) next`);
    const end = ends[0]?.id ?? null;
    if (end === null) return null;
    const { rows } = await on(db).execute<{ id: number; count: number }>(sql`
      select ${a.snapshot_id}::float8 as id, count(*)::float8 as count from ${a}
       where ${a.account_key} = ${key} and ${a.snapshot_id} > ${whole(from)} and ${a.snapshot_id} <= ${whole(end)}
       group by ${a.snapshot_id} order by ${a.snapshot_id}`);
    if (rows.length > 0) return { after: from, upTo: lastOf(rows, end, most) };
    from = end;
  }
  return null;
}

/** The last snapshot before the sum of the rows is too large, and at least the first. Pure. */
function lastOf(rows: readonly { id: number; count: number }[], end: number, most: number): number {
  let sum = 0;
  for (const [at, { count }] of rows.entries()) {
    sum += count;
    if (sum > most && at > 0) return rows[at - 1]!.id;
  }
  return end;
}
