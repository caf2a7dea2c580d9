// Instants and what the clocks of a time zone show at them. The only file that asks Intl about this. Pure.

export function isTimeZone(name: string): boolean {
  // The default zone, for which Intl need not be loaded: that would take 12 ms of a start.
  if (name === 'UTC') return true;
  try {
    Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const HOUR = 3_600_000;
// No zone is further from UTC, and at most one change of the clocks lies in between.
const REACH = 26 * HOUR;

/**
 * The instant of a local time, read as if it were UTC. A time that clocks skip becomes later by the change. For a time
 * that occurs twice, the first one counts.
 */
export function instantOfWall(wall: number, timezone: string): number {
  const meant = instantsOfWall(wall, timezone);
  return meant.length === 0 ? wall - offsetAt(wall - REACH, timezone) : Math.min(...meant);
}

/** Whether the zone's clocks show this time twice, because they are set back. */
export function comesTwice(wall: number, timezone: string): boolean {
  return new Set(instantsOfWall(wall, timezone)).size > 1;
}

/** None if clocks skip the time. In most cases, both instants are the same. */
function instantsOfWall(wall: number, timezone: string): number[] {
  const offsets = [wall - REACH, wall + REACH].map((at) => offsetAt(at, timezone));
  return offsets.map((offset) => wall - offset).filter((at) => wallAt(at, timezone) === wall);
}

/** How far the zone's clocks are ahead of UTC, in milliseconds. */
export function offsetAt(ms: number, timezone: string): number {
  return wallAt(ms, timezone) - ms;
}

/** They take 20 kB each, and a name may be spelled in any case. So only a limited number is kept. */
const MOST_FORMATS = 100;
const formats = new Map<string, Intl.DateTimeFormat>();

/** The local time, as if it were UTC. */
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
    if (formats.size >= MOST_FORMATS) formats.clear();
    formats.set(timezone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const number = (name: string) => Number(parts[name]);
  const [month, day] = [number('month') - 1, number('day')];
  const wall = new Date(0);
  // Not Date.UTC, which reads the year 99 as 1999.
  wall.setUTCFullYear(parts['era'] === 'BC' ? 1 - number('year') : number('year'), month, day);
  wall.setUTCHours(number('hour'), number('minute'), number('second'), ((ms % 1000) + 1000) % 1000);
  return wall.getTime();
}
