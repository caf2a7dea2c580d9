// The picture of users by level, with the choice of span and view, and its data as a table.
import { html } from 'hono/html';
import type { Trend } from '../answers/trend-of.ts';
import { localMinute } from '../time/when.ts';
import { trendChart, VIEWS, type View } from './charts/trend-chart.ts';
import { keep } from './forms.ts';
import { csvOf, linkHere, type Html, type Page } from './page.ts';
import { choice, heading, levelMark, number, notice, rangeChoice, source } from './parts.ts';
import { table } from './table.ts';

/** Rows of the table behind it; the file has all. */
const MOST_ROWS = 100;
const NAMES: Readonly<Record<View, string>> = { own: 'own scales', one: 'one scale', stacked: 'stacked' };

export function trendSection(page: Page, trend: Trend): Html {
  const view = VIEWS.find((one) => one === page.query.get('view')) ?? 'own';
  const views = VIEWS.map((one) => ({
    text: NAMES[one],
    address: linkHere(page, { view: one === 'own' ? null : one }),
    isChosen: one === view,
  }));
  return html`<section aria-labelledby="trend">
    ${heading(
      'Users by level',
      'trend',
      html`${rangeChoice(page)}
        <div class="more">${choice('Scales', views)}</div>`,
    )}
    ${
      trend.rows.length === 0
        ? notice('empty', 'No snapshot in this span.', 'Choose another one, such as all.')
        : trendChart({ trend, span: page.scope.span, timezone: page.scope.timezone, view })
    }
    ${spanForm(page)}
    ${source(trend.question, csvOf(page, '/trend'), trend.rows.length === 0 ? null : dataTable(trend))}
  </section>`;
}

/** The way to zoom without a mouse and without a script. */
function spanForm(page: Page): Html {
  const { span, timezone } = page.scope;
  const field = (name: string, label: string, at: Date) =>
    html`<label
      ><span>${label}</span>
      <input name="${name}" value="${localMinute(at, timezone)}" size="16" autocomplete="off"
    /></label>`;
  return html`<form class="span small" method="get" aria-label="Span of time">
    ${keep(page, ['range', 'from', 'to', 'cursor'])} ${field('from', 'From', span.from)}
    ${field('to', 'to', span.to)} <button>Show</button>
    <span class="quiet" data-drag-hint hidden
      >Drag over the picture to zoom. With keys: arrows read, shift and arrows choose, Enter zooms.</span
    >
  </form>`;
}

function dataTable({ rows, step }: Trend): Html {
  const name =
    rows.length > MOST_ROWS
      ? `The newest ${MOST_ROWS} of ${number(rows.length)} rows; the file has all`
      : 'Rows, the newest first';
  return html`<p class="quiet">${name}.</p>
    ${table(
      name,
      [
        { title: step === 'day' ? 'Day' : 'Time', cell: (row) => row.local, kind: 'time', isHead: true },
        { title: levelMark('high'), cell: (row) => number(row.high), kind: 'number' },
        { title: levelMark('medium'), cell: (row) => number(row.medium), kind: 'number' },
        { title: levelMark('low'), cell: (row) => number(row.low), kind: 'number' },
        { title: 'State', cell: (row) => (row.is_observed ? 'observed' : 'carried') },
      ],
      rows.toReversed().slice(0, MOST_ROWS),
    )}`;
}
