// Waits until no run works on an account, and does one piece of work in one transaction while no run can begin. The
// work may be repeated at any time, also after a COMMIT without a reply.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError, isPassing, RESTART_PAUSES_MS } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { abandonRun, type Holder } from '../../sync/claim/claim-lease.ts';
import { whileHeld } from '../../sync/claim/hold-account.ts';
import type { LeaseTiming } from '../../sync/claim/lease.ts';

export type FreeDeps = {
  pool: Pool;
  timing: LeaseTiming;
  signal: AbortSignal;
  /** Called repeatedly while a run works on the account. */
  onBusy: (accountKey: number, holder: Holder) => void;
};

/** Throws the signal's reason between two attempts, what `work` throws, and the errors of the database. */
export async function whenFree<T>(
  deps: FreeDeps,
  accountKey: number,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    deps.signal.throwIfAborted();
    try {
      const outcome = await tryOnce(deps, accountKey, work);
      if ('done' in outcome) return outcome.done;
      deps.onBusy(accountKey, outcome.holder);
      failures = 0;
      await sleep(deps.timing.pollMs, undefined, { signal: deps.signal }).catch(() => undefined);
    } catch (error) {
      const pause = RESTART_PAUSES_MS[failures++];
      if (pause === undefined || !(error instanceof CommitUnknown || isPassing(error)))
        throw databaseError(error) ?? error;
      await sleep(pause);
    }
  }
}

async function tryOnce<T>(
  { pool, timing, signal }: FreeDeps,
  accountKey: number,
  work: (tx: Transaction) => Promise<T>,
): Promise<{ done: T } | { holder: Holder }> {
  // A run with an expired lease may only be suspended. Deleting its lease keeps it from publishing or quarantining
  // anything later.
  await abandonRun(pool, accountKey, { owner: randomUUID(), timing, signal });
  return inTransaction(pool, DEFAULT_LIMITS, (tx) => whileHeld(tx, { accountKey, timing }, () => work(tx)));
}
