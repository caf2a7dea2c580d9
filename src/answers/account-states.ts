// The state of each account beside the schedule: how old, whether that is too old, and what became of the last slot.
import type { Pool } from '../db/pool.ts';
import type { AccountState } from '../queries/accounts/list-accounts.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { slotRuns, type SlotRun } from '../queries/runs/slot-runs.ts';
import { longestInterval, nextSlots, staleAfter } from '../time/schedule.ts';
import { slotsBefore } from '../time/slots.ts';

export type ScheduleState = {
  schedule: string;
  timezone: string;
  /** The newest that has passed; null when a year holds none. */
  lastSlot: Date | null;
  nextSlot: Date | null;
  /** Age from which a snapshot is stale: two of the longest intervals, as /readyz and /metrics have it. */
  staleAfterMs: number;
  /** Runs of the last slot. */
  runs: readonly SlotRun[];
  /** A holder of a lease that has been silent for longer is gone. */
  leaseMs: number;
};

export async function scheduleState(
  pool: Pool,
  { schedule, timezone, leaseMs }: Pick<ScheduleState, 'schedule' | 'timezone' | 'leaseMs'>,
): Promise<ScheduleState> {
  const [lastSlot = null] = slotsBefore(schedule, timezone, await databaseNow(pool), 1);
  const [nextSlot = null] = nextSlots(schedule, timezone, 1);
  return {
    schedule,
    timezone,
    lastSlot,
    nextSlot,
    staleAfterMs: staleAfter(longestInterval(schedule, timezone)),
    leaseMs,
    runs: lastSlot === null ? [] : await slotRuns(pool, lastSlot),
  };
}

/** Null for an account that is retired, and for one so new that it need not have a snapshot. */
export function isStale(state: AccountState, { staleAfterMs }: ScheduleState): boolean | null {
  if (state.retired_at !== null) return null;
  if (state.age_ms !== null) return state.age_ms > staleAfterMs;
  return state.known_ms > staleAfterMs ? true : null;
}
