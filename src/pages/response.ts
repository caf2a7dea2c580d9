// How long users stay at high: in a sentence, in figures compared with the span before, and as a picture. Below it, a
// list of users who are at high for longer than the target.
import { html } from 'hono/html';
import {
  lasted,
  openOver,
  responseCaveats,
  responseHeadline,
  targetWords,
  responseTimeOf,
  writeTarget,
  type Response,
} from '../answers/pages/response.ts';
import type { OpenEpisode } from '../queries/response/open-over-target.ts';
import type { DurationStep } from '../queries/response/response-distribution.ts';
import type { ResponseTime } from '../queries/response/response-times.ts';
import { localMinute } from '../time/when.ts';
import { plural } from '../words.ts';
import { durationBars, ENDING_WORDS, ENDINGS, short } from './charts/duration-bars.ts';
import { layout } from './layout.ts';
import { csvOf, type Html, type Page } from './page.ts';
import { heading, missingNote, notice, number, rangeChoice, source, userLink, wallTime } from './parts.ts';
import { pager, pageTable, type PageColumn } from './table.ts';

export type OpenPage = { rows: readonly OpenEpisode[]; next: string | null };

export function responsePage(page: Page, response: Response, open: OpenPage): Html {
  const { times, distribution, targetMs } = response;
  return layout(
    page,
    'Response',
    html`<h1>${responseHeadline(times.rows)}</h1>
      <p class="quiet">${responseCaveats(times.rows).join(' ')}</p>
      ${missingNote(page)} ${timesSection(page, response)}
      <section aria-labelledby="lengths">
        ${heading('After how long they left high', 'lengths')}
        ${
          responseTimeOf(times.rows, 'any').episode_count === 0
            ? notice('empty', 'Nobody left high in this span.', 'Choose a longer one, such as all.')
            : html`${durationBars(distribution.rows, targetMs)}
                <p class="quiet small">
                  Dashed: the target of ${targetWords(targetMs)}. Steps grow to the right.
                </p>`
        }
        ${source(distribution.question, csvOf(page, '/response-times/distribution'), stepsTable(distribution.rows))}
      </section>
      ${openSection(page, response, open)}`,
  );
}

function timesSection(page: Page, { times: { rows, question }, targetMs }: Response): Html {
  const now = responseTimeOf(rows, 'any');
  const before = responseTimeOf(rows, 'any', 'before');
  const length = (seconds: number | null) => (seconds === null ? '–' : lasted(seconds));
  return html`<section aria-labelledby="times">
    ${heading('Time at high', 'times', rangeChoice(page))}
    <div class="figures plain">
      ${figure('Median', length(now.median_seconds), length(before.median_seconds), 'median')}
      ${figure('90 % within', length(now.p90_seconds), length(before.p90_seconds), 'p90')}
      ${figure('Left high', number(now.episode_count), number(before.episode_count), 'count')}
    </div>
    <p class="quiet small">${spans(page)}</p>
    ${timesTable(rows, targetMs)}
    ${source(question, csvOf(page, '/response-times', { target: writeTarget(targetMs) }))}
  </section>`;
}

function figure(name: string, now: string, before: string, key: string): Html {
  return html`<div class="figure">
    <h3>${name}</h3>
    <p class="count" data-response="${key}">${now}</p>
    <p class="quiet small">${before === '–' ? 'nothing' : before} before</p>
  </div>`;
}

/** "2026-09-01 to 2026-11-29, and before: the same length from 2026-06-04 on." */
export function spans({ scope: { span, timezone } }: Pick<Page, 'scope'>): string {
  const [from, to] = [span.from.getTime(), span.to.getTime()];
  const time = (at: number) => localMinute(new Date(at), timezone);
  return `${time(from)} to ${time(to)}. Before: ${time(from - (to - from))} to ${time(from)}.`;
}

const NAMES: Readonly<Record<ResponseTime['ended_by'], string>> = {
  any: 'all that ended',
  ...ENDING_WORDS,
  open: 'still at high at the end',
};

export function timesTable(rows: readonly ResponseTime[], targetMs: number): Html {
  const length = (seconds: number | null) => (seconds === null ? '–' : lasted(seconds));
  const columns: PageColumn<ResponseTime['ended_by']>[] = [
    {
      title: 'How it ended',
      isHead: true,
      cell: (by) =>
        html`<span data-ended="${by}">${by}</span>
          ${by === 'any' ? '' : html`<span class="quiet">${NAMES[by]}</span>`}`,
    },
  ];
  const pair = (title: string, cell: (row: ResponseTime) => string): void => {
    columns.push(
      { title, kind: 'number', cell: (by) => cell(responseTimeOf(rows, by)) },
      {
        title: 'before',
        kind: 'number',
        cell: (by) => html`<span class="quiet">${cell(responseTimeOf(rows, by, 'before'))}</span>`,
      },
    );
  };
  pair('Periods', (row) => number(row.episode_count));
  pair('Median', (row) => length(row.median_seconds));
  pair('90 % within', (row) => length(row.p90_seconds));
  pair(`Over ${targetWords(targetMs)}`, (row) => number(row.over_target_count));
  return pageTable('Time at high by how it ended', columns, ['any', ...ENDINGS, 'open']);
}

function stepsTable(steps: readonly DurationStep[]): Html {
  return pageTable(
    'Periods by length',
    [
      { title: 'From', kind: 'word', isHead: true, cell: (step) => short(step.at_least_seconds) },
      {
        title: 'to',
        kind: 'word',
        cell: (step) => (step.below_seconds === null ? 'longer' : short(step.below_seconds)),
      },
      ...ENDINGS.map((ending) => ({
        title: ending,
        kind: 'number' as const,
        cell: (step: DurationStep) => number(step[ending]),
      })),
    ],
    steps,
  );
}

function openSection(page: Page, response: Response, { rows, next }: OpenPage): Html {
  const { targetMs, times, open } = response;
  const count = openOver(times.rows);
  const before = openOver(times.rows, 'before');
  const target = targetWords(targetMs);
  return html`<section class="paged" aria-labelledby="open">
    ${heading(`At high for longer than ${target}`, 'open')}
    <p>
      <span data-response="open-over">${count === 0 ? 'Nobody' : plural(count, 'user')}</span> at the end of
      this span, ${before === 0 ? 'nobody' : number(before)} at the end of the one before.
    </p>
    ${
      count === 0
        ? ''
        : html`${pageTable('Users at high for longer than the target, the longest first', openColumns(page), rows)}
          ${pager(page, next)}`
    }
    ${source(open.question, csvOf(page, '/response-times/open', { target: writeTarget(targetMs) }))}
  </section>`;
}

function openColumns(page: Page): PageColumn<OpenEpisode>[] {
  const account: PageColumn<OpenEpisode> = { title: 'Account', cell: (row) => row.account_label };
  return [
    { title: 'User', isHead: true, cell: (row) => userLink(page, row) },
    ...(page.scope.accounts.length > 1 ? [account] : []),
    { title: 'Since', kind: 'time', cell: (row) => wallTime(page, row.started_at) },
    {
      title: 'At high for',
      kind: 'number',
      cell: (row) => `${row.is_baseline === false ? '' : 'at least '}${lasted(row.duration_seconds)}`,
    },
    { title: 'Over by', kind: 'number', cell: (row) => lasted(row.over_seconds) },
  ];
}
