// Sends heartbeats while a run walks, one at a time, even if the connection fails or hangs.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../db/pool.ts';
import type { Logger } from '../../logger.ts';
import { beat, leaseLost, type Lease, type LeaseTiming } from './lease.ts';

/** Aborts `abort` with LEASE_LOST if the lease now belongs to another run. */
export function startHeartbeat(
  { pool, logger, timing }: { pool: Pool; logger: Logger; timing: LeaseTiming },
  lease: Lease,
  abort: AbortController,
  progress: () => Record<string, unknown>,
) {
  let beating: Promise<void> | null = null;
  let isFailing = false;
  const beatOnce = async () => {
    try {
      if (!(await beat(pool, lease, progress(), timing))) abort.abort(leaseLost(lease));
      if (isFailing) logger.info('heartbeat works again');
      isFailing = false;
    } catch (error) {
      if (!isFailing) logger.warn({ err: error }, 'heartbeat failed');
      isFailing = true;
    }
  };
  const timer = setInterval(() => {
    beating ??= beatOnce().finally(() => {
      beating = null;
    });
  }, timing.heartbeatMs);
  return {
    /** Call it before the publish locks the lease row: a heartbeat under way would wait for that lock. */
    async stop() {
      clearInterval(timer);
      await Promise.race([beating, sleep(timing.heartbeatMs, undefined, { ref: false })]);
    },
  };
}
