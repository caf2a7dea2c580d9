// One user's periods at each level, newest first: with the snapshots that opened and ended each period, and with the
// walks that did not meet the user before its end.
import { sql } from 'drizzle-orm';
import { evidenceText } from '../../db/sql/evidence-sql.ts';
import { on, type Db } from '../../db/handle.ts';
import { snapshots, syncRuns, userLevels } from '../../db/schema.ts';

export type LevelPeriod = {
  valid_from: string;
  valid_to: string | null;
  max_risk_level: string;
  previous_level: string | null;
  change: string;
  end_reason: string | null;
  absent_since: string | null;
  last_reset_time: string | null;
  /** The snapshot that opened the period. Null if it was pruned. */
  from_snapshot_id: number | null;
  from_run_id: number | null;
  is_baseline: boolean | null;
  /** The snapshot that ended the period. */
  to_snapshot_id: number | null;
  to_run_id: number | null;
  /** How that run asked about missing users: the state of its lookups. Null if it looked up no user. */
  lookup_state: string | null;
  /** Complete and partial walks from absent_since to the end, both included; 0 without absent_since. */
  complete_walks: number;
  partial_walks: number;
};

export async function levelPeriods(
  db: Db,
  user: { account_key: number; user_key: number },
  limit: number,
): Promise<LevelPeriod[]> {
  const l = userLevels;
  const key = user.account_key;
  const { rows } = await on(db).execute<LevelPeriod>(sql`
    select p.*, opening.snapshot_id::float8 as from_snapshot_id, opener.run_id::float8 as from_run_id, opening.is_baseline,
           ending.snapshot_id::float8 as to_snapshot_id, ender.run_id::float8 as to_run_id,
           ${evidenceText(sql`ender.evidence`, 'lookups', 'state')} as lookup_state, walks.complete_walks, walks.partial_walks
      from (select ${l.valid_from}, ${l.valid_to}, ${l.max_risk_level}, ${l.previous_level}, ${l.change}, ${l.end_reason},
                   ${l.absent_since}, ${l.last_reset_time}
              from ${l} where ${l.account_key} = ${key} and ${l.user_key} = ${user.user_key}
             order by ${l.valid_from} desc limit ${limit}) p
      left join ${snapshots} opening on opening.account_key = ${key} and opening.observed_at = p.valid_from
      left join ${syncRuns} opener on opener.account_key = ${key} and opener.snapshot_id = opening.snapshot_id
      left join ${snapshots} ending on ending.account_key = ${key} and ending.observed_at = p.valid_to
      left join ${syncRuns} ender on ender.account_key = ${key} and ender.snapshot_id = ending.snapshot_id
      cross join lateral (
        select count(*) filter (where w.verdict = 'complete')::integer as complete_walks,
               count(*) filter (where w.verdict = 'partial')::integer as partial_walks
          from ${snapshots} w
         where w.account_key = ${key} and w.observed_at between p.absent_since and p.valid_to) walks
     order by p.valid_from desc`);
  return rows;
}
