// A small line beside a figure, without scale: how it got here.
import { html } from 'hono/html';
import type { Html } from '../page.ts';
import { SIDE, stepPath, type Point } from './step-path.ts';
import { scaleOf } from './value-scale.ts';

export function spark(points: readonly Point[], level: string, says: string): Html {
  const values = points.map(({ value }) => value);
  const [from, to] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 1];
  if (points.length < 2) return html``;
  const plot = { from, to, scale: scaleOf(values, 'least') };
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
