// Holds an account for one short transaction of upkeep: no run of it can begin or publish until the transaction ends.
// The lease exists only inside the transaction. So a process that dies leaves no lease behind, and no heartbeat is
// needed.
import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import { leases } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { processIdentity } from '../../host/process-identity.ts';
import { keptBy, lookAtLease, type Holder } from './claim-lease.ts';
import type { LeaseTiming } from './lease.ts';

/**
 * Runs `work` while the account is held. A claim that arrives during this time waits for the end of the transaction. If
 * a run is under way, returns its holder and does not run `work`. The lease of a dead run stays, locked, for the next
 * claim to record.
 */
export async function whileHeld<T>(
  tx: Transaction,
  { accountKey, timing }: { accountKey: number; timing: LeaseTiming },
  work: () => Promise<T>,
): Promise<{ done: T } | { holder: Holder }> {
  const owner = randomUUID();
  const { host, process } = processIdentity();
  const mine = await tx
    .insert(leases)
    .values({
      account_key: accountKey,
      // No other session ever sees this row, so it needs no id.
      run_id: 0,
      owner,
      trigger: 'cli',
      started_at: sql`now()`,
      heartbeat_at: sql`now()`,
      host,
      process,
    })
    .onConflictDoNothing()
    .returning({ key: leases.account_key });
  if (mine.length === 0) {
    const { held, current } = await lookAtLease(tx, accountKey);
    const holder = keptBy(held, current, owner, timing);
    if (holder !== null) return { holder };
    // The run has just ended. The account has no holder, and this transaction does not hold it either.
    if (held === undefined) return whileHeld(tx, { accountKey, timing }, work);
  }
  // At once, so that no round trip is left for the end, when this transaction may hold the feed clock. A session that
  // inserts the same key still waits for this transaction: its outcome decides whether the row ever existed.
  else await tx.delete(leases).where(and(eq(leases.account_key, accountKey), eq(leases.owner, owner)));
  return { done: await work() };
}
