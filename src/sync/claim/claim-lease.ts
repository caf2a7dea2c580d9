// Claims an account: takes the lease if it is free, if its holder has died, or if this owner holds it already.
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { unionAll } from 'drizzle-orm/pg-core';
import { refuseCopied, takeFeedValue, UNTIL_CANCELLED } from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import type { Pool } from '../../db/pool.ts';
import { leases, runIds, syncRuns } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { isKnownDead, type ProcessIdentity } from '../../host/process-identity.ts';
import { addAccount, findAccount } from './account-row.ts';
import type { Lease, LeaseTiming, Trigger } from './lease.ts';

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
  /** Ends a wait for the feed clock. */
  signal?: AbortSignal;
};

/** Judges a lease that belongs to another owner. Pure. */
export function judgeHolder(
  holder: Holder,
  timing: LeaseTiming,
  knownDead: boolean,
): 'running' | 'silent' | 'expired' {
  if (knownDead || holder.silentMs > timing.leaseMs) return 'expired';
  return holder.silentMs > timing.heartbeatMs * 1.5 ? 'silent' : 'running';
}

/**
 * One attempt to take the lease. If the reply to a claim is lost, claim again: with the same owner, it is the same
 * claim. A new account and an abandoned run are recorded first, each in its own transaction, because both take a value
 * of the feed clock and may wait for it. The lease would age during that wait.
 */
export async function claimLease(pool: Pool, request: ClaimRequest): Promise<Claim> {
  let tookOver: number | null = null;
  for (;;) {
    const step = await inTransaction(pool, DEFAULT_LIMITS, (tx) => takeIfFree(tx, request));
    if (step.kind === 'unknown') await addAccount(pool, request);
    else if (step.kind === 'dead') tookOver = (await abandonRun(pool, step.accountKey, request)) ?? tookOver;
    else if (step.kind === 'claimed') return { ...step, tookOver };
    else return step;
  }
}

type ClaimAttempt =
  | Exclude<Claim, { kind: 'claimed' }>
  | { kind: 'claimed'; lease: Lease }
  | { kind: 'unknown' }
  | { kind: 'dead'; accountKey: number };

async function takeIfFree(tx: Transaction, request: ClaimRequest): Promise<ClaimAttempt> {
  const { owner, timing } = request;
  await holdSchema(tx);
  const accountKey = await findAccount(tx, request.accountId);
  if (accountKey === null) return { kind: 'unknown' };
  await refuseCopied(tx, accountKey);
  const { held, current } = await lookAtLease(tx, accountKey);
  const holder = keptBy(held, current, owner, timing);
  if (holder !== null) return { kind: 'held', holder };
  if (held !== undefined && held.owner !== owner) return { kind: 'dead', accountKey };
  const mine = await takeLease(tx, accountKey, request);
  if (mine === undefined) return { kind: 'held', holder: await winnerOf(tx, accountKey) };
  // Checked only now, because the run that finished the slot released the lease in the same transaction.
  const runId = await findSlotRun(tx, accountKey, request);
  if (runId !== null) {
    await tx.delete(leases).where(and(eq(leases.account_key, accountKey), eq(leases.owner, owner)));
    return { kind: 'slot_done', runId };
  }
  return { kind: 'claimed', lease: leaseOf(mine, request) };
}

/** Records the run of a dead holder and frees its lease. Returns its run id, or null if another process has done so. */
export async function abandonRun(
  pool: Pool,
  accountKey: number,
  { owner, timing, signal }: Pick<ClaimRequest, 'owner' | 'timing' | 'signal'>,
): Promise<number | null> {
  return inTransaction(
    pool,
    DEFAULT_LIMITS,
    async (tx) => {
      await holdSchema(tx);
      const { held, current } = await lookAtLease(tx, accountKey);
      if (held === undefined || held.owner === owner || keptBy(held, current, owner, timing) !== null)
        return null;
      await tx.delete(leases).where(and(eq(leases.account_key, accountKey), eq(leases.owner, held.owner)));
      await recordAbandoned(tx, held, await takeFeedValue(tx, accountKey, { waitMs: UNTIL_CANCELLED }));
      return held.run_id;
    },
    signal,
  );
}

type LeaseRow = typeof leases.$inferSelect;
type SeenRow = LeaseRow & { silentMs: number };

