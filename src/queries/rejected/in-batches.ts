// Rejected records in batches in key order, because a text may be 4,096 characters long.
import { gt, sql, type SQL } from 'drizzle-orm';
import { rejectedRecords as r } from '../../db/schema.ts';

/** At most four megabytes. */
const BATCH = 1_000;

/** `read`: at most so many records that fulfil the condition, in the order of account_key and record_hash. */
export async function* inBatches<Row extends { account_key: number; record_hash: string }>(
  read: (beyond: SQL | undefined, most: number) => Promise<Row[]>,
): AsyncGenerator<Row> {
  let beyond: SQL | undefined;
  for (;;) {
    const rows = await read(beyond, BATCH);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    beyond = gt(
      sql`(${r.account_key}, ${r.record_hash})`,
      sql`(${last.account_key}::integer, ${last.record_hash}::text)`,
    );
  }
}
