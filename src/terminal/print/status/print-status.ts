// The state of each account for `status`: its age, whether it is stale by the schedule, what fails, which run is in
// progress. Pure.
import { isStale, type ScheduleState } from '../../../answers/accounts/account-states.ts';
import { isCopyDue } from '../../../answers/copy-due.ts';
import type { LastCopy } from '../../../queries/health/last-copy.ts';
import type { AccountStatus } from '../../../queries/accounts/list-accounts.ts';
import { accountName } from '../../../answers/resolve-accounts.ts';
import { ago, duration, plural, printable } from '../../../words.ts';
import type { Cell } from '../../table.ts';
import type { View } from '../../view.ts';
import { headLines, wrap } from '../../wrap.ts';

export function accountLines(state: AccountStatus, schedule: ScheduleState, view: View): string[] {
  const name = accountName(state);
  if (state.retired_at !== null) return headLines(name, `retired ${view.time(state.retired_at)}`, view.width);
  const seen =
    state.observed_at === null
      ? 'no snapshot yet'
      : `${plural(state.user_count ?? 0, 'user')}, ${ago(state.observed_at)} (snapshot ${state.snapshot_id}, ${state.verdict})`;
  const lines: string[] = [];
  const fresh = freshness(state, schedule);
  if (fresh !== null) lines.push(fresh);
  lines.push(running(state, schedule, view));
  const slot = lastSlot(state, schedule, view);
  if (slot !== null) lines.push(slot);
  if (state.failures_since > 0)
    lines.push(
      `failed runs in a row${state.observed_at === null ? '' : ' since then'}: ${state.failures_since.toLocaleString('en-US')}`,
    );
  if (state.partials_since > 0) {
    const complete =
      state.complete_at === null
        ? 'no complete one yet'
        : `the last complete one was at ${view.time(state.complete_at)}`;
    lines.push(`partial snapshots in a row: ${state.partials_since.toLocaleString('en-US')}; ${complete}`);
  }
  if ((state.carried_count ?? 0) > 0)
    lines.push(`${plural(state.carried_count ?? 0, 'user')} carried (present, not met by the last walk)`);
  if ((state.rejected_waiting ?? 0) > 0)
    lines.push(
      `${plural(state.rejected_waiting ?? 0, 'rejected record')} waiting: zt-risk-sync rejected list`,
    );
  if (state.rejected_not_kept > 0)
    lines.push(
      `${plural(state.rejected_not_kept, 'more rejected record')} only counted: their text is not kept`,
    );
  return [
    ...headLines(name, seen, view.width),
    ...lines.map((line) => `  ${wrap(printable(line), 4, view.textWidth)}`),
  ];
}

function freshness(state: AccountStatus, schedule: ScheduleState): string | null {
  const limit = duration(schedule.staleAfterMs);
  const intervals = '(two intervals of the schedule)';
  const stale = isStale(state, schedule);
  if (stale === null) return null;
  return stale
    ? `STALE: no snapshot for more than ${limit} ${intervals}`
    : `fresh: stale after ${limit} without a snapshot ${intervals}`;
}

function running(state: AccountStatus, { leaseMs }: ScheduleState, { time }: View): string {
  if (!state.leases_visible)
    return 'this database role may not read which sync is running or which records were rejected';
  if (state.running_run_id === null) return 'no sync is running';
  const run = `run ${state.running_run_id} since ${time(state.running_since ?? new Date())} on host ${state.running_host}`;
  const silent = state.silent_ms ?? 0;
  return silent > leaseMs
    ? `silent: ${run}, no heartbeat for ${duration(silent)}; it is publishing or waits to, or the next run takes over`
    : `running: ${run}`;
}

/** This line is the first sign that no replica of `serve` is working. */
function lastSlot(state: AccountStatus, { lastSlot, runs }: ScheduleState, { time }: View): string | null {
  if (lastSlot === null || state.added_at > lastSlot) return null;
  const slot = `last slot ${time(lastSlot)}:`;
  const run = runs.get(state.account_id);
  if (run !== undefined)
    return `${slot} ${run.status} in run ${run.run_id} on host ${run.host}${run.error_code === null ? '' : ` (${run.error_code})`}`;
  return state.leases_visible && state.running_run_id === null
    ? `${slot} no run for it; is serve running with this schedule?`
    : `${slot} no run for it has ended yet`;
}

export const ACCOUNT_COLUMNS = [
  'account_id',
  'label',
  'retired_at',
  'snapshot_id',
  'observed_at',
  'verdict',
  'user_count',
  'carried_count',
  'age_seconds',
  'stale_after_seconds',
  'is_stale',
  'failed_in_a_row',
  'partial_in_a_row',
  'complete_at',
  'rejected_waiting',
  'rejected_not_kept',
  'is_running',
  'running_run_id',
  'running_since',
  'running_host',
  'silent_seconds',
  'last_slot',
  'last_slot_status',
  'last_slot_run_id',
  'next_slot',
  'copied_at',
  'is_copy_due',
] as const;

/** `copy` null: not the embedded server, so its backups are not our concern. */
export function accountCells(state: AccountStatus, schedule: ScheduleState, copy: LastCopy | null): Cell[] {
  const iso = (at: Date | null) => at?.toISOString() ?? null;
  const seconds = (ms: number | null) => (ms === null ? null : Math.round(ms / 1000));
  const run = schedule.runs.get(state.account_id);
  return [
    state.account_id,
    state.label,
    iso(state.retired_at),
    state.snapshot_id,
    iso(state.observed_at),
    state.verdict,
    state.user_count,
    state.carried_count,
    seconds(state.age_ms),
    seconds(schedule.staleAfterMs),
    isStale(state, schedule),
    state.failures_since,
    state.partials_since,
    iso(state.complete_at),
    state.rejected_waiting,
    state.rejected_not_kept,
    state.leases_visible ? state.running_run_id !== null && (state.silent_ms ?? 0) <= schedule.leaseMs : null,
    state.running_run_id,
    iso(state.running_since),
    state.running_host,
    seconds(state.silent_ms),
    iso(schedule.lastSlot),
    run?.status ?? null,
    run?.run_id ?? null,
    iso(schedule.nextSlot),
    iso(copy?.copied_at ?? null),
    copy === null ? null : isCopyDue(copy),
  ];
}

/** Null: nothing to warn of. */
export function copyWarning(copy: LastCopy | null, { textWidth }: View): string | null {
  if (copy?.began_at == null || !isCopyDue(copy)) return null;
  const age = duration(Date.now() - copy.began_at.getTime());
  return wrap(
    `NEVER COPIED: this history is ${age} old and exists only in the embedded Postgres of this machine. Save it with \`zt-risk-sync database backup <file>\`, or move it to a server with \`database copy\``,
    2,
    textWidth,
  );
}
