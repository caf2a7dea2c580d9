// What the overview must show of published states: plain loops over the past, no SQL, and no code of the program.
import { HOUR, type Calendar } from './calendar.ts';
import { expectedViews } from './reporting-oracle.ts';
import type { Past, Row } from './past.ts';

export type Counts = { low: number; medium: number; high: number };
const LEVELS = ['low', 'medium', 'high'] as const;

/** The accounts of a total, or the one that was chosen. */
export function meant(pasts: readonly Past[], chosen: Past | null): readonly Past[] {
  return chosen === null ? pasts.filter(({ retiredAt }) => retiredAt === null) : [chosen];
}

export function countsAt(pasts: readonly Past[], at: bigint): Counts {
  const counts: Counts = { low: 0, medium: 0, high: 0 };
  for (const { oracle } of pasts)
    for (const { level } of oracle.snapshots.findLast((one) => one.at <= at)?.state.values() ?? [])
      if (level !== null) counts[level] += 1;
  return counts;
}

export type TrendPoint = Counts & { at: bigint };
export type AskedTrend = { from: bigint; to: bigint; step: 'snapshot' | 'hour' | 'day' };

export function expectedTrend(
  pasts: readonly Past[],
  calendar: Calendar,
  now: bigint,
  { from, to, step }: AskedTrend,
): TrendPoint[] {
  if (step === 'snapshot') {
    const begun = pasts.flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at));
    const instants = new Set([from, ...begun.filter((at) => at >= from && at < to)]);
    return [...instants]
      .filter((at) => begun.some((first) => first <= at))
      .toSorted((a, b) => Number(a - b))
      .map((at) => ({ at, ...countsAt(pasts, at) }));
  }
  const isAsked = (hour: bigint) => hour > from - HOUR && hour < to;
  const views = expectedViews(pasts, calendar, now, isAsked);
  if (step === 'hour') return summed(views['risk_level_hourly']!, (row) => BigInt(String(row['hour'])));
  const days = calendar.days(from, to - 1n);
  const starts = new Map(days.map(({ day, from }) => [day, from]));
  const rows = views['risk_level_daily']!.filter(({ day }) => starts.has(String(day)));
  return summed(rows, ({ day }) => starts.get(String(day))!);
}

function summed(rows: readonly Row[], atOf: (row: Row) => bigint): TrendPoint[] {
  const points = new Map<bigint, TrendPoint>();
  for (const row of rows) {
    const at = atOf(row);
    const point = points.get(at) ?? { at, low: 0, medium: 0, high: 0 };
    const level = LEVELS.find((one) => one === row['max_risk_level'])!;
    point[level] += Number(row['user_count']);
    points.set(at, point);
  }
  return [...points.values()].toSorted((a, b) => Number(a.at - b.at));
}
