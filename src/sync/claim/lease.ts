// One lease per account: at most one run at a time, whatever triggers it. Publish checks it once more: that is the fence.
// No session advisory locks: they break behind transaction poolers.
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { unionAll } from 'drizzle-orm/pg-core';
import { isConnectionLoss, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { leases, runIds, snapshots, syncRuns } from '../../db/schema.ts';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';
import { ensureAccount } from './ensure-account.ts';
import { isKnownDead, type ProcessIdentity } from '../../host/process-identity.ts';

export type Trigger = 'cron' | 'cli' | 'http';

export type LeaseTiming = {
  heartbeatMs: number;
  /** A lease without a heartbeat for this long may be taken over. */
  leaseMs: number;
  pollMs: number;
  /** A publish that a signal has met may take this long to end; then it is rolled back. */
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

export type Holder = { runId: number; startedAt: Date; host: string; silentMs: number; process: string };

export type Claim =
  | { kind: 'claimed'; lease: Lease; tookOver: number | null }
  | { kind: 'held'; holder: Holder }
  | { kind: 'slot_done'; runId: number };

type ClaimRequest = {
  accountId: string;
  owner: string;
  trigger: Trigger;
  scheduledFor: Date | null;
  identity: ProcessIdentity;
  timing: LeaseTiming;
};

/** What to make of somebody else's lease. Pure. */
export function judgeHolder(
  holder: Holder,
  timing: LeaseTiming,
  knownDead: boolean,
): 'running' | 'silent' | 'expired' {
  if (knownDead || holder.silentMs > timing.leaseMs) return 'expired';
  return holder.silentMs > timing.heartbeatMs * 1.5 ? 'silent' : 'running';
}

/** One attempt to take the lease. A claim whose reply was lost is simply made again: with the same owner it is mine. */
export async function claimLease(pool: Pool, request: ClaimRequest): Promise<Claim> {
  const { owner, timing, identity } = request;
  return inTransaction(pool, DEFAULT_LIMITS, async (tx): Promise<Claim> => {
    await holdSchema(tx);
    const accountKey = await ensureAccount(tx, request.accountId);
    const scheduledFor = request.scheduledFor?.toISOString() ?? null;
    const { held, current } = await lookAtLease(tx, accountKey);
    if (held === undefined && current !== undefined && current.owner !== owner) {
      // Of a lease that has run out another claim may hold the lock; of a process that was killed, the server may still be
      // ending the transaction. Either way the caller looks again.
      const isOver = current.silentMs > timing.leaseMs || isKnownDead(current.process);
      const silentMs = isOver ? Math.max(current.silentMs, timing.leaseMs + 1) : 0;
      return { kind: 'held', holder: holderOf(current, silentMs) };
    }
    const foreign = held !== undefined && held.owner !== owner;
    if (foreign) {
      const holder = holderOf(held, held.silentMs);
      if (judgeHolder(holder, timing, isKnownDead(holder.process)) !== 'expired')
        return { kind: 'held', holder };
      await recordAbandoned(tx, held);
    }
    // The row lock makes the condition certain where a row was there. Where none was, two may insert at once: the
    // second then meets a fresh lease of the first, and the condition keeps it out.
    const attempt = {
      owner,
      trigger: request.trigger,
      scheduled_for: scheduledFor,
      started_at: sql`now()`,
      heartbeat_at: sql`now()`,
      host: identity.host,
      process: identity.process,
    };
    const [mine] = await tx
      .insert(leases)
      .values({
        account_key: accountKey,
        run_id: sql`nextval(${`risk_internal.${runIds.seqName}`})`,
        ...attempt,
      })
      .onConflictDoUpdate({
        target: leases.account_key,
        set: foreign
          ? { run_id: sql`excluded.run_id`, progress: {}, ...attempt }
          : { heartbeat_at: sql`now()` },
        setWhere: sql`${leases.owner} = ${foreign ? held.owner : owner}`,
      })
      .returning();
    if (mine === undefined) {
      const [winner] = await tx.select().from(leases).where(eq(leases.account_key, accountKey));
      if (winner === undefined) throw new Error('a lease that stood in the way is not there');
      return { kind: 'held', holder: holderOf(winner, 0) };
    }
    // Only now: whoever finished the slot has released the lease in the same transaction.
    if (scheduledFor !== null) {
      const [done] = await tx
        .select({ run_id: syncRuns.run_id })
        .from(syncRuns)
        .where(
          and(
            eq(syncRuns.account_key, accountKey),
            eq(syncRuns.scheduled_for, scheduledFor),
            eq(syncRuns.status, 'succeeded'),
          ),
        );
      if (done) {
        await tx.delete(leases).where(and(eq(leases.account_key, accountKey), eq(leases.owner, owner)));
        return { kind: 'slot_done', runId: done.run_id };
      }
    }
    return {
      kind: 'claimed',
      tookOver: foreign ? held.run_id : null,
      lease: {
        accountKey,
        accountId: request.accountId,
        runId: mine.run_id,
        owner,
        trigger: request.trigger,
        scheduledFor,
        startedAt: mine.started_at,
        host: mine.host,
      },
    };
  });
}

/**
 * The lease as it stands, and once more, locked, where nobody else holds the lock. Skipping a locked row: its holder is publishing
 * or beating this very moment, and waiting would end in a second run.
 */
async function lookAtLease(tx: Transaction, accountKey: number) {
  const ofAccount = eq(leases.account_key, accountKey);
  const columns = {
    ...getTableColumns(leases),
    silentMs: sql<number>`extract(epoch from now() - ${leases.heartbeat_at})::float8 * 1000`.as('silent_ms'),
  };
  // In a WITH: UNION takes no FOR UPDATE.
  const locked = tx.$with('locked').as(
    tx
      .select({ ...columns, isLocked: sql<boolean>`true`.as('is_locked') })
      .from(leases)
      .where(ofAccount)
      .for('update', { skipLocked: true }),
  );
  const rows = await unionAll(
    tx.with(locked).select().from(locked),
    tx
      .select({ ...columns, isLocked: sql<boolean>`false`.as('is_locked') })
      .from(leases)
      .where(ofAccount),
  );
  return { held: rows.find((row) => row.isLocked), current: rows.find((row) => !row.isLocked) };
}

function holderOf(row: typeof leases.$inferSelect, silentMs: number): Holder {
  return {
    runId: row.run_id,
    startedAt: new Date(row.started_at),
    host: row.host,
    silentMs,
    process: row.process,
  };
}

async function recordAbandoned(tx: Transaction, row: typeof leases.$inferSelect): Promise<void> {
  await tx
    .insert(syncRuns)
    .values({
      account_key: row.account_key,
      run_id: row.run_id,
      trigger: row.trigger,
      scheduled_for: row.scheduled_for,
      status: 'abandoned',
      started_at: row.started_at,
      finished_at: sql`now()`,
      host: row.host,
      evidence: { last_heartbeat_at: row.heartbeat_at, progress: row.progress },
      error_code: 'ABANDONED',
      error_message: `The process on ${row.host} stopped without finishing. Nothing of this run was published. Nothing to do: the next run started over.`,
    })
    .onConflictDoNothing();
}

/** Sign of life. Without `progress` the newest stays. False: the lease is somebody else's now. */
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
  // A third: over a path that has gone silent there must be time for another beat, and Drizzle has no timeout of its own.
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

export async function releaseLease(tx: Transaction, lease: Lease): Promise<void> {
  await tx.delete(leases).where(and(eq(leases.account_key, lease.accountKey), eq(leases.owner, lease.owner)));
}

/** Gives the account free without having written anything. Throws LEASE_LOST. */
export async function dropLease(pool: Pool, lease: Lease): Promise<void> {
  let wasOurs = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        // After a COMMIT without a reply the lease may be gone because it was given back.
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
    // The publish holds this row until its end is decided: a plain read of the run would answer too early.
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
