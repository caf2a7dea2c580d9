// The report as one file that stands alone. Its style is included, its pictures are SVG, and it needs no script, no
// server and no network.
import { html, raw } from 'hono/html';
import { coverageWords } from '../../answers/pages/coverage.ts';
import { lasted, targetWords } from '../../answers/pages/response.ts';
import { listedOf, MOST_LISTED, nameIn, type Report } from '../../answers/report/report.ts';
import {
  accountNames,
  periodWords,
  reportCaveats,
  reportSummary,
} from '../../answers/report/report-words.ts';
import type { News } from '../../queries/levels/news.ts';
import type { Transition } from '../../queries/levels/transitions.ts';
import { localMinute, minute } from '../../time/when.ts';
import { coverageCalendar, calendarLegend } from '../charts/coverage-calendar.ts';
import { durationBars } from '../charts/duration-bars.ts';
import { trendChart } from '../charts/trend-chart.ts';
import type { Html } from '../page.ts';
import { heading, levelMark, number } from '../parts.ts';
import { nameInWords } from '../person.ts';
import { timesTable } from '../response.ts';
import { pageTable, type PageColumn } from '../table.ts';

/** `style` is the text of the style sheet of all pages. */
export function reportPage(report: Report, { style, version }: { style: string; version: string }): Html {
  const { scope } = report;
  const [headline = '', ...sentences] = reportSummary(report);
  const title = `${accountNames(scope)}, ${periodWords(scope)}`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>Zero Trust risk: ${title}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <style>
          ${raw(style)}
        </style>
      </head>
      <body class="report">
        <main>
          <p class="quiet kicker">Zero Trust user risk · ${title}</p>
          <h1>${headline}</h1>
          ${sentences.map((sentence) => html`<p>${sentence}</p>`)}
          ${report.end.account_count === 0 ? '' : filled(report)}
        </main>
        <footer>
          <p>
            Made by zt-risk-sync ${version} at ${minute(scope.now, scope.timezone)} · times in
            ${scope.timezone}
          </p>
        </footer>
      </body>
    </html>`;
}

function filled(report: Report): Html {
  const { trend, scope, response, coverage } = report;
  const section = (id: string, title: string, content: Html) =>
    html`<section aria-labelledby="${id}">${heading(title, id)} ${content}</section>`;
  return html`${section(
    'trend',
    'Users by level',
    trendChart({ trend, span: scope.span, timezone: scope.timezone, view: 'own', isStill: true }),
  )}
  ${section('transitions', 'From level to level', transitionsTable(report.transitions))}
  ${section('rose', `Rose: ${number(listedOf(report, 'raised').count)}`, newsTable(report, 'raised'))}
  ${section('cleared', `Were cleared: ${number(listedOf(report, 'cleared').count)}`, newsTable(report, 'cleared'))}
  ${section('returned', `Came back: ${number(listedOf(report, 'returned').count)}`, newsTable(report, 'returned'))}
  ${section('longest', 'Longest at high', longestTable(report))}
  ${section(
    'response',
    'Response',
    html`${timesTable(response.times.rows, response.targetMs)}
      ${durationBars(response.distribution.rows, response.targetMs)}
      <p class="quiet small">
        Before: the period of the same length that ended at the start. Dashed: the target of
        ${targetWords(response.targetMs)}.
      </p>`,
  )}
  ${section(
    'coverage',
    'How sure, day by day',
    html`<div class="calendar-row">
      ${coverageCalendar(coverage, coverageWords(coverage))}
      <div>
        <p>${coverageWords(coverage)}</p>
        ${calendarLegend(coverage)}
      </div>
    </div>`,
  )}
  ${section(
    'caveats',
    'What to know',
    html`<ul class="caveats">
      ${reportCaveats(report).map((caveat) => html`<li>${caveat}</li>`)}
    </ul>`,
  )}`;
}

function transitionsTable(rows: readonly Transition[]): Html {
  const places = ['high', 'medium', 'low', 'none'];
  const name = (place: string) => levelMark(place === 'none' ? null : place);
  const count = (from: string, to: string) =>
    rows.reduce(
      (sum, row) => sum + (row.from_level === from && row.to_level === to ? row.change_count : 0),
      0,
    );
  return pageTable(
    'Changes from each level to each other one',
    [
      { title: 'From', isHead: true, kind: 'word', cell: (from: string) => name(from) },
      ...places.map((to) => ({
        title: html`to ${name(to)}`,
        kind: 'number' as const,
        cell: (from: string) =>
          from === to ? '' : html`<span data-cell="${from} ${to}">${number(count(from, to))}</span>`,
      })),
    ],
    places,
  );
}

type User = { account_id: string; user_id: string };

/** The whole id is what a copy gets, and appears on hover. */
function who(report: Report, user: User): Html {
  const id = html`<span class="id" title="${user.user_id}">${user.user_id.slice(0, 8)}</span>`;
  const named = nameIn(report, user);
  return named === undefined ? id : html`${id} ${nameInWords(named)}`;
}

function whoColumn<Row extends User>(report: Report): PageColumn<Row> {
  return { title: 'User', isHead: true, cell: (row) => who(report, row) };
}

const REASONS: Readonly<Record<string, string>> = {
  reset: 'reset by an administrator',
  absent: 'no longer listed',
};

function newsTable(report: Report, change: News['change']): Html {
  const { rows, count } = listedOf(report, change);
  if (count === 0) return html`<p class="quiet">Nobody.</p>`;
  const why: PageColumn<News> = {
    title: 'Why',
    kind: 'word',
    cell: (row) => REASONS[row.end_reason ?? ''] ?? '',
  };
  return html`${pageTable(
    'Users, the gravest first',
    [
      whoColumn<News>(report),
      { title: 'Levels', kind: 'word', cell: step },
      ...(change === 'cleared' ? [why] : []),
      { title: 'When', kind: 'time', cell: (row) => localMinute(row.changed_at, report.scope.timezone) },
    ],
    rows,
  )}
  ${count > rows.length ? html`<p class="quiet small">The gravest ${MOST_LISTED} of ${number(count)}.</p>` : ''}`;
}

function step({ from_level, to_level }: News): Html {
  if (to_level === null) return html`was ${levelMark(from_level)}`;
  if (from_level === null) return html`now ${levelMark(to_level)}`;
  return html`${levelMark(from_level)} <span aria-label="to">→</span> ${levelMark(to_level)}`;
}

function longestTable(report: Report): Html {
  if (report.longest.length === 0) return html`<p class="quiet">Nobody was at high.</p>`;
  const { timezone } = report.scope;
  return pageTable(
    'Periods at high, the longest first',
    [
      whoColumn<Report['longest'][number]>(report),
      {
        title: 'At high for',
        kind: 'number',
        cell: (row) => `${row.is_baseline === false ? '' : 'at least '}${lasted(row.duration_seconds)}`,
      },
      { title: 'From', kind: 'time', cell: (row) => localMinute(row.started_at, timezone) },
      {
        title: 'To',
        kind: 'time',
        cell: (row) => (row.ended_at === null ? 'lasts' : localMinute(row.ended_at, timezone)),
      },
      { title: 'How it ended', cell: (row) => row.ended_by ?? '' },
      { title: 'Events', kind: 'number', cell: (row) => number(row.peak_event_count) },
    ],
    report.longest,
  );
}
