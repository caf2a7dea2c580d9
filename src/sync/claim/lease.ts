// One lease per account: at most one run at a time, whatever triggers it. The publish checks the lease again: that is
// the fence. We use no session advisory locks, because they break behind transaction poolers.
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { isConnectionLoss, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { leases, snapshots, syncRuns } from '../../db/schema.ts';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';

export type Trigger = 'cron' | 'cli' | 'http' | 'import';

export type LeaseTiming = {
  heartbeatMs: number;
  /** A lease without a heartbeat for this long may be taken over. */
  leaseMs: number;
  pollMs: number;
  /** After a signal, a publish may take this long to end. Then it is rolled back. */
  graceMs: number;
};
export const LEASE_TIMING: LeaseTiming = {
  heartbeatMs: 5_000,
  leaseMs: 30_000,
  pollMs: 1_000,
  graceMs: 20_000,
};

export type Lease = {
  accountKey: number;
  accountId: string;
  runId: number;
  owner: string;
  trigger: Trigger;
  scheduledFor: string | null;
  startedAt: string;
  host: string;
};

/** Sends a heartbeat. Without `progress`, the stored progress stays. False: the lease belongs to another run now. */
export async function beat(
  pool: Pool,
  lease: Lease,
  progress?: Record<string, unknown>,
  { leaseMs }: Pick<LeaseTiming, 'leaseMs'> = LEASE_TIMING,
): Promise<boolean> {
  const update = drizzle(pool)
    .update(leases)
    .set({ heartbeat_at: sql`now()`, ...(progress === undefined ? {} : { progress }) })
    .where(and(eq(leases.account_key, lease.accountKey), eq(leases.owner, lease.owner)))
    .toSQL();
  // A third of the lease: if the network path falls silent, there must be time for another heartbeat. Drizzle has no
  // timeout of its own.
  const statement = { text: update.sql, values: update.params, query_timeout: leaseMs / 3 };
  return (await pool.query(statement)).rowCount === 1;
}

/** Locks the lease until the transaction ends, and checks that it is still ours. Throws LEASE_LOST. */
export async function fence(tx: Transaction, lease: Lease): Promise<void> {
  const [row] = await tx
    .select({ owner: leases.owner })
    .from(leases)
    .where(eq(leases.account_key, lease.accountKey))
    .for('no key update');
  if (row?.owner !== lease.owner) throw leaseLost(lease);
}

/** The statement that releases the lease. It touches one row while the lease is ours. */
export function releaseLease(tx: Transaction, lease: Lease) {
  return tx
    .delete(leases)
    .where(and(eq(leases.account_key, lease.accountKey), eq(leases.owner, lease.owner)));
}

/** Releases the account of a run that wrote nothing. Throws LEASE_LOST. */
export async function dropLease(pool: Pool, lease: Lease): Promise<void> {
  let wasOurs = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        // After a COMMIT without a reply, the lease may be missing because that COMMIT released it.
        if (!wasOurs) await fence(tx, lease);
        await releaseLease(tx, lease);
      });
    } catch (error) {
      wasOurs ||= error instanceof CommitUnknown;
      const pause = RESTART_PAUSES_MS[attempt];
      if (pause === undefined || !isConnectionLoss(error)) throw error;
      await sleep(pause);
    }
  }
}

export function leaseLost(lease: Lease): OperatorError {
  return new OperatorError({
    code: 'LEASE_LOST',
    happened: `Run ${lease.runId} was silent for too long, and another run has taken the account over`,
    means: 'Nothing of this run was published',
    todo: 'Nothing, unless it happens often: then look for a paused machine or a database that does not answer',
  });
}

/** After a COMMIT without a reply: waits for the old transaction to end, then looks. Null: not published. */
export async function findPublished(pool: Pool, lease: Lease): Promise<{ snapshotId: number } | null> {
  return inTransaction(pool, { ...DEFAULT_LIMITS, lockMs: 60_000, statementMs: 60_000 }, async (tx) => {
    // The publish holds this row until it commits or rolls back. A plain read of the run would answer too early.
    await tx.select().from(leases).where(eq(leases.account_key, lease.accountKey)).for('update');
    const [run] = await tx
      .select({ snapshotId: syncRuns.snapshot_id })
      .from(syncRuns)
      .innerJoin(
        snapshots,
        and(eq(snapshots.account_key, syncRuns.account_key), eq(snapshots.snapshot_id, syncRuns.snapshot_id)),
      )
      .where(and(eq(syncRuns.account_key, lease.accountKey), eq(syncRuns.run_id, lease.runId)));
    return run?.snapshotId == null ? null : { snapshotId: run.snapshotId };
  });
}
