// Lines of a picture, as SVG paths in a square of 1,000 by 1,000 that is stretched over the plot. Pure. A state holds
// until the next one, so lines have steps and no slopes.
import type { Scale } from './value-scale.ts';

export type Point = { at: number; value: number };
export type Plot = { from: number; to: number; scale: Scale };

export const SIDE = 1_000;

/** How far a path may leave the plot, where it is cut off. */
const BEYOND = 10;

/** In tenths of a thousandth of the width. */
export function xOf({ from, to }: Pick<Plot, 'from' | 'to'>, at: number): number {
  return Math.round(((Math.min(Math.max(at, from), to) - from) / (to - from)) * SIDE * 10) / 10;
}

function yOf({ scale: { low, high } }: Plot, value: number): number {
  return Math.round(((high - value) / (high - low)) * SIDE);
}

/** Empty without points. The last value holds until the end of the plot. */
export function stepPath(plot: Plot, points: readonly Point[]): string {
  let path = '';
  let last: number | null = null;
  for (const { at, value } of points) {
    const y = yOf(plot, value);
    if (last === null) path = `V${y}`;
    else if (y !== last) path += `H${xOf(plot, at)}V${y}`;
    last = y;
  }
  const [first] = points;
  if (first === undefined) return '';
  // Begins and ends on the ground, so that the same path is the line and the surface below it. Its sides are outside
  // the plot, except if the history begins within it.
  const begin = first.at <= plot.from ? -BEYOND : xOf(plot, first.at);
  return `M${begin} ${SIDE}${path}H${SIDE + BEYOND}V${SIDE}`;
}

/** As a percentage of the width, for parts that must not be stretched. */
export function percent(plot: Pick<Plot, 'from' | 'to'>, at: number): string {
  return `${xOf(plot, at) / 10}%`;
}
