// Rejected records without their raw text, newest first.
import { and, asc, desc, eq, inArray, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, rejectedRecords as r } from '../../db/schema.ts';
import { isWaiting } from './waiting-records.ts';

export type RejectedRow = {
  account_id: string;
  /** The first 8 digits of record_hash, or 16 if another record of the account begins with the same 8. */
  id: string;
  user_id: string | null;
  reason: string;
  first_seen_at: string;
  last_seen_at: string;
  first_run_id: number;
  last_run_id: number;
  waiting: boolean;
};

/** `total` also counts records beyond the limit. */
export async function listRejected(
  db: Db,
  filter: { accountKeys?: readonly number[]; all: boolean; limit: number },
): Promise<{ rows: RejectedRow[]; total: number }> {
  const conditions: SQL[] = [];
  if (filter.accountKeys !== undefined) conditions.push(inArray(r.account_key, [...filter.accountKeys]));
  if (!filter.all) conditions.push(isWaiting());
  const rows = await on(db)
    .select({ ...REJECTED_COLUMNS, total: sql<number>`(count(*) over ())::integer` })
    .from(r)
    .innerJoin(accounts, eq(accounts.account_key, r.account_key))
    .where(and(...conditions))
    .orderBy(asc(r.account_key), desc(r.last_seen_at), asc(r.record_hash))
    .limit(filter.limit);
  return { rows, total: rows[0]?.total ?? 0 };
}

const eight = sql`left(${r.record_hash}, 8)`;

/**
 * The condition on other records is a range of the primary key: every digit of a hash sorts before "g", in any
 * collation.
 */
export const REJECTED_COLUMNS = {
  account_id: accounts.account_id,
  id: sql<string>`case when exists (
      select 1 from ${r} other
       where other.account_key = ${r.account_key} and other.record_hash >= ${eight} and other.record_hash < ${eight} || 'g'
         and other.record_hash <> ${r.record_hash})
    then left(${r.record_hash}, 16) else ${eight} end`,
  user_id: r.user_id,
  reason: r.reason,
  first_seen_at: r.first_seen_at,
  last_seen_at: r.last_seen_at,
  first_run_id: r.first_run_id,
  last_run_id: r.last_run_id,
  waiting: isWaiting(),
};
