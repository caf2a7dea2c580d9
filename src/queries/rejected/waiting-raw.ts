// The waiting records with their raw text, in batches in key order, because a text may be 4,096 characters long.
import { and, asc, eq, gt, inArray, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, rejectedRecords as r } from '../../db/schema.ts';
import type { RejectedRecord } from './find-rejected.ts';
import { REJECTED_COLUMNS } from './list-rejected.ts';
import { isWaiting } from './waiting-records.ts';

const BATCH = 1_000;

export async function* waitingRaw(
  db: Db,
  filter: { accountKeys?: readonly number[] },
): AsyncGenerator<RejectedRecord> {
  let after: SQL | undefined;
  for (;;) {
    const conditions = [isWaiting(), after];
    if (filter.accountKeys !== undefined) conditions.push(inArray(r.account_key, [...filter.accountKeys]));
    const rows = await on(db)
      .select({ ...REJECTED_COLUMNS, account_key: r.account_key, record_hash: r.record_hash, raw: r.raw })
      .from(r)
      .innerJoin(accounts, eq(accounts.account_key, r.account_key))
      .where(and(...conditions))
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
