// Lines of a picture, as SVG paths in a square of 1,000 by 1,000 that is stretched over the plot. Pure. A state holds
// until the next one, so lines have steps and no slopes.
import type { Scale } from './value-scale.ts';

export type Point = { at: number; value: number };
export type Plot = { from: number; to: number; scale: Scale };

export const SIDE = 1_000;

export function xOf({ from, to }: Pick<Plot, 'from' | 'to'>, at: number): number {
  return round((Math.min(Math.max(at, from), to) - from) / (to - from));
}

function yOf({ scale: { low, high } }: Plot, value: number): number {
  return round((high - value) / (high - low));
}

function round(part: number): number {
  return Math.round(part * SIDE * 10) / 10;
}

/** Empty without points. The last value holds until the end of the plot. */
export function stepPath(plot: Plot, points: readonly Point[]): string {
  let path = '';
  let last: number | null = null;
  for (const { at, value } of points) {
    const y = yOf(plot, value);
    if (last === null) path = `M${xOf(plot, at)} ${y}`;
    else if (y !== last) path += `H${xOf(plot, at)}V${y}`;
    last = y;
  }
  return last === null ? '' : `${path}H${SIDE}`;
}

/** The surface below the line, or between it and another one with the same instants. */
export function areaPath(
  plot: Plot,
  points: readonly Point[],
  below: readonly Point[] | null = null,
): string {
  const line = stepPath(plot, points);
  const [first] = points;
  if (first === undefined) return '';
  if (below === null) return `${line}V${SIDE}H${xOf(plot, first.at)}Z`;
  let back = `V${yOf(plot, below.at(-1)!.value)}`;
  for (let nth = below.length - 1; nth > 0; nth -= 1)
    if (below[nth]!.value !== below[nth - 1]!.value)
      back += `H${xOf(plot, below[nth]!.at)}V${yOf(plot, below[nth - 1]!.value)}`;
  return `${line}${back}H${xOf(plot, first.at)}Z`;
}

/** As a percentage of the width, for what must not be stretched. */
export function percent(plot: Pick<Plot, 'from' | 'to'>, at: number): string {
  return `${xOf(plot, at) / 10}%`;
}
