// When people are active: busy on weekday mornings, quiet at night and at weekends. Instants are whole microseconds
// since 1970, because the API serves microseconds and Date has only milliseconds. A double holds them exactly until
// 2255.

const SECOND = 1_000_000;
export const HOUR_US = 3600 * SECOND;
export const DAY_US = 24 * HOUR_US;
const WEEK = 7 * DAY_US;
// 1970 began on a Thursday; weeks here begin on Monday.
const FIRST_MONDAY = -3 * DAY_US;

// How busy each hour of a working day is. Never zero: some people work at night, and time must be invertible.
const WORKDAY = [1, 1, 1, 1, 1, 2, 4, 10, 22, 28, 28, 24, 16, 22, 26, 24, 20, 14, 8, 6, 5, 4, 3, 2];
const WEEKEND_SHARE = 0.12;

const hours = Array.from(
  { length: 168 },
  (_, hour) => WORKDAY[hour % 24]! * (hour < 120 ? 1 : WEEKEND_SHARE),
);
const scale = 7 / hours.reduce((sum, weight) => sum + weight, 0);
// Busy days from Monday 00:00 to the start of each hour; a whole week has 7.
const gone = new Float64Array(169);
for (let hour = 0; hour < 168; hour += 1) gone[hour + 1] = gone[hour]! + hours[hour]! * scale;
gone[168] = 7;

/**
 * The instant `busyDays` of activity after `from`, for a person whose clock is `offsetHours` ahead of UTC. A week has 7
 * busy days, nearly all in office hours. The result is always later than `from`.
 */
export function afterBusyDays(from: number, busyDays: number, offsetHours: number): number {
  const local = from + offsetHours * HOUR_US - FIRST_MONDAY;
  const monday = Math.floor(local / WEEK) * WEEK;
  const intoWeek = local - monday;
  const hour = Math.floor(intoWeek / HOUR_US);
  const here = gone[hour]!;
  const width = gone[hour + 1]! - here;
  const target = here + (width * (intoWeek - hour * HOUR_US)) / HOUR_US + busyDays;
  const weeks = Math.floor(target / 7);
  const rest = target - weeks * 7;
  const landed = hourAt(rest);
  const start = gone[landed]!;
  const share = (rest - start) / (gone[landed + 1]! - start);
  const then = monday + weeks * WEEK + Math.floor((landed + share) * HOUR_US);
  return Math.max(from + 1, then - offsetHours * HOUR_US + FIRST_MONDAY);
}

function hourAt(busyDays: number): number {
  let low = 0;
  let high = 167;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (gone[middle]! <= busyDays) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Midnight UTC of `instant`'s day, or of the next Monday when fewer than three working days are left. */
export function earlyInWeek(instant: number): number {
  const midnight = Math.floor(instant / DAY_US) * DAY_US;
  const weekday = Math.floor((midnight - FIRST_MONDAY) / DAY_US) % 7;
  return midnight + (weekday < 3 ? 0 : (7 - weekday) * DAY_US);
}

/** RFC 3339 in UTC with six digits of a second. */
export function isoMicros(instant: number): string {
  const ms = Math.floor(instant / 1000);
  const micros = instant - ms * 1000;
  return `${new Date(ms).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** Throws a RangeError for an invalid date, because such a date is neither before nor after any other. */
export function microsOf(date: Date): number {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new RangeError('the simulated instant is not a valid date');
  return ms * 1000;
}
