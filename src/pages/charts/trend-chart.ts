// Users by level over time, as complete HTML and SVG, to which a script only adds: three panels on one time axis, or
// one stacked panel. Widths are percentages, so the same picture fits a phone and a wide screen, and no text is
// stretched.
import { html, raw } from 'hono/html';
import type { PlottedTrend } from '../../answers/trend-of.ts';
import type { Span } from '../../answers/scope.ts';
import { RISK_LEVELS, type RiskLevel } from '../../user-risk.ts';
import type { Html } from '../page.ts';
import { levelMark, number } from '../parts.ts';
import { percent, SIDE, stepPath, xOf, type Plot, type Point } from './step-path.ts';
import { ticksOf } from './time-axis.ts';
import { scaleOf, type Scale } from './value-scale.ts';

export const VIEWS = ['own', 'one', 'stacked'] as const;
export type TrendView = (typeof VIEWS)[number];

const TOP_DOWN = RISK_LEVELS.toReversed();
/** Marks that are closer to each other than this become one, in thousandths of the width. */
const NEAREST = 8;
/** The least width of a gap, because an hour of a year must still be visible. */
const NARROWEST = 6;

export type Picture = {
  trend: PlottedTrend;
  span: Pick<Span, 'from' | 'to'>;
  timezone: string;
  view: TrendView;
  /** No script will add anything to it. */
  isStill?: boolean;
};

export function trendChart(picture: Picture): Html {
  const { trend, span, view, timezone, isStill = false } = picture;
  const edges = { from: span.from.getTime(), to: span.to.getTime() };
  return html`<figure
      class="trend ${view}"
      data-trend
      data-from="${edges.from}"
      data-to="${edges.to}"
      data-zone="${timezone}"
      data-step="${trend.step}"
      data-view="${view}"
    >
      <svg class="patterns" width="0" height="0" aria-hidden="true">
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path d="M3 0V6" />
        </pattern>
      </svg>
      ${view === 'stacked' ? stacked(picture, edges) : panels(picture, edges)} ${axis(edges, timezone)}
      ${isStill ? '' : forScript(trend)}
    </figure>
    <p class="legend quiet small">${legend(picture)}</p>`;
}

function forScript(trend: PlottedTrend): Html {
  return html`<p class="when quiet small"><output aria-live="polite" data-when></output></p>
    <script type="application/json" data-points>
      ${raw(JSON.stringify(pointsOf(trend)))}
    </script>`;
}

type Edges = { from: number; to: number };

function panels({ trend, view }: Picture, edges: Edges): Html {
  const all = TOP_DOWN.flatMap((level) => trend.rows.map((row) => row[level]));
  return html`${TOP_DOWN.map((level) => {
    const values = trend.rows.map((row) => row[level]);
    const scale =
      view === 'one' ? scaleOf(all, 'zero') : scaleOf(values, level === 'high' ? 'zero' : 'least');
    const plot = { ...edges, scale };
    const points = seriesOf(trend, level);
    return panel({
      name: html`<span>${levelMark(level)}</span> <output data-value="${level}">${lastOf(points)}</output>`,
      kind: level,
      scale,
      lines: html`<path class="area ${level}" d="${stepPath(plot, points)}" />`,
      over: overlays(trend, edges, level === 'low'),
    });
  })}`;
}

function stacked({ trend }: Picture, edges: Edges): Html {
  const sums = trend.rows.map(({ low, medium, high }) => low + medium + high);
  const scale = scaleOf(sums, 'zero');
  const plot: Plot = { ...edges, scale };
  const upTo = (levels: readonly RiskLevel[]): Point[] =>
    trend.rows.map((row) => ({
      at: Date.parse(row.at),
      value: levels.reduce((sum, level) => sum + row[level], 0),
    }));
  const band = (level: RiskLevel, levels: readonly RiskLevel[]) =>
    html`<path class="area ${level}" d="${stepPath(plot, upTo(levels))}" />`;
  return panel({
    name: html`${TOP_DOWN.map(
      (level) =>
        html`<span>${levelMark(level)}</span>
          <output data-value="${level}">${lastOf(seriesOf(trend, level))}</output> `,
    )}`,
    kind: 'all',
    scale,
    // Each surface covers the lower part of the one before.
    lines: html`${band('high', RISK_LEVELS)}${band('medium', ['low', 'medium'])}${band('low', ['low'])}`,
    over: overlays(trend, edges, true),
  });
}

