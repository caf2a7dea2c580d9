// Which rejected records wait: those that the account's newest walk which came to its end has met, or a later attempt.
// Condition and count for the other queries.
import { sql, type SQL } from 'drizzle-orm';
import { rejectedRecords as r, syncRuns } from '../../db/schema.ts';

/**
 * Of a row of rejected_records. A run that broke off (or a dry run, which leaves no record) met only some of the records,
 * and makes none of them obsolete: hence at or after the newest run that read all pages, and not of the newest run.
 */
export function isWaiting(): SQL<boolean> {
  return sql<boolean>`${r.last_run_id} >= ${newestWholeWalk(r.account_key)}`;
}

/** The newest run of an account that read all pages; 0 when there is none. */
export function newestWholeWalk(accountKey: number | typeof r.account_key): SQL<number> {
  return sql<number>`coalesce((
    select max(${syncRuns.run_id}) from ${syncRuns}
     where ${syncRuns.account_key} = ${accountKey}
       and (${syncRuns.snapshot_id} is not null or ${syncRuns.error_code} = 'TOO_MANY_REJECTED')), 0)`;
}
