// The rows of each part of the history that may be deleted, as statements. Each statement names account_key by equality
// and holds no parameter. Pure text, except for the search for the next piece of work.
import { sql, type SQL } from 'drizzle-orm';
import { instant, whole } from '../../db/sql/inline-sql.ts';
import { syncRuns as r, userActivity as a, userIdentities as i, userLevels as l } from '../../db/schema.ts';
import { on, type Db } from '../../db/handle.ts';
import { keeps } from '../../db/sql/evidence-sql.ts';
import type { Prunable } from '../../retention.ts';
import type { Horizon } from './horizon.ts';
import { nextSnapshots } from './next-snapshots.ts';

/** Rows of one transaction: half a second, so that a run never waits longer. */
export const ROWS_PER_TRANSACTION = 20_000;

export type Piece = {
  /** Deletes at most the number of rows that the caller asked for. */
  remove: SQL;
  /** The snapshot up to which no rows are left afterwards. Null: this part is not found by its snapshots. */
  upTo: number | null;
};

/** Null: nothing is left to delete. `after`: the snapshot up to which this call has worked, or found nothing. */
export async function nextPiece(
  db: Db,
  part: Prunable,
  horizon: Horizon,
  after: number,
  most: number,
): Promise<Piece | null> {
  if (part === 'activity') {
    const range = await nextSnapshots(db, horizon, after, most);
    return range === null
      ? null
      : {
          remove: removeRows(a, 'observed_at', horizon, supersededActivity(horizon, range), most),
          upTo: range.upTo,
        };
  }
  const old = oldRows(part, horizon);
  const { rows } = await on(db).execute(sql`${old} limit 1`);
  if (rows.length === 0) return null;
  const remove =
    part === 'runs'
      ? removeRuns(horizon, old, most)
      : removeRows(part === 'levels' ? l : i, 'valid_from', horizon, old, most);
  return { remove, upTo: null };
}

/** The keys of all rows that may be deleted. */
export function oldRows(part: Exclude<Prunable, 'activity'>, horizon: Horizon): SQL {
  return part === 'runs' ? oldRuns(horizon) : supersededPeriods(part === 'levels' ? l : i, horizon);
}

/**
 * All rows older than the newest row of each user in these snapshots, which are all before the horizon. One probe for
 * each user who acted in them.
 */
function supersededActivity({ accountKey }: Horizon, range: { after: number; upTo: number }): SQL {
  const key = whole(accountKey);
  return sql`
    select old.user_key, old.observed_at
      from (select ${a.user_key} as user_key, max(${a.observed_at}) as newest_at from ${a}
             where ${a.account_key} = ${key} and ${a.snapshot_id} > ${whole(range.after)} and ${a.snapshot_id} <= ${whole(range.upTo)}
             group by ${a.user_key}) acted
      join ${a} old on old.account_key = ${key} and old.user_key = acted.user_key and old.observed_at < acted.newest_at`;
}

/**
 * Periods that were followed, before the horizon, by another period of the same user. The last period of a cleared user
 * stays, so that a return after the horizon still shows when the user was cleared.
 */
function supersededPeriods(table: typeof l | typeof i, { accountKey, at }: Horizon): SQL {
  const key = whole(accountKey);
  // Found by user_levels_ended, even in a long history.
  const range =
    table === l ? sql`and tstzrange(old.valid_from, old.valid_to) << tstzrange(${instant(at)}, null)` : sql``;
  return sql`
    select old.user_key, old.valid_from from ${table} old
     where old.account_key = ${key} and old.valid_to is not null and old.valid_to < ${instant(at)} ${range}
       and exists (select from ${table} newer where newer.account_key = ${key} and newer.user_key = old.user_key
                      and newer.valid_from > old.valid_from and newer.valid_from < ${instant(at)})`;
}

function removeRows(
  table: typeof a | typeof l | typeof i,
  time: 'observed_at' | 'valid_from',
  { accountKey }: Horizon,
  old: SQL,
  most: number,
): SQL {
  const at = sql.identifier(time);
  return sql`delete from ${table} gone using (${old} limit ${whole(most)}) old
     where gone.account_key = ${whole(accountKey)} and gone.user_key = old.user_key and gone.${at} = old.${at}`;
}

/**
 * Runs before the horizon, except those from which the program knows the state of an account. These are the newest
 * success and everything after it, the newest complete walk, and the newest run that recorded the paging or read all
 * pages. The runs of the newest slot also stay, because that slot must not be run twice.
 */
function oldRuns({ accountKey, at }: Horizon): SQL {
  const key = whole(accountKey);
  const newest = (condition: SQL) =>
    sql`coalesce((select max(${r.run_id}) from ${r} where ${r.account_key} = ${key} and ${condition}), -1)`;
  const published = sql`(${r.snapshot_id} is not null or ${r.error_code} = 'TOO_MANY_REJECTED')`;
  return sql`
    select old.run_id from ${r} old
     where old.account_key = ${key} and old.finished_at < ${instant(at)}
       and old.run_id < coalesce((select max(${r.run_id}) from ${r} where ${r.account_key} = ${key} and ${r.status} = 'succeeded'),
             ${newest(sql`true`)})
       and old.run_id not in (${newest(sql`${r.verdict} = 'complete'`)}, ${newest(published)}, ${newest(keeps(r.evidence, 'paging'))})
       and (old.scheduled_for is null
         or old.scheduled_for < (select max(${r.scheduled_for}) from ${r} where ${r.account_key} = ${key}))`;
}

function removeRuns({ accountKey }: Horizon, old: SQL, most: number): SQL {
  return sql`delete from ${r} gone using (${old} limit ${whole(most)}) old
     where gone.account_key = ${whole(accountKey)} and gone.run_id = old.run_id`;
}
