// Hours, days, weeks and months of the levels: plain loops, no SQL.
import { HOUR, type Calendar } from './calendar.ts';
import { type Past, type Row, str, least, lastBefore, levelsOf, daysOf, ofAll } from './past.ts';

/** `isAsked`: which hours of `risk_level_hourly` are wanted. */
export function bucketViews(
  pasts: readonly Past[],
  calendar: Calendar,
  now: bigint,
  isAsked: (hour: bigint) => boolean,
): Record<string, Row[]> {
  const all = (rowsOf: (past: Past) => Row[]) => ofAll(pasts, rowsOf);
  return {
    risk_level_hourly: all((past) => {
      const first = past.oracle.snapshots[0];
      if (first === undefined) return [];
      const rows: Row[] = [];
      for (let hour = calendar.hourOf(first.at); hour <= least(now, past.retiredAt); hour += HOUR)
        if (isAsked(hour)) rows.push(...bucket(past, hour, hour + HOUR, { hour: String(hour) }));
      return rows;
    }),
    risk_level_daily: all((past) =>
      daysOf(past, calendar, now).flatMap(({ day, from, to }) => bucket(past, from, to, { day })),
    ),
    risk_level_weekly: all((past) => longer(past, calendar, now, 'week_start', mondayOf)),
    risk_level_monthly: all((past) =>
      longer(past, calendar, now, 'month_start', (day) => `${day.slice(0, 7)}-01`),
    ),
  };
}

function bucket({ oracle }: Past, from: bigint, to: bigint, name: Row): Row[] {
  const snapshot = lastBefore(oracle.snapshots, to)!;
  return levelsOf(snapshot).map((level) => ({
    ...name,
    ...level,
    is_observed: snapshot.at >= from,
    snapshot_id: str(snapshot.snapshotId),
    observed_at: str(snapshot.at),
    verdict: snapshot.verdict,
  }));
}

/** Weeks or months: each is named by its first day, and begins and ends with days that the account has. */
function longer(
  past: Past,
  calendar: Calendar,
  now: bigint,
  column: 'week_start' | 'month_start',
  firstDayOf: (day: string) => string,
): Row[] {
  const { snapshots } = past.oracle;
  const groups = Map.groupBy(daysOf(past, calendar, now), ({ day }) => firstDayOf(day));
  return [...groups].flatMap(([start, days]) => {
    const states = days.map(({ to }) => lastBefore(snapshots, to)!);
    const last = states.at(-1)!;
    const observed = days.filter(({ from }, nth) => states[nth]!.at >= from).length;
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const present = sum(states.map(({ state }) => state.size));
    const levels = states.map(levelsOf);
    return levels.at(-1)!.map((level, nth) => {
      const each = levels.map((state) => state[nth]!);
      const users = sum(each.map((one) => one.user_count));
      return {
        [column]: start,
        ...level,
        average_user_count: users / days.length,
        average_share: present === 0 ? null : users / present,
        average_event_count: sum(each.map((one) => Number(one.event_count))) / days.length,
        day_count: days.length,
        observed_day_count: observed,
        is_observed: observed > 0,
        snapshot_id: str(last.snapshotId),
        observed_at: str(last.at),
        verdict: last.verdict,
      };
    });
  });
}

/** The Monday of the ISO week. */
function mondayOf(day: string): string {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7));
  return at.toISOString().slice(0, 10);
}
