// From which instant on a part of the history stays whole, and how far earlier calls have worked.
import { sql, type SQL } from 'drizzle-orm';
import { instant, whole } from '../../db/sql/inline-sql.ts';
import { retention as r, snapshots as s } from '../../db/schema.ts';
import { on, type Db } from '../../db/handle.ts';
import type { Prunable } from '../../retention.ts';

export type Horizon = {
  accountKey: number;
  /** ISO 8601 in UTC, microseconds. Rows that were superseded before it are deleted. */
  at: string;
  /** The newest snapshot before it, and the snapshot up to which no superseded rows are left. */
  lastSnapshotId: number;
  prunedUpTo: number;
};

/**
 * Null: no rows are that old. The instant of the newest snapshot that is older than `keepMs`: with it, every later
 * instant keeps the snapshot that it stands for. Runs count by their own time.
 */
export async function horizonOf(
  db: Db,
  accountKey: number,
  part: Prunable,
  keepMs: number,
): Promise<Horizon | null> {
  const key = whole(accountKey);
  const old = sql`now() - ${whole(Math.round(keepMs / 1000))} * interval '1 second'`;
  const at =
    part === 'runs'
      ? old
      : sql`(select max(${s.observed_at}) from ${s} where ${s.account_key} = ${key} and ${s.observed_at} <= ${old})`;
  const { rows } = await on(db).execute<{ at: string | null; done: number }>(sql`
    select ${iso(at)} as at,
           coalesce((select ${r.pruned_up_to} from ${r} where ${r.account_key} = ${key} and ${r.dataset} = ${sql.raw(`'${part}'`)}), 0)::float8 as done`);
  const { at: found = null, done = 0 } = rows[0] ?? {};
  if (found === null) return null;
  const { rows: last } = await on(db).execute<{ id: number }>(sql`
    select coalesce(max(${s.snapshot_id}), 0)::float8 as id from ${s}
     where ${s.account_key} = ${key} and ${s.observed_at} < ${instant(found)}`);
  return { accountKey, at: found, lastSnapshotId: last[0]?.id ?? 0, prunedUpTo: done };
}

/** The text is the same with every DateStyle of the session. */
function iso(at: SQL): SQL {
  return sql`to_char((${at}) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
