// Draws one level over time with characters, without colour: a bar chart with its axes, or a line of blocks. Pure.
import type { TrendPoint } from '../queries/levels/level-trend.ts';
import { plural } from '../words.ts';

export type Level = 'low' | 'medium' | 'high';
export type Stretch = {
  value: number;
  /** Whether any bucket of the stretch has a snapshot. */
  isObserved: boolean;
  hasPartial: boolean;
};

const BLOCKS = '▁▂▃▄▅▆▇█';
const CARRIED = '░';
const CHART_ROWS = 4;

/** At most `count` stretches of buckets, each with its highest value, so that a peak is never lost. */
export function stretchesOf(points: readonly TrendPoint[], level: Level, count: number): Stretch[] {
  const width = Math.min(count, points.length);
  return Array.from({ length: width }, (_, index) => {
    const from = Math.floor((index * points.length) / width);
    const part = points.slice(from, Math.floor(((index + 1) * points.length) / width));
    return {
      value: Math.max(...part.map((point) => point[level])),
      isObserved: part.some((point) => point.is_observed),
      hasPartial: part.some((point) => point.is_observed && point.verdict === 'partial'),
    };
  });
}

/**
 * One block per stretch, scaled from the lowest value to the highest. Flat lines stay flat. A dot means: no snapshot.
 */
export function sparkline(stretches: readonly Stretch[]): string {
  const values = stretches.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const block = (value: number) =>
    BLOCKS[high === low ? 0 : Math.round(((value - low) / (high - low)) * (BLOCKS.length - 1))];
  return stretches.map(({ value, isObserved }) => (isObserved ? block(value) : '·')).join('');
}

/** "41 → 44 (+3, +7.3 %)"; without the percentage when the first value is 0 or nothing changed. */
export function changeInWords(points: readonly TrendPoint[], level: Level): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return '';
  const [from, to] = [first[level], last[level]];
  const percent =
    from === 0 || to === from ? '' : `, ${signed(Math.round((1000 * (to - from)) / from) / 10)} %`;
  return `${number(from)} → ${number(to)} (${to === from ? '±0' : signed(to - from)}${percent})`;
}

/** The level's share of all users in per cent, with one decimal; null without users. */
export function percentOf(point: Pick<TrendPoint, Level>, level: Level): string | null {
  const all = point.low + point.medium + point.high;
  return all === 0 ? null : ((100 * point[level]) / all).toFixed(1);
}

/**
 * Bars between a lower and an upper bound, which the axis shows. Hatched where the state was carried forward. `width`
 * is the width of the whole line, and `gutter` is the width of the numbers.
 */
export function barChart(
  points: readonly TrendPoint[],
  level: Level,
  { width, gutter }: { width: number; gutter: number },
): string[] {
  const stretches = stretchesOf(points, level, width - gutter - 2);
  const barWidth = barWidthOf(stretches.length, width - gutter - 2);
  const [low, high] = axisOf(stretches);
  const eighths = ({ value }: Stretch) =>
    Math.max(1, Math.round(((value - low) / (high - low)) * CHART_ROWS * 8));
  return Array.from({ length: CHART_ROWS }, (_, index) => {
    const below = (CHART_ROWS - 1 - index) * 8;
    const label = index === 0 ? number(high) : index === CHART_ROWS - 1 ? number(low) : '';
    const bars = stretches.map((stretch) => {
      const rest = Math.min(8, eighths(stretch) - below);
      // A hatched cell is always full: a cell that would be less than half full stays empty, except the lowest.
      const isFilled = rest > (stretch.isObserved || below === 0 ? 0 : 3);
      const cell = !isFilled ? ' ' : stretch.isObserved ? BLOCKS[rest - 1]! : CARRIED;
      return cell.repeat(barWidth);
    });
    return `${label.padStart(gutter)} ${label === '' ? '│' : '┤'}${bars.join('')}`.trimEnd();
  });
}

/**
 * The time axis below the last chart: marks for partial snapshots, and the names of the first, a middle and the last
 * bucket.
 */
export function timeAxis(
  points: readonly TrendPoint[],
  { width, gutter }: { width: number; gutter: number },
): string[] {
  const stretches = stretchesOf(points, 'low', width - gutter - 2);
  const barWidth = barWidthOf(stretches.length, width - gutter - 2);
  const marks = stretches.map(({ hasPartial }) => (hasPartial ? 'p' : '─').padEnd(barWidth, '─')).join('');
  return [`${' '.repeat(gutter)} └${marks}`, `${' '.repeat(gutter + 2)}${names(points, marks.length)}`];
}

function names(points: readonly TrendPoint[], width: number): string {
  const [first = '', last = ''] = [points[0]?.bucket, points.at(-1)?.bucket];
  const gap = width - first.length - last.length;
  if (points.length === 1) return first;
  if (gap < 1) return `${first} … ${last}`;
  const half = Math.floor(points.length / 2);
  const middle = points[half]?.bucket ?? '';
  const at = Math.floor((half * width) / points.length);
  const isRoomy = at > first.length + 2 && at + middle.length + 2 < width - last.length;
  const left = isRoomy ? first.padEnd(at) + middle : first;
  return left.padEnd(width - last.length) + last;
}

/** Explains the marks that occur. Empty if none does. */
export function legend(points: readonly TrendPoint[], carriedMark: string, bucket: string): string[] {
  const gaps = points.filter((point) => !point.is_observed).length;
  const partials = points.filter((point) => point.is_observed && point.verdict === 'partial').length;
  return [
    ...(gaps === 0
      ? []
      : [`${carriedMark} no snapshot (${plural(gaps, bucket)}): the state before is carried forward`]),
    ...(partials === 0
      ? []
      : [
          `p partial snapshot (${plural(partials, bucket)}): users who were not met are carried with their last state`,
        ]),
  ];
}

export const CARRIED_MARKS = { bars: CARRIED, line: '·' } as const;

export function gutterOf(points: readonly TrendPoint[]): number {
  return (
    Math.max(
      ...points.flatMap(({ low, medium, high }) => [low, medium, high].map((n) => number(n).length)),
      3,
    ) + 1
  );
}

/** Wider bars if there is room, so that a week fills the line just as a quarter does. */
function barWidthOf(count: number, room: number): number {
  return Math.max(1, Math.min(6, Math.floor(room / count)));
}

/** The ends of a chart's axis. It starts at zero, unless that would flatten the differences. */
export function axisOf(stretches: readonly Stretch[]): [number, number] {
  const values = stretches.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const low = least < most * 0.6 ? 0 : Math.max(0, least - Math.max(1, Math.ceil((most - least) / 4)));
  return [low, Math.max(most, low + 1)];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function signed(value: number): string {
  return `${value > 0 ? '+' : '−'}${Math.abs(value).toLocaleString('en-US')}`;
}
