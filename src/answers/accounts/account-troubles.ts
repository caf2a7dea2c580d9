// For many accounts: how many are healthy, and which need a look first. Pure.
import type { AccountStatus } from '../../queries/accounts/list-accounts.ts';
import { duration, plural } from '../../words.ts';
import { isStale, type ScheduleState } from './account-states.ts';

export type Trouble = {
  state: AccountStatus;
  /** 0 is the gravest. */
  rank: number;
  words: string;
};

/** Null: nothing needs a look. A retired account has no trouble. */
export function troubleOf(state: AccountStatus, schedule: ScheduleState): Trouble | null {
  if (state.retired_at !== null) return null;
  const found: [rank: number, words: string][] = [];
  const stale = isStale(state, schedule) === true;
  if (stale && state.age_ms === null) found.push([0, 'no snapshot yet']);
  if (stale && state.age_ms !== null) found.push([1, `STALE: ${duration(state.age_ms)} old`]);
  if (state.failures_since > 0) {
    const code = schedule.runs.get(state.account_id)?.error_code ?? null;
    found.push([2, `${plural(state.failures_since, 'failed run')}${code === null ? '' : ` (${code})`}`]);
  }
  if ((state.silent_ms ?? 0) > schedule.leaseMs)
    found.push([3, `silent run ${state.running_run_id} on ${state.running_host}`]);
  const rejected = (state.rejected_waiting ?? 0) + state.rejected_not_kept;
  if (rejected > 0) found.push([4, plural(rejected, 'rejected record')]);
  if (state.partials_since > 0) found.push([5, plural(state.partials_since, 'partial snapshot')]);
  const [gravest] = found;
  return gravest === undefined
    ? null
    : { state, rank: gravest[0], words: found.map(([, words]) => words).join('; ') };
}

const age = ({ state }: Trouble) => state.age_ms ?? state.known_ms;

/** The gravest first. Within one kind, the oldest first. */
export function troublesOf(states: readonly AccountStatus[], schedule: ScheduleState): Trouble[] {
  return states
    .flatMap((state) => troubleOf(state, schedule) ?? [])
    .toSorted((a, b) => a.rank - b.rank || age(b) - age(a));
}

export type AccountsSummary = {
  accounts: number;
  retired: number;
  fresh: number;
  stale: number;
  /** Accounts so new that they need no snapshot yet. */
  young: number;
  users: number;
  /** Null: this database role may not read it. */
  running: number | null;
  /** The runs of the last slot. Null: there was no slot. */
  slot: { at: Date; succeeded: number; failed: number; none: number } | null;
};

export function summaryOf(states: readonly AccountStatus[], schedule: ScheduleState): AccountsSummary {
  const active = states.filter(({ retired_at }) => retired_at === null);
  const stale = active.map((state) => isStale(state, schedule));
  const { lastSlot, runs } = schedule;
  const due = lastSlot === null ? [] : active.filter(({ added_at }) => added_at <= lastSlot);
  const ended = due.map(({ account_id }) => runs.get(account_id)?.status ?? null);
  const count = <T>(values: readonly T[], is: (value: T) => boolean) => values.filter(is).length;
  return {
    accounts: active.length,
    retired: states.length - active.length,
    fresh: count(stale, (one) => one === false),
    stale: count(stale, (one) => one === true),
    young: count(stale, (one) => one === null),
    users: active.reduce((sum, { user_count }) => sum + (user_count ?? 0), 0),
    running: states.some(({ leases_visible }) => !leases_visible)
      ? null
      : count(active, ({ running_run_id }) => running_run_id !== null),
    slot: lastSlot && {
      at: lastSlot,
      succeeded: count(ended, (status) => status === 'succeeded'),
      failed: count(ended, (status) => status !== null && status !== 'succeeded'),
      none: count(ended, (status) => status === null),
    },
  };
}
