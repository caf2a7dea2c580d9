// The marks of a time axis and their labels. Pure. All in the local time of a zone, so a mark is a midnight or the
// first of a month there.
import { instantOfWall, wallAt } from '../../time/zones.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

export type AxisMark = { at: number; label: string };

/** The longest span, and the distance of its marks. */
const HOURS: readonly (readonly [longest: number, hours: number])[] = [
  [7 * HOUR, 1],
  [25 * HOUR, 3],
  [3 * DAY + HOUR, 12],
];
const DAYS: readonly (readonly [longest: number, isMark: (wall: Date) => boolean])[] = [
  [8.5 * DAY, () => true],
  [16 * DAY, (wall) => Math.floor(wall.getTime() / DAY) % 2 === 0],
  [36 * DAY, (wall) => wall.getUTCDay() === 1],
  [125 * DAY, (wall) => [1, 15].includes(wall.getUTCDate())],
  [380 * DAY, (wall) => wall.getUTCDate() === 1],
  [1200 * DAY, (wall) => wall.getUTCDate() === 1 && wall.getUTCMonth() % 3 === 0],
  [Number.POSITIVE_INFINITY, (wall) => wall.getUTCDate() === 1 && wall.getUTCMonth() === 0],
];

export function ticksOf({ from, to }: { from: number; to: number }, timezone: string): AxisMark[] {
  const length = to - from;
  const hours = HOURS.find(([longest]) => length <= longest)?.[1];
  const step = hours === undefined ? DAY : hours * HOUR;
  const isMark = DAYS.find(([longest]) => length <= longest)![1];
  const ticks: AxisMark[] = [];
  const end = wallAt(to, timezone);
  for (let wall = Math.ceil(wallAt(from, timezone) / step) * step; wall <= end; wall += step) {
    if (hours === undefined && !isMark(new Date(wall))) continue;
    const at = instantOfWall(wall, timezone);
    if (at >= from && at <= to) ticks.push({ at, label: labelOf(new Date(wall), length) });
  }
  return ticks;
}

function labelOf(wall: Date, length: number): string {
  const month = MONTHS[wall.getUTCMonth()]!;
  if (wall.getUTCHours() !== 0) return wall.toISOString().slice(11, 16);
  if (length <= 125 * DAY) return `${wall.getUTCDate()} ${month}`;
  return wall.getUTCMonth() === 0 ? String(wall.getUTCFullYear()) : month;
}
