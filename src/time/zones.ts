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
  const meant = instantsOfWall(wall, timezone);
  return meant.length === 0 ? wall - offsetAt(wall - REACH, timezone) : Math.min(...meant);
}

/** Whether the zone's clocks show this time twice, because they are set back. */
export function comesTwice(wall: number, timezone: string): boolean {
  return new Set(instantsOfWall(wall, timezone)).size > 1;
}

/** None if clocks leave it out; the same one twice in most cases. */
function instantsOfWall(wall: number, timezone: string): number[] {
  const offsets = [wall - REACH, wall + REACH].map((at) => offsetAt(at, timezone));
  return offsets.map((offset) => wall - offset).filter((at) => wallAt(at, timezone) === wall);
}

/** Milliseconds that the zone's clocks are ahead of UTC. */
export function offsetAt(ms: number, timezone: string): number {
  return wallAt(ms, timezone) - ms;
}

/** They take 20 kB each, and a name may be spelled in any case: so not all are kept that somebody asks for. */
const MOST_FORMATS = 100;
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
    if (formats.size >= MOST_FORMATS) formats.clear();
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