/** The holder who keeps the lease; null if it may be taken. `held`: the row, if this transaction has locked it. */
export function keptBy(
  held: SeenRow | undefined,
  current: SeenRow | undefined,
  owner: string,
  timing: LeaseTiming,
): Holder | null {
  if (held === undefined) {
    if (current === undefined || current.owner === owner) return null;
    // Another transaction holds the lock. If the lease has expired, that may be another claim, or the server is still
    // ending the transaction of a killed process. In both cases the caller looks again.
    const isOver = current.silentMs > timing.leaseMs || isKnownDead(current.process);
    return holderOf(current, isOver ? Math.max(current.silentMs, timing.leaseMs + 1) : 0);
  }
  if (held.owner === owner) return null;
  const holder = holderOf(held, held.silentMs);
  return judgeHolder(holder, timing, isKnownDead(holder.process)) === 'expired' ? null : holder;
}

/**
 * Undefined if another claim was quicker, because two claims may insert at once. The second one then meets the fresh
 * lease of the first, and the condition refuses it.
 */
async function takeLease(
  tx: Transaction,
  accountKey: number,
  { owner, trigger, scheduledFor, identity }: ClaimRequest,
): Promise<LeaseRow | undefined> {
  const [mine] = await tx
    .insert(leases)
    .values({
      account_key: accountKey,
      run_id: sql`nextval(${`risk_internal.${runIds.seqName}`})`,
      owner,
      trigger,
      scheduled_for: scheduledFor?.toISOString() ?? null,
      started_at: sql`now()`,
      heartbeat_at: sql`now()`,
      host: identity.host,
      process: identity.process,
    })
    .onConflictDoUpdate({
      target: leases.account_key,
      set: { heartbeat_at: sql`excluded.heartbeat_at` },
      setWhere: eq(leases.owner, owner),
    })
    .returning();
  return mine;
}

async function winnerOf(tx: Transaction, accountKey: number): Promise<Holder> {
  const [winner] = await tx.select().from(leases).where(eq(leases.account_key, accountKey));
  if (winner === undefined) throw new Error('the lease that blocked the claim is gone');
  return holderOf(winner, 0);
}

/** The run that has succeeded for the slot of the claim. Null if there is no such run, or the claim has no slot. */
async function findSlotRun(
  tx: Transaction,
  accountKey: number,
  { scheduledFor }: Pick<ClaimRequest, 'scheduledFor'>,
): Promise<number | null> {
  if (scheduledFor === null) return null;
  const [done] = await tx
    .select({ run_id: syncRuns.run_id })
    .from(syncRuns)
    .where(
      and(
        eq(syncRuns.account_key, accountKey),
        eq(syncRuns.scheduled_for, scheduledFor.toISOString()),
        eq(syncRuns.status, 'succeeded'),
      ),
    );
  return done?.run_id ?? null;
}

function leaseOf(mine: LeaseRow, { accountId, owner, trigger, scheduledFor }: ClaimRequest): Lease {
  return {
    accountKey: mine.account_key,
    accountId,
    runId: mine.run_id,
    owner,
    trigger,
    scheduledFor: scheduledFor?.toISOString() ?? null,
    startedAt: mine.started_at,
    host: mine.host,
  };
}

/**
 * Reads the lease as it is (`current`), and again with a lock if that lock is free (`held`). It skips a locked row,
 * because the holder is publishing or sending a heartbeat. Waiting for the lock would end in a second run.
 */
export async function lookAtLease(tx: Transaction, accountKey: number) {
  const ofAccount = eq(leases.account_key, accountKey);
  const columns = {
    ...getTableColumns(leases),
    silentMs: sql<number>`extract(epoch from now() - ${leases.heartbeat_at})::float8 * 1000`.as('silent_ms'),
  };
  // In a WITH, because UNION does not allow FOR UPDATE.
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

function holderOf(row: LeaseRow, silentMs: number): Holder {
  return {
    runId: row.run_id,
    startedAt: new Date(row.started_at),
    host: row.host,
    silentMs,
    process: row.process,
  };
}

async function recordAbandoned(tx: Transaction, row: LeaseRow, feedId: number): Promise<void> {
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
      feed_id: feedId,
    })
    .onConflictDoNothing();
}
