// One user's level over time: a lane for each level, and a lane for not being present. Bars show where the user was,
// crosses show where the user was cleared, and a dot shows where the first load begins.
import { html } from 'hono/html';
import type { Span } from '../../answers/scope.ts';
import type { UserPeriod } from '../../queries/users/user-periods.ts';
import { minute } from '../../time/when.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import { duration } from '../../words.ts';
import type { Html } from '../page.ts';
import { levelMark } from '../parts.ts';
import { percent, xOf } from './step-path.ts';
import { axis } from './trend-chart.ts';

const LANES: readonly string[] = [...RISK_LEVELS.toReversed(), 'none'];
/** In pixels. */
const LANE = 30;
const BAR = 12;
/** The least width of a bar, because an hour of a year must still be visible. In thousandths of the width. */
const NARROWEST = 3;

export type LanesPicture = {
  periods: readonly UserPeriod[];
  span: Pick<Span, 'from' | 'to'>;
  /** The account is known up to here. */
  newestAt: Date | null;
  timezone: string;
};
type Edges = { from: number; to: number };

export function levelLanes(picture: LanesPicture): Html {
  const { periods, span, timezone } = picture;
  const edges = { from: span.from.getTime(), to: span.to.getTime() };
  return html`<figure class="trend lanes">
    <div class="panel">
      <ul class="lane-names" aria-hidden="true">
        ${LANES.map((lane) => html`<li>${levelMark(lane === 'none' ? null : lane)}</li>`)}
      </ul>
      <svg class="lane-plot" height="${LANES.length * LANE}" role="img" aria-label="${lanesInWords(picture)}">
        ${LANES.map(
          (_, nth) => html`<line class="rule" x2="100%" y1="${middle(nth)}" y2="${middle(nth)}" />`,
        )}
        ${periods.map((period, nth) => drawn(picture, edges, period, periods[nth + 1]))}
      </svg>
    </div>
    ${axis(edges, timezone)}
  </figure>`;
}

function middle(lane: number): number {
  return lane * LANE + LANE / 2;
}

function drawn(picture: LanesPicture, edges: Edges, period: UserPeriod, next: UserPeriod | undefined): Html {
  const known = picture.newestAt?.getTime() ?? edges.to;
  const from = Date.parse(period.valid_from);
  const to = period.valid_to === null ? known : Date.parse(period.valid_to);
  const lane = LANES.indexOf(period.max_risk_level);
  const isCleared = period.end_reason === 'reset' || period.end_reason === 'absent';
  const isIn = (at: number) => at >= edges.from && at <= edges.to;
  const nextLane = isCleared
    ? LANES.length - 1
    : next === undefined
      ? lane
      : LANES.indexOf(next.max_risk_level);
  return html`${bar(picture, edges, { from, to, lane, period })}
  ${period.valid_to !== null && isIn(to) ? step(edges, to, lane, nextLane) : ''}
  ${isCleared ? away(edges, to, next === undefined ? known : Date.parse(next.valid_from)) : ''}
  ${isCleared && isIn(to) ? cross(edges, to) : ''}
  ${
    isCleared && next !== undefined && isIn(Date.parse(next.valid_from))
      ? step(edges, Date.parse(next.valid_from), LANES.length - 1, LANES.indexOf(next.max_risk_level))
      : ''
  }
  ${
    period.is_baseline === true && isIn(from)
      ? html`<circle class="loaded" cx="${percent(edges, from)}" cy="${middle(lane)}" r="3.5"
          ><title>Already so at the first load</title></circle
        >`
      : ''
  }`;
}

type Bar = { from: number; to: number; lane: number; period: UserPeriod };

function bar({ timezone }: LanesPicture, edges: Edges, { from, to, lane, period }: Bar): Html {
  const left = xOf(edges, from);
  const width = Math.max(xOf(edges, to) - left, NARROWEST);
  const end = period.valid_to === null ? 'until now' : `to ${minute(new Date(to), timezone)}`;
  return html`<rect
    class="${period.max_risk_level}"
    x="${left / 10}%"
    y="${middle(lane) - BAR / 2}"
    width="${width / 10}%"
    height="${BAR}"
    rx="2"
    ><title>
      ${period.max_risk_level} from ${minute(new Date(from), timezone)} ${end},
      ${duration(period.duration_seconds * 1000)}
    </title></rect
  >`;
}

function step(edges: Edges, at: number, from: number, to: number): Html {
  const x = percent(edges, at);
  return html`<line class="step" x1="${x}" x2="${x}" y1="${middle(from)}" y2="${middle(to)}" />`;
}

function away(edges: Edges, from: number, to: number): Html {
  const y = middle(LANES.length - 1);
  return html`<line
    class="away"
    x1="${percent(edges, from)}"
    x2="${percent(edges, to)}"
    y1="${y}"
    y2="${y}"
  />`;
}

/** Two strokes of a cross that keeps its shape: an inner picture begins at this position. */
function cross(edges: Edges, at: number): Html {
  const y = middle(LANES.length - 1);
  return html`<svg x="${percent(edges, at)}" y="${y}" overflow="visible">
    <path class="cross" d="M-4-4L4 4M-4 4L4-4" />
  </svg>`;
}

/** A text for people who cannot see the picture. Pure. */
export function lanesInWords({ periods, span, timezone }: LanesPicture): string {
  const [first] = periods;
  const last = periods.at(-1);
  if (first === undefined || last === undefined) return 'Not present in this span.';
  const clearings = periods.filter(({ end_reason }) => end_reason === 'reset' || end_reason === 'absent');
  const levels = periods.length === 1 ? 'One period' : `${periods.length} periods`;
  const ends = last.valid_to === null ? `now at ${last.max_risk_level}` : 'not present at the end';
  const times = clearings.length === 1 ? 'once' : `${clearings.length} times`;
  return `${levels} at a level from ${minute(span.from, timezone)} to ${minute(span.to, timezone)}: first ${first.max_risk_level}, cleared ${times}, ${ends}. The table has them.`;
}
