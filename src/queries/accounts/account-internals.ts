// What the worker keeps about one account: the run in progress, and the rejected records that wait. Reads schema
// `risk_internal`, which not every role may read.
import { and, eq, sql } from 'drizzle-orm';
import { onlyRow } from '../../db/sql/only-row.ts';
import { leases, rejectedRecords } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { isWaiting } from '../rejected/waiting-records.ts';

export type LeaseHolder = {
  runId: number;
  host: string;
  /** Identifies the process, so that the same host can tell whether it is alive (host/process-identity.ts). */
  process: string;
  startedAt: string;
  silentMs: number;
};

/** Null: no run is in progress. */
export async function leaseHolder(tx: Transaction, accountKey: number): Promise<LeaseHolder | null> {
  const [holder] = await tx
    .select({
      runId: leases.run_id,
      host: leases.host,
      process: leases.process,
      startedAt: leases.started_at,
      silentMs: sql<number>`extract(epoch from now() - ${leases.heartbeat_at})::float8 * 1000`,
    })
    .from(leases)
    .where(eq(leases.account_key, accountKey));
  return holder ?? null;
}

/** Rejected records that wait, as `rejected list` shows them. */
export async function countWaiting(tx: Transaction, accountKey: number): Promise<number> {
  const rows = await tx
    .select({ count: sql<number>`count(*)::integer` })
    .from(rejectedRecords)
    .where(and(eq(rejectedRecords.account_key, accountKey), isWaiting()));
  return onlyRow(rows).count;
}
