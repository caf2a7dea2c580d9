// A small line beside a figure, without a scale: the recent course of the figure.
import { html } from 'hono/html';
import type { Html } from '../page.ts';
import { SIDE, stepPath, type Point } from './step-path.ts';
import { scaleOf } from './value-scale.ts';

/** `to` is the end of the last value. */
export function spark(points: readonly Point[], to: Date, level: string, says: string): Html {
  const values = points.map(({ value }) => value);
  const [first] = points;
  // A single value makes no line.
  if (first === undefined || points.length < 2 || first.at >= to.getTime()) return html``;
  const plot = { from: first.at, to: to.getTime(), scale: scaleOf(values, 'least') };
  return html`<svg
    class="spark"
    viewBox="0 0 ${SIDE} ${SIDE}"
    preserveAspectRatio="none"
    role="img"
    aria-label="${says}"
  >
    <path class="line ${level}" d="${stepPath(plot, points)}" />
  </svg>`;
}
