// All rejected records with their raw text, in batches in key order, for a search term that the database must not see.
import { and, asc, eq, gt, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts as a, rejectedRecords as r } from '../../db/schema.ts';
import { exactTime } from './person-users.ts';

export type RejectedText = {
  account_key: number;
  account_id: string;
  label: string | null;
  record_hash: string;
  user_id: string | null;
  reason: string;
  raw: string;
  first_seen_at: string;
  last_seen_at: string;
};

// At most four megabytes.
const BATCH = 1_000;

export async function* rejectedTexts(db: Db): AsyncGenerator<RejectedText> {
  let after: SQL | undefined;
  for (;;) {
    const rows = await on(db)
      .select({
        account_key: r.account_key,
        account_id: a.account_id,
        label: a.label,
        record_hash: r.record_hash,
        user_id: r.user_id,
        reason: r.reason,
        raw: r.raw,
        first_seen_at: exactTime(r.first_seen_at),
        last_seen_at: exactTime(r.last_seen_at),
      })
      .from(r)
      .innerJoin(a, eq(a.account_key, r.account_key))
      .where(and(after))
      .orderBy(asc(r.account_key), asc(r.record_hash))
      .limit(BATCH);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = gt(
      sql`(${r.account_key}, ${r.record_hash})`,
      sql`(${last.account_key}::integer, ${last.record_hash}::text)`,
    );
  }
}
