// Rejected records whose id begins with the given digits, with their raw text.
import { and, asc, eq, inArray, sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, rejectedRecords as r } from '../../db/schema.ts';
import { REJECTED_COLUMNS, type RejectedRow } from './list-rejected.ts';

export type RejectedRecord = RejectedRow & { record_hash: string; raw: string };

/** `prefix`: lower-case hexadecimal digits. Returns at most ten records, because a person cannot choose from more. */
export async function findRejected(
  db: Db,
  filter: { prefix: string; accountKeys?: readonly number[] },
): Promise<RejectedRecord[]> {
  const conditions: SQL[] = [sql`starts_with(${r.record_hash}, ${filter.prefix})`];
  if (filter.accountKeys !== undefined) conditions.push(inArray(r.account_key, [...filter.accountKeys]));
  return on(db)
    .select({ ...REJECTED_COLUMNS, record_hash: r.record_hash, raw: r.raw })
    .from(r)
    .innerJoin(accounts, eq(accounts.account_key, r.account_key))
    .where(and(...conditions))
    .orderBy(asc(r.account_key), asc(r.record_hash))
    .limit(10);
}
