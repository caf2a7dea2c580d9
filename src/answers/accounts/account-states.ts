// The state of each account compared with the schedule: its age, whether it is stale, and the outcome of the last slot.
import type { Db } from '../../db/handle.ts';
import type { AccountStatus } from '../../queries/accounts/list-accounts.ts';
import { databaseNow } from '../../queries/health/database-now.ts';
import { slotRuns, type SlotRun } from '../../queries/runs/slot-runs.ts';
import { longestInterval, nextSlots, staleAfter } from '../../time/schedule.ts';
import { slotsBefore } from '../../time/slots.ts';

export type ScheduleState = {
  schedule: string;
  timezone: string;
  /** The newest slot that has passed. Null if there was none within a year. */
  lastSlot: Date | null;
  nextSlot: Date | null;
  /** Age from which a snapshot is stale: two of the longest intervals, as in /readyz and /metrics. */
  staleAfterMs: number;
  /** Runs of the last slot, by account id. */
  runs: ReadonlyMap<string, SlotRun>;
  /** The holder of a lease counts as dead after a longer silence than this. */
  leaseMs: number;
};

export async function scheduleState(
  db: Db,
  { schedule, timezone, leaseMs }: Pick<ScheduleState, 'schedule' | 'timezone' | 'leaseMs'>,
): Promise<ScheduleState> {
  const [lastSlot = null] = slotsBefore(schedule, timezone, await databaseNow(db), 1);
  const [nextSlot = null] = nextSlots(schedule, timezone, 1);
  return {
    schedule,
    timezone,
    lastSlot,
    nextSlot,
    staleAfterMs: staleAfter(longestInterval(schedule, timezone)),
    leaseMs,
    runs: new Map(
      lastSlot === null ? [] : (await slotRuns(db, lastSlot)).map((run) => [run.account_id, run]),
    ),
  };
}

/** Null for a retired account, and for an account so new that it need not have a snapshot yet. */
export function isStale(state: AccountStatus, { staleAfterMs }: ScheduleState): boolean | null {
  if (state.retired_at !== null) return null;
  if (state.age_ms !== null) return state.age_ms > staleAfterMs;
  return state.known_ms > staleAfterMs ? true : null;
}
