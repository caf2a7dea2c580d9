// What a chart must say about its snapshots: which hours or days hold partial ones, and which belong to a first load.
import { sql } from 'drizzle-orm';
import { postgresZone } from '../postgres-zone.ts';
import { ofLiving, type Question } from '../question.ts';

export type SnapshotMark = {
  /** Begin of the hour or day. */
  at: string;
  partial_count: number;
  /** A first load: its users do not count as changes. */
  baseline_count: number;
};

export function snapshotMarks(
  accountIds: readonly string[] | null,
  { from, to, timezone, by }: { from: Date; to: Date; timezone: string; by: 'hour' | 'day' },
): Question<SnapshotMark> {
  return {
    statement: sql`
      select date_trunc(${by}::text, observed_at, ${postgresZone(timezone)}::text) as at,
             (count(*) filter (where verdict = 'partial'))::int as partial_count,
             (count(*) filter (where is_baseline))::int as baseline_count
        from risk_bi.snapshots
       where observed_at >= ${from.toISOString()}::timestamptz and observed_at < ${to.toISOString()}::timestamptz
         and (verdict = 'partial' or is_baseline)
         and ${ofLiving(accountIds)}
       group by 1
       order by 1`,
  };
}
