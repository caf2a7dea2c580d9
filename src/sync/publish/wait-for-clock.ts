// Takes the feed clock for a publish. Others may hold it for long. This says who holds it, and gives up soon after a
// signal.
import { takeFeedValue, UNTIL_CANCELLED } from '../../db/feed-clock.ts';
import { describeHolders, type LockWatch } from '../../db/locks/lock-holders.ts';
import type { Transaction, TransactionLimits } from '../../db/transaction.ts';
import { startGrace } from '../../time/grace.ts';

export type ClockWait = {
  /** Called once if the publish waits for the feed clock for seconds. `heldBy`: the holder, in words for the log. */
  onWait?: (heldBy: string) => void;
  /**
   * If it aborts, a publish that is waiting for the feed clock gives up within seconds. A publish that is not waiting
   * goes on.
   */
  endWait?: AbortSignal;
};

// The small publishes of other accounts end within this time.
const GRACE_MS = 2_000;

/** Returns the next feed value. `giveUp` cancels the transaction. `limits` hold afterwards. */
export async function waitForClock(
  tx: Transaction,
  accountKey: number,
  locks: Pick<LockWatch, 'onWait'>,
  limits: TransactionLimits,
  { onWait, endWait }: ClockWait,
  giveUp: AbortController,
): Promise<number> {
  const stopTelling = locks.onWait((holders) => onWait?.(describeHolders(holders)));
  const grace = endWait && startGrace(endWait, GRACE_MS);
  grace?.over.addEventListener('abort', () => giveUp.abort(grace.over.reason));
  try {
    return await takeFeedValue(tx, accountKey, { waitMs: UNTIL_CANCELLED, limits });
  } finally {
    stopTelling();
    grace?.end();
  }
}
