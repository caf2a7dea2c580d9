// Which rejected records wait: those that the account's newest walk over all pages met, or a later attempt. For some,
// only their number by reason is known. Parts of the other queries.
import { sql, type SQL } from 'drizzle-orm';
import { rejectedRecords as r, syncRuns } from '../../db/schema.ts';

/**
 * Condition on a row of rejected_records: met in the newest run that read all pages, or later. The newest run of any
 * kind would be wrong. A run that stopped early met only some of the records, and a dry run leaves no row in sync_runs.
 * Neither makes a record obsolete.
 */
export function isWaiting(): SQL<boolean> {
  return sql<boolean>`${r.last_run_id} >= ${newestWholeWalk(r.account_key)}`;
}

/** The newest run of an account that read all pages. 0 if there is none. */
export function newestWholeWalk(accountKey: SQL | typeof r.account_key): SQL<number> {
  return sql<number>`coalesce((
    select max(${syncRuns.run_id}) from ${syncRuns}
     where ${syncRuns.account_key} = ${accountKey}
       and (${syncRuns.snapshot_id} is not null or ${syncRuns.error_code} = 'TOO_MANY_REJECTED')), 0)`;
}

/** How many rejected records of the newest walk over all pages were only counted. */
export function notKept(accountKey: SQL | typeof r.account_key): SQL<number> {
  return sql<number>`coalesce((select sum(records::integer)::integer from (${notKeptByReason(accountKey)}) counted), 0)`;
}

/** Rows of reason and records, without an order. */
export function notKeptByReason(accountKey: SQL | typeof r.account_key): SQL {
  return sql`select reasons.key as reason, reasons.value as records
      from ${syncRuns} walked, jsonb_each_text(walked.evidence -> 'rejected_not_kept') reasons
     where walked.account_key = ${accountKey} and walked.run_id = ${newestWholeWalk(accountKey)}`;
}
