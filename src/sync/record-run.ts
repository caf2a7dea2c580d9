// Writes the row of sync_runs, once, when the attempt has ended.
import { sql } from 'drizzle-orm';
import type { ClientUsage } from '../cloudflare/usage.ts';
import { takeFeedValue, UNTIL_CANCELLED } from '../db/feed-clock.ts';
import { holdSchema } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { syncRuns } from '../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../db/transaction.ts';
import type { OperatorError } from '../errors.ts';
import { fence, releaseLease, type Lease } from './claim/lease.ts';
import type { WalkCounts } from './walk/count-walk.ts';
import type { Verdict } from './walk/verdict.ts';

/** What is known about an attempt that has published or failed. */
export type RunFacts = ClientUsage &
  WalkCounts & {
    /** Absent users who were looked up. */
    lookups: number;
  };

export type RunEnd = RunFacts & {
  verdict: Verdict | null;
  snapshotId: number | null;
  /** The feed clock's value of this transaction. If a snapshot was published, it is the snapshot's id. */
  feedId: number;
  expectedUnseen: number | null;
  error: Pick<OperatorError, 'code' | 'message'> | null;
};

/** The statement that records how a run ended. It touches one row. */
export function runRecord(tx: Transaction, lease: Lease, end: RunEnd) {
  return tx.insert(syncRuns).values({
    account_key: lease.accountKey,
    run_id: lease.runId,
    trigger: lease.trigger,
    scheduled_for: lease.scheduledFor,
    status: end.error === null ? 'succeeded' : 'failed',
    verdict: end.verdict,
    started_at: lease.startedAt,
    // The time now, not at the start of the transaction: a publish takes seconds.
    finished_at: sql`clock_timestamp()`,
    host: lease.host,
    passes: end.passes,
    expected_unseen: end.expectedUnseen,
    pages: end.pages,
    requests: end.requests,
    retries: end.retries,
    bytes: end.bytes,
    users_met: end.usersMet,
    duplicates: end.duplicates,
    rejected: end.rejected,
    total_first: end.totalFirst,
    total_last: end.totalLast,
    lookups: end.lookups,
    evidence: end.evidence,
    error_code: end.error?.code ?? null,
    error_message: end.error?.message ?? null,
    snapshot_id: end.snapshotId,
    feed_id: end.feedId,
  });
}

/**
 * Records a failed attempt and releases the lease. A dry run leaves no record. If another run holds the lease by now,
 * it writes nothing and throws LEASE_LOST. `cancel` ends the wait for the feed clock: the lease then expires.
 */
export async function recordFailure(
  pool: Pool,
  lease: Lease,
  facts: RunFacts,
  error: Pick<OperatorError, 'code' | 'message'>,
  dryRun: boolean,
  cancel?: AbortSignal,
): Promise<void> {
  const end = { ...facts, verdict: null, snapshotId: null, expectedUnseen: null, error };
  await inTransaction(
    pool,
    DEFAULT_LIMITS,
    async (tx) => {
      await holdSchema(tx);
      await fence(tx, lease);
      await releaseLease(tx, lease);
      if (dryRun) return;
      const feedId = await takeFeedValue(tx, lease.accountKey, { waitMs: UNTIL_CANCELLED });
      await runRecord(tx, lease, { ...end, feedId });
    },
    cancel,
  );
}
