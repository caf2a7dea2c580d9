// Days of activity, and how well each day is covered by runs: plain loops, no SQL.
import { HOUR, type Calendar } from './calendar.ts';
import type { SnapshotRecord } from '../oracle.ts';
import {
  type Past,
  type Row,
  type RunFact,
  seconds,
  least,
  greatest,
  lastBefore,
  until,
  daysOf,
} from './past.ts';

export function activityOf(past: Past, calendar: Calendar, now: bigint): Row[] {
  const { snapshots } = past.oracle;
  const counters = new Map<string, string>();
  const active = new Map<SnapshotRecord, Set<string>>();
  for (const snapshot of snapshots) {
    const moved = [...snapshot.state].filter(
      ([userId, user]) => counters.get(userId) !== `${user.eventCount} ${user.lastEvent}`,
    );
    for (const [userId, user] of moved) counters.set(userId, `${user.eventCount} ${user.lastEvent}`);
    active.set(snapshot, new Set(snapshot.isBaseline ? [] : moved.map(([userId]) => userId)));
  }
  return daysOf(past, calendar, now).map(({ day, from, to }) => {
    const taken = snapshots.filter((one) => one.at >= from && one.at < to);
    const news = taken.filter((one) => !one.isBaseline);
    const sum = (kind: 'appeared' | 'raised' | 'lowered' | 'cleared' | 'returned') =>
      news.reduce((total, { counts }) => total + counts[kind], 0);
    return {
      day,
      snapshot_count: taken.length,
      appeared: sum('appeared'),
      raised: sum('raised'),
      lowered: sum('lowered'),
      cleared: sum('cleared'),
      returned: sum('returned'),
      active_users: new Set(news.flatMap((one) => [...active.get(one)!])).size,
    };
  });
}

export function coverageOf(past: Past, calendar: Calendar, now: bigint): Row[] {
  const { runs, oracle } = past;
  const { snapshots } = oracle;
  if (runs.length === 0) return [];
  const earliest = (instants: bigint[]) =>
    instants.length === 0 ? null : instants.reduce((a, b) => (b < a ? b : a));
  const firstSlot = earliest(runs.flatMap((run) => run.scheduledFor ?? []));
  const first = earliest(runs.map((run) => run.finishedAt))!;
  if (first > until(past, now)) return [];
  return calendar.days(first, until(past, now)).map(({ day, from, to }) => {
    const end = least(to, until(past, now));
    const ended = runs.filter((run) => run.finishedAt >= from && run.finishedAt < to);
    const count = (status: string) => ended.filter((run) => run.status === status).length;
    const slots = (kept: (run: RunFact) => boolean) =>
      new Set(
        runs
          .filter((run) => run.finishedAt >= from && run.finishedAt < to + 24n * HOUR && kept(run))
          .flatMap((run) => run.scheduledFor ?? [])
          .filter((slot) => slot >= from && slot < to),
      ).size;
    const taken = snapshots.filter((one) => one.at >= from && one.at < to);
    const gaps = taken.flatMap((one) => {
      const before = lastBefore(snapshots, one.at);
      return before === undefined ? [] : [one.at - before.at];
    });
    const largest = gaps.length === 0 ? null : gaps.reduce((a, b) => (b > a ? b : a));
    const newest = lastBefore(snapshots, to);
    const age = newest === undefined ? null : end - newest.at;
    return {
      day,
      run_count: ended.length,
      succeeded_count: count('succeeded'),
      failed_count: count('failed'),
      abandoned_count: count('abandoned'),
      complete_count: taken.filter((one) => one.verdict === 'complete').length,
      partial_count: taken.filter((one) => one.verdict === 'partial').length,
      expected_slot_count: expectedSlots(runs, { from, to, end, firstSlot }),
      slot_count: slots(() => true),
      slot_succeeded_count: slots((run) => run.status === 'succeeded'),
      largest_gap_seconds: seconds(largest),
      age_at_end_seconds: seconds(age),
    };
  });
}

function expectedSlots(
  runs: readonly RunFact[],
  day: { from: bigint; to: bigint; end: bigint; firstSlot: bigint | null },
): number | null {
  const ended = runs.filter((run) => run.finishedAt < day.to);
  const newest = ended.reduce((at, run) => (run.finishedAt > at ? run.finishedAt : at), 0n);
  const since = newest - 31n * 24n * HOUR;
  // The 50 newest attempts, and the 10 newest slots that succeeded.
  const attempts = ended
    .filter((run) => run.scheduledFor !== null && run.finishedAt >= since)
    .toSorted((a, b) => Number(b.finishedAt - a.finishedAt))
    .slice(0, 50);
  const done = runs
    .filter((run) => run.status === 'succeeded' && run.scheduledFor !== null)
    .filter((run) => run.scheduledFor! < day.to && run.scheduledFor! >= since)
    .toSorted((a, b) => Number(b.scheduledFor! - a.scheduledFor!))
    .slice(0, 10);
  const slots = [...new Set([...attempts, ...done].map((run) => run.scheduledFor!))]
    .toSorted((a, b) => Number(a - b))
    .slice(-10);
  const gaps = slots.slice(1).map((slot, index) => slot - slots[index]!);
  if (gaps.length === 0) return null;
  const usual = gaps.toSorted((a, b) => Number(a - b))[Math.ceil(gaps.length / 2) - 1]!;
  const whole = Math.round(Number(day.to - day.from) / Number(usual));
  const sofar = Math.ceil(Number(day.end - greatest(day.from, day.firstSlot)) / Number(usual));
  return Math.max(0, Math.min(whole, sofar));
}
