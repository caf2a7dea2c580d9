// Each day's runs and snapshots: what was expected, what was written, and how sure it was. Retired accounts are left
// out, except if one is named.
import { sql } from 'drizzle-orm';
import { postgresZone } from '../postgres-zone.ts';
import { idsArgument, ofLiving, type Question } from '../question.ts';

export type CoverageDay = {
  day: string;
  run_count: number;
  failed_count: number;
  abandoned_count: number;
  complete_count: number;
  partial_count: number;
  /** Slots of the schedule; null if no run had one. */
  expected_slot_count: number | null;
  slot_succeeded_count: number;
};

/** `from` and `to` are instants. Each local day that they touch counts as a whole day. */
export function coverage(
  accountIds: readonly string[] | null,
  { from, to, timezone }: { from: Date; to: Date; timezone: string },
): Question<CoverageDay> {
  const local = (at: Date) =>
    sql`(${at.toISOString()}::timestamptz at time zone ${postgresZone(timezone)}::text)::date`;
  return {
    statement: sql`
      select day::text as day,
             sum(run_count)::int as run_count,
             sum(failed_count)::int as failed_count,
             sum(abandoned_count)::int as abandoned_count,
             sum(complete_count)::int as complete_count,
             sum(partial_count)::int as partial_count,
             sum(expected_slot_count)::int as expected_slot_count,
             sum(slot_succeeded_count)::int as slot_succeeded_count
        from risk_bi.sync_coverage_in(${postgresZone(timezone)}::text, ${idsArgument(accountIds)},
                                      ${from.toISOString()}::timestamptz, ${to.toISOString()}::timestamptz)
       where day between ${local(from)} and ${local(new Date(to.getTime() - 1))}
         and ${ofLiving(accountIds)}
       group by day
       order by day`,
  };
}
