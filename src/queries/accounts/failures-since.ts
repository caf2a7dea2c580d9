// How many runs of an account have failed or were abandoned since its newest success. A fragment of other queries.
import { sql, type SQL } from 'drizzle-orm';
import { syncRuns as r } from '../../db/schema.ts';

/** `atMost`: each of them is read to be counted. */
export function failuresSince(accountKey: number | SQL, atMost: number | null = null): SQL<number> {
  const ofAccount = (run: SQL) => sql`${run}.account_key = ${accountKey}`;
  const [run, success] = [sql.raw('failed'), sql.raw('success')];
  return sql<number>`(select count(*)::integer from (
    select from ${r} ${run} where ${ofAccount(run)} and ${run}.status <> 'succeeded'
       and ${run}.run_id > coalesce((select ${success}.run_id from ${r} ${success}
             where ${ofAccount(success)} and ${success}.status = 'succeeded' order by ${success}.run_id desc limit 1), 0)
     order by ${run}.run_id desc limit ${atMost}) newer)`;
}
