// The picture of users by level, with the choice of span and view, and its data as a table.
import { html } from 'hono/html';
import type { PlottedTrend } from '../answers/trend-of.ts';
import { trendChart, VIEWS, type TrendView } from './charts/trend-chart.ts';
import { csvOf, linkHere, type Html, type Page } from './page.ts';
import { choice, heading, levelMark, number, notice, rangeChoice, source } from './parts.ts';
import { spanForm } from './span-form.ts';
import { MOST_BEHIND, pageTable } from './table.ts';

const DRAG_HINT = html`<span class="quiet" data-drag-hint hidden
  >Drag over the picture to zoom. With keys: arrows read, shift and arrows choose, Enter zooms.</span
>`;
const NAMES: Readonly<Record<TrendView, string>> = {
  own: 'own scales',
  one: 'one scale',
  stacked: 'stacked',
};

export function trendSection(page: Page, trend: PlottedTrend): Html {
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
    ${spanForm(page, DRAG_HINT)}
    ${source(trend.question, csvOf(page, '/trend'), trend.rows.length === 0 ? null : dataTable(trend))}
  </section>`;
}

function dataTable({ rows, step }: PlottedTrend): Html {
  const name =
    rows.length > MOST_BEHIND
      ? `The newest ${MOST_BEHIND} of ${number(rows.length)} rows; the file has all`
      : 'Rows, the newest first';
  return html`<p class="quiet">${name}.</p>
    ${pageTable(
      name,
      [
        { title: step === 'day' ? 'Day' : 'Time', cell: (row) => row.local, kind: 'time', isHead: true },
        { title: levelMark('high'), cell: (row) => number(row.high), kind: 'number' },
        { title: levelMark('medium'), cell: (row) => number(row.medium), kind: 'number' },
        { title: levelMark('low'), cell: (row) => number(row.low), kind: 'number' },
        { title: 'State', cell: (row) => (row.is_observed ? 'observed' : 'carried') },
      ],
      rows.toReversed().slice(0, MOST_BEHIND),
    )}`;
}
