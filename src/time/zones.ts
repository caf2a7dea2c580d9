// Instants and what the clocks of a time zone show at them. The only file that asks Intl for it. Pure.

export function isTimeZone(name: string): boolean {
  // The default, for which Intl need not be loaded: 12 ms of a start.
  if (name === 'UTC') return true;
  try {
    Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const HOUR = 3_600_000;
// No zone is further from UTC; one change of the clocks lies in between at most.
const REACH = 26 * HOUR;

/** Of a time on the wall, read as if it were UTC: one that clocks leave out is the moment that much later, one that comes twice the first. */
export function instantOfWall(wall: number, timezone: string): number {
  const before = offsetAt(wall - REACH, timezone);
  const after = offsetAt(wall + REACH, timezone);
  const meant = [wall - before, wall - after].filter((at) => wallAt(at, timezone) === wall);
  return meant.length === 0 ? wall - before : Math.min(...meant);
}

/** Milliseconds that the zone's clocks are ahead of UTC. */
export function offsetAt(ms: number, timezone: string): number {
  return wallAt(ms, timezone) - ms;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock on the wall shows, as if it were UTC. */
export function wallAt(ms: number, timezone: string): number {
  let format = formats.get(timezone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timezone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const number = (name: string) => Number(parts[name]);
  const [month, day] = [number('month') - 1, number('day')];
  const wall = new Date(0);
  // Not Date.UTC, which takes the year 99 for 1999.
  wall.setUTCFullYear(parts['era'] === 'BC' ? 1 - number('year') : number('year'), month, day);
  wall.setUTCHours(number('hour'), number('minute'), number('second'), ((ms % 1000) + 1000) % 1000);
  return wall.getTime();
}
