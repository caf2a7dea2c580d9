// The texts of runs that could name a person: messages, and the parts of the evidence that the API served. In batches,
// for a search term that the database must not see.
import { and, asc, eq, gt, sql, type SQL } from 'drizzle-orm';
import type { Evidence } from '../../evidence.ts';
import { on, type Db } from '../../db/handle.ts';
import { accounts as a, syncRuns as s } from '../../db/schema.ts';
import { exactTime } from './person-users.ts';

export type RunText = {
  account_key: number;
  account_id: string;
  label: string | null;
  run_id: number;
  finished_at: string;
  error_code: string | null;
  error_message: string | null;
  evidence: Evidence;
};

const BATCH = 1_000;

export async function* runTexts(db: Db): AsyncGenerator<RunText> {
  let after: SQL | undefined;
  for (;;) {
    const rows = await on(db)
      .select({
        account_key: s.account_key,
        account_id: a.account_id,
        label: a.label,
        run_id: s.run_id,
        finished_at: exactTime(s.finished_at),
        error_code: s.error_code,
        error_message: s.error_message,
        evidence: s.evidence,
      })
      .from(s)
      .innerJoin(a, eq(a.account_key, s.account_key))
      .where(
        and(
          after,
          sql`(${s.error_message} is not null or ${s.evidence} ?| array['unknown_fields', 'refused_end', 'rejected_not_kept'])`,
        ),
      )
      .orderBy(asc(s.account_key), asc(s.run_id))
      .limit(BATCH);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = gt(
      sql`(${s.account_key}, ${s.run_id})`,
      sql`(${last.account_key}::integer, ${last.run_id}::bigint)`,
    );
  }
}
