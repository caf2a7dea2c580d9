// Which rejected records wait: those that the account's newest walk which came to its end has met, or a later attempt.
// Condition and count for the other queries.
import { sql, type SQL } from 'drizzle-orm';
import { rejectedRecords as r, syncRuns } from '../db/schema.ts';

/**
 * Of a row of rejected_records. A run that broke off (or a dry run, which leaves no record) met only some of the records,
 * and makes none of them obsolete: hence at or after the newest run that read all pages, and not of the newest run.
 */
export function isWaiting(): SQL<boolean> {
  return sql<boolean>`${r.last_run_id} >= coalesce((
    select max(${syncRuns.run_id}) from ${syncRuns}
     where ${syncRuns.account_key} = ${r.account_key}
       and (${syncRuns.snapshot_id} is not null or ${syncRuns.error_code} = 'TOO_MANY_REJECTED')), 0)`;
}
