// One user's number of risk events over time, as steps: each number holds until the next snapshot with another number.
import { html } from 'hono/html';
import type { Span } from '../../answers/scope.ts';
import type { UserActivity } from '../../queries/users/user-activity.ts';
import type { Html } from '../page.ts';
import { number } from '../parts.ts';
import { SIDE, stepPath, xOf, type Point } from './step-path.ts';
import { axis } from './trend-chart.ts';
import { scaleOf } from './value-scale.ts';

export type EventsPicture = {
  activity: readonly UserActivity[];
  span: Pick<Span, 'from' | 'to'>;
  timezone: string;
};

export function eventSteps({ activity, span, timezone }: EventsPicture): Html {
  const edges = { from: span.from.getTime(), to: span.to.getTime() };
  const points = visible(
    edges,
    activity.map((row) => ({ at: Date.parse(row.observed_at), value: row.event_count })),
  );
  const scale = scaleOf(
    points.map(({ value }) => value),
    'zero',
  );
  const plot = { ...edges, scale };
  const first = activity[0]?.event_count ?? 0;
  const last = activity.at(-1)?.event_count ?? 0;
  const says = `Risk events of this user: from ${number(first)} to ${number(last)}, in ${number(activity.length)} steps.`;
  return html`<figure class="trend events">
    <div class="panel">
      <p class="ends" aria-hidden="true">
        <span>${number(scale.high)}</span><span>${number(scale.low)}</span>
      </p>
      <div class="plot" role="img" aria-label="${says}">
        <svg class="stretched" aria-hidden="true" viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none">
          <path class="area events" d="${stepPath(plot, points)}" />
        </svg>
      </div>
    </div>
    ${axis(edges, timezone)}
  </figure>`;
}

/** A year may have thousands of steps. Of the steps within a thousandth of the width, the last one is drawn. */
function visible(edges: { from: number; to: number }, points: readonly Point[]): Point[] {
  const kept: Point[] = [];
  let place = -1;
  for (const point of points) {
    const here = Math.floor(xOf(edges, point.at));
    if (here === place) kept.pop();
    kept.push(point);
    place = here;
  }
  return kept;
}
