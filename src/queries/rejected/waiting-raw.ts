// The waiting records with their raw text, in batches.
import { and, asc, eq, inArray } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { accounts, rejectedRecords as r } from '../../db/schema.ts';
import type { RejectedRecord } from './find-rejected.ts';
import { inBatches } from './in-batches.ts';
import { REJECTED_COLUMNS } from './list-rejected.ts';
import { isWaiting } from './waiting-records.ts';

export function waitingRaw(
  db: Db,
  { accountKeys }: { accountKeys?: readonly number[] },
): AsyncGenerator<RejectedRecord> {
  const isOfAccounts = accountKeys && inArray(r.account_key, [...accountKeys]);
  return inBatches((beyond, most) =>
    on(db)
      .select({ ...REJECTED_COLUMNS, account_key: r.account_key, record_hash: r.record_hash, raw: r.raw })
      .from(r)
      .innerJoin(accounts, eq(accounts.account_key, r.account_key))
      .where(and(isWaiting(), beyond, isOfAccounts))
      .orderBy(asc(r.account_key), asc(r.record_hash))
      .limit(most),
  );
}
