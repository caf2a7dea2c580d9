// The slots of a schedule before an instant, and the effect of daylight saving on coming slots. Pure. node-cron itself
// only looks ahead from now.
import { parse } from 'node-cron';
import { readSchedule } from './schedule.ts';
import { offsetAt } from './zones.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
// Every offset from UTC in use is a multiple of this. So the local hour is the same within one block, and seconds are
// those of UTC.
const BLOCK = 15 * MINUTE;
const DAY = 86_400 * SECOND;
const LOOK_BACK = 366 * DAY;

/**
 * The newest `count` slots at or before `before`, newest first. Fewer if there are no more after `after`, by default a
 * year earlier.
 */
export function slotsBefore(
  expression: string,
  timezone: string,
  before: Date,
  count: number,
  after = new Date(before.getTime() - LOOK_BACK),
): Date[] {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = parse(expression);
  const read = (...time: (string | number[])[]) =>
    readSchedule([...time, dayOfMonth, month, dayOfWeek].join(' '), timezone);
  // By hour and by minute, so that a yearly schedule is not searched second by second.
  const hours = read('*', '*', hour);
  const minutes = read('*', minute, hour);
  const seconds = [...new Set(second)].toSorted((a, b) => b - a);
  const slots: Date[] = [];
  const end = after.getTime();
  let at = before.getTime();
  while (slots.length < count && at > end) {
    const step = hours.match(new Date(at)) ? MINUTE : BLOCK;
    const start = Math.floor(at / step) * step;
    if (step === MINUTE && minutes.match(new Date(at)) && firesAt(timezone, start)) {
      const begun = seconds
        .map((second) => start + second * SECOND)
        .filter((slot) => slot <= at && slot > end);
      slots.push(...begun.map((slot) => new Date(slot)));
    }
    at = start - 1;
  }
  return slots.slice(0, count);
}

/**
 * If two instants have the same local time, node-cron runs one: the later one east of Greenwich, the earlier one west.
 */
function firesAt(timezone: string, at: number): boolean {
  const wall = at + offsetAt(at, timezone);
  const fired = wall - offsetAt(wall, timezone);
  return fired === at || fired + offsetAt(fired, timezone) !== wall;
}

export type ClockChange = {
  /** When the clocks change. */
  at: Date;
  /** The local date, such as 2027-03-28. */
  date: string;
  /** Local times of slots that do not exist on that day, or exist twice and run once, such as 02:30. */
  times: string[];
  kind: 'skipped' | 'repeated';
};

/**
 * How clock changes in the year from `from` affect the schedule: slots in a skipped hour do not run, and slots in a
 * repeated hour run once. Empty for UTC, and for schedules without slots in those hours.
 */
export function clockChanges(expression: string, timezone: string, from: Date): ClockChange[] {
  const wall = readSchedule(expression, 'UTC');
  const { second } = parse(expression);
  const changes: ClockChange[] = [];
  for (let at = Math.ceil(from.getTime() / BLOCK) * BLOCK; at < from.getTime() + LOOK_BACK; at += BLOCK) {
    const [before, after] = [offsetAt(at - SECOND, timezone), offsetAt(at, timezone)];
    if (before === after) continue;
    // Local time, read as if it were UTC.
    const [start, end] = [at + Math.min(before, after), at + Math.max(before, after)];
    const times: string[] = [];
    for (let time = start; time < end; time += MINUTE) {
      if (second.some((s) => wall.match(new Date(time + s * SECOND))))
        times.push(new Date(time).toISOString().slice(11, 16));
    }
    if (times.length === 0) continue;
    const date = new Date(start).toISOString().slice(0, 10);
    changes.push({ at: new Date(at), date, times, kind: after > before ? 'skipped' : 'repeated' });
  }
  return changes;
}
