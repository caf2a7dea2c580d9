// The newest snapshot and the newest runs of every account: parts of one statement for all accounts. In most accounts
// the newest run succeeded and was complete. So one look-up finds it, and those further back are left out.
import { sql, type SQL } from 'drizzle-orm';
import { rejectedRecords, snapshots, syncRuns } from '../../db/schema.ts';

/**
 * To be joined to `accounts a`. `s`: the newest snapshot. `r`: the newest run. `success`, `complete`: the newest
 * earlier run that succeeded, or was complete. They have no row if `r` itself is one. `whole`: the newest run that read
 * all pages.
 */
export function newestOfEach(): SQL {
  const earlier = (name: string, unless: SQL, wanted: SQL) => sql`
      left join lateral (
        select o.run_id, o.finished_at from ${syncRuns} o
         where ${unless} is not true and o.account_key = a.account_key and ${wanted}
         order by o.run_id desc limit 1) ${sql.raw(name)} on true`;
  return sql`
      left join lateral (
        select o.snapshot_id, o.observed_at, o.verdict, o.user_count, o.carried_count from ${snapshots} o
         where o.account_key = a.account_key order by o.observed_at desc limit 1) s on true
      left join lateral (
        select o.run_id, o.status, o.verdict, o.finished_at, o.error_code, o.evidence from ${syncRuns} o
         where o.account_key = a.account_key order by o.run_id desc limit 1) r on true
      ${earlier('success', SUCCEEDED, sql`o.status = 'succeeded'`)}
      ${earlier('complete', COMPLETE, sql`o.verdict = 'complete'`)}
      left join lateral (
        select coalesce(max(o.run_id), success.run_id) as run_id from ${syncRuns} o
         where ${SUCCEEDED} is not true and o.account_key = a.account_key and o.status <> 'succeeded'
           and o.run_id > coalesce(success.run_id, 0) and (o.verdict is not null or o.error_code = 'TOO_MANY_REJECTED')) whole on true`;
}

const SUCCEEDED = sql`(r.status = 'succeeded')`;
const COMPLETE = sql`(r.verdict = 'complete')`;
/** When the newest success ended, and the newest run with a complete walk. */
export const SUCCESS_AT = sql`case when ${SUCCEEDED} then r.finished_at else success.finished_at end`;
export const COMPLETE_AT = sql`case when ${COMPLETE} then r.finished_at else complete.finished_at end`;

/** Runs without success since the newest success, up to a limit, because each of them is read to be counted. */
export function failedSince(atMost: number | null): SQL<number> {
  return sql<number>`case when r.run_id is null or ${SUCCEEDED} then 0 else ${countRuns(
    sql`o.status <> 'succeeded' and o.run_id > coalesce(success.run_id, 0)`,
    atMost,
  )} end`;
}

/** Runs that published a partial snapshot since the newest complete one. */
export function partialRunsSince(atMost: number): SQL<number> {
  return sql<number>`case when r.run_id is null or ${COMPLETE} then 0 else ${countRuns(
    sql`o.verdict = 'partial' and o.run_id > coalesce(complete.run_id, 0)`,
    atMost,
  )} end`;
}

function countRuns(wanted: SQL, atMost: number | null): SQL {
  return sql`(select count(*)::integer from (select from ${syncRuns} o
               where o.account_key = a.account_key and ${wanted} order by o.run_id desc limit ${atMost}) counted)`;
}

// As in rejected/waiting-records.ts. A run without a verdict has published nothing.
const WHOLE_WALK = sql`case when ${SUCCEEDED} then r.run_id else whole.run_id end`;

/** Rejected records that wait: the newest run that read all pages met them, or a later run did. */
export const REJECTED_WAITING = sql<number>`(select count(*)::integer from ${rejectedRecords} o
             where o.account_key = a.account_key and o.last_run_id >= coalesce(${WHOLE_WALK}, 0))`;

/** Rejected records of the newest run over all pages that were only counted. */
export const REJECTED_NOT_KEPT = sql<number>`(select coalesce(sum(o.value::integer), 0)::integer
              from jsonb_each_text(case when ${SUCCEEDED} then r.evidence -> 'rejected_not_kept'
                else (select w.evidence -> 'rejected_not_kept' from ${syncRuns} w
                       where w.account_key = a.account_key and w.run_id = whole.run_id) end) o)`;