function panel(parts: { name: Html; kind: string; scale: Scale; lines: Html; over: Html }): Html {
  const { name, kind, scale, lines, over } = parts;
  return html`<div class="panel ${kind}">
    <p class="name">${name}</p>
    <p class="ends" aria-hidden="true"><span>${number(scale.high)}</span><span>${number(scale.low)}</span></p>
    <div class="plot" data-plot="${kind}" data-low="${scale.low}" data-high="${scale.high}">
      <svg class="stretched" viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" aria-hidden="true">
        ${lines}
      </svg>
      <svg aria-hidden="true">${over}</svg>
    </div>
  </div>`;
}

/** Gaps in every panel; rings and the end of the first load in the lowest. */
function overlays({ gaps, marks }: PlottedTrend, edges: Edges, isLowest: boolean): Html {
  const hatched = gaps.map(({ due_at, ended_at }) => {
    const from = xOf(edges, Date.parse(due_at));
    const to = ended_at === null ? SIDE : xOf(edges, Date.parse(ended_at));
    const width = Math.max(to - from, NARROWEST);
    return html`<rect
      class="gap"
      x="${Math.min(from, SIDE - width) / 10}%"
      width="${width / 10}%"
      height="100%"
      fill="url(#hatch)"
    />`;
  });
  if (!isLowest) return html`${hatched}`;
  const loaded = marks.findLast(({ baseline_count }) => baseline_count > 0);
  return html`${hatched}
  ${apart(edges, marks).map(
    (at) => html`<circle class="partial" cx="${percent(edges, at)}" cy="100%" r="4" />`,
  )}
  ${
    loaded === undefined
      ? ''
      : html`<path class="loaded" d="M0 0" /><circle
            class="loaded"
            cx="${percent(edges, Date.parse(loaded.at))}"
            cy="100%"
            r="3"
          />`
  }`;
}

function apart(edges: Edges, marks: PlottedTrend['marks']): number[] {
  const kept: number[] = [];
  for (const { at, partial_count } of marks) {
    const last = kept.at(-1);
    const instant = Date.parse(at);
    const isNear = last !== undefined && xOf(edges, instant) - xOf(edges, last) < NEAREST;
    if (partial_count > 0 && !isNear) kept.push(instant);
  }
  return kept;
}

export function axis(edges: Edges, timezone: string): Html {
  const ticks = ticksOf(edges, timezone);
  const isCrowded = ticks.length > 5;
  return html`<svg class="axis" aria-hidden="true">
    ${ticks.map(({ at, label }, nth) => {
      const x = xOf(edges, at);
      const place = x < 25 ? 'first' : x > SIDE - 25 ? 'last' : 'inner';
      return html`<line x1="${x / 10}%" x2="${x / 10}%" y1="0" y2="5" /><text
          class="${place} ${isCrowded && nth % 2 === 1 ? 'odd' : ''}"
          x="${x / 10}%"
          y="18"
          >${label}</text
        >`;
    })}
  </svg>`;
}

/** Seconds and counts, for the script. */
function pointsOf({ rows }: PlottedTrend): Record<string, number[]> {
  return {
    at: rows.map(({ at }) => Math.floor(Date.parse(at) / 1000)),
    high: rows.map(({ high }) => high),
    medium: rows.map(({ medium }) => medium),
    low: rows.map(({ low }) => low),
  };
}

function seriesOf({ rows }: PlottedTrend, level: RiskLevel): Point[] {
  return rows.map((row) => ({ at: Date.parse(row.at), value: row[level] }));
}

function lastOf(points: readonly Point[]): string {
  const last = points.at(-1);
  return last === undefined ? '' : number(last.value);
}

function legend({ trend, view }: Picture): string {
  const { gaps, marks, rows } = trend;
  const least = Math.min(...rows.map(({ low }) => low));
  const from = scaleOf(
    rows.map(({ low }) => low),
    'least',
  ).low;
  return [
    { snapshot: 'Each snapshot.', hour: 'By the hour.', day: 'By the day.' }[trend.step],
    gaps.length === 0
      ? ''
      : 'Hatched: a snapshot was due and none was written, so the state before is carried.',
    marks.some(({ partial_count }) => partial_count > 0) ? 'Ring: a partial snapshot.' : '',
    marks.some(({ baseline_count }) => baseline_count > 0) ? 'Dot: the first load.' : '',
    view === 'own' && rows.length > 0 && least > 0 && from > 0
      ? `Each panel has its own scale; low begins at ${number(from)}.`
      : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}
