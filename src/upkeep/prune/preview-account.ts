// What `prune` would delete of one account, and its size. Only reads: it counts by reading all rows before the horizon
// once.
import { sql, type SQL } from 'drizzle-orm';
import { instant, whole } from '../../db/sql/inline-sql.ts';
import { syncRuns as r, userActivity as a, userIdentities as i, userLevels as l } from '../../db/schema.ts';
import { on, type Db } from '../../db/handle.ts';
import { PRUNABLE, type Prunable, type Retention } from '../../retention.ts';
import { horizonOf, type Horizon } from './horizon.ts';
import { oldRows } from './parts.ts';

/** `wholeSince` null: the history is younger than the retention, so nothing is too old. */
export type PrunePreview = { part: Prunable; rows: number; bytes: number; wholeSince: string | null };

export async function previewAccount(
  db: Db,
  accountKey: number,
  retention: Retention,
): Promise<PrunePreview[]> {
  const previews: PrunePreview[] = [];
  for (const part of PRUNABLE) {
    const keepMs = retention[part];
    if (keepMs === null) continue;
    const horizon = await horizonOf(db, accountKey, part, keepMs);
    const found = horizon === null ? { rows: 0, bytes: 0 } : await countOld(db, part, horizon);
    previews.push({ part, ...found, wholeSince: horizon?.at ?? null });
  }
  return previews;
}

// For one row: its line pointer, and its entries in the indexes of the table, which are filled to two thirds.
const BESIDE: Readonly<Record<Prunable, number>> = { activity: 46, levels: 130, identities: 80, runs: 110 };
const ACTIVITY_ROW = 64;

async function countOld(db: Db, part: Prunable, horizon: Horizon): Promise<{ rows: number; bytes: number }> {
  const counted = part === 'activity' ? countActivity(horizon) : countRows(part, horizon);
  const { rows: found } = await on(db).execute<{ rows: number; bytes: number }>(counted);
  const { rows, bytes } = found[0] ?? { rows: 0, bytes: 0 };
  return { rows, bytes: bytes + rows * BESIDE[part] };
}

/** Each user keeps one of the rows before the horizon. */
function countActivity({ accountKey, at }: Horizon): SQL {
  const rows = sql`count(*) - count(distinct ${a.user_key})`;
  return sql`select (${rows})::float8 as rows, ((${rows}) * ${whole(ACTIVITY_ROW)})::float8 as bytes
    from ${a} where ${a.account_key} = ${whole(accountKey)} and ${a.observed_at} < ${instant(at)}`;
}

function countRows(part: Exclude<Prunable, 'activity'>, horizon: Horizon): SQL {
  const [table, keys] =
    part === 'runs' ? [r, sql`run_id`] : [part === 'levels' ? l : i, sql`user_key, valid_from`];
  return sql`select count(*)::float8 as rows, coalesce(sum(pg_column_size(whole.*)), 0)::float8 as bytes
    from ${table} whole join (${oldRows(part, horizon)}) gone using (${keys})
   where whole.account_key = ${whole(horizon.accountKey)}`;
}
