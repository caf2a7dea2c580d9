// The page of changes: the feed with its filters, the matrix of levels, and what is new since the last visit.
import { html } from 'hono/html';
import { changesHeadline, countOf, PLACES, type ChangesPage } from '../answers/people/changes-page.ts';
import { fileNote } from '../answers/people/rows-of-a-file.ts';
import type { FedChange } from '../queries/levels/change-feed.ts';
import { CHANGE_ORDER } from '../user-risk.ts';
import { plural } from '../words.ts';
import { filters, selectField } from './forms.ts';
import { layout } from './layout.ts';
import { spanForm } from './span-form.ts';
import { csvOf, linkHere, type Html, type Page } from './page.ts';
import { heading, levelMark, missingNote, notice, number, rangeChoice, source, wallTime } from './parts.ts';
import { person, type NameOf } from './person.ts';
import { pager, pageTable, type PageColumn } from './table.ts';

/** `next`: the cursor of the rows that follow. Null at the end. */
export function changesPage(page: Page, changes: ChangesPage, nameOf: NameOf, next: string | null): Html {
  const { matrix, feed, filter } = changes;
  const headline = changesHeadline(matrix.rows, spanInWords(page));
  return layout(
    page,
    'Changes',
    html`<h1>${headline.replace(/(\d) (?=[a-z])/g, '$1\u00a0')}</h1>
      ${news(page, changes)}
      <div class="span-row">${rangeChoice(page)} ${spanForm(page)}</div>
      ${missingNote(page)}
      <div class="beside">
        <section class="list" aria-labelledby="feed">
          ${heading('Newest first', 'feed')} ${filterForm(page)}
          <p class="quiet small" data-matching="${countOf(matrix.rows, filter)}">
            ${matching(countOf(matrix.rows, filter), countOf(matrix.rows))}
          </p>
          ${feed.rows.length === 0 ? nothing(page, changes) : feedTable(page, changes, nameOf)}
          ${pager(page, next)} ${source(feed.question, csvOf(page, '/changes', chosenIn(page)))}
          <p class="quiet small">
            ${fileNote(countOf(matrix.rows, filter), 'zt-risk-sync changes --format csv')}
          </p>
        </section>
        <section aria-labelledby="matrix">
          ${heading('From level to level', 'matrix')} ${matrixTable(page, changes)}
          <p class="quiet small">A figure leads to its changes.</p>
          ${source(matrix.question, csvOf(page, '/transitions'))}
        </section>
      </div>`,
  );
}

const FILTERS = ['change', 'from_level', 'to_level'];

function chosenIn(page: Page): Record<string, string> {
  return Object.fromEntries(
    [...page.query].filter(([name, value]) => FILTERS.includes(name) && value !== ''),
  );
}

function spanInWords({ scope: { span } }: Page): string {
  if (span.range === null) return 'in this span';
  if (span.range === 'all') return 'since the first load';
  const names: Record<string, string> = { '24h': '24 hours', '1y': 'year' };
  return `in the last ${names[span.range] ?? `${Number.parseInt(span.range, 10)} days`}`;
}

/**
 * Without a script, and at the first visit, this stays empty. The script knows the last snapshot that the visitor saw.
 */
function news(page: Page, { since, newestId, newestOf }: ChangesPage): Html {
  const address = linkHere(page, { since: 'SNAPSHOT', cursor: null });
  const seen = html`<p
    class="news"
    data-last-visit
    data-newest="${newestId ?? ''}"
    data-account="${newestOf ?? ''}"
    data-address="${address}"
    hidden
  ></p>`;
  if (since === null) return seen;
  const away = linkHere(page, { since: null, cursor: null });
  if (since.observed_at === null)
    return html`${seen}
    ${notice('empty', `Snapshot ${since.snapshotId} is not known.`, html`<a href="${away}">Without marks</a>`)}`;
  const count = since.change_count;
  const isEarlier = count > 0 && new Date(since.observed_at) < page.scope.span.from;
  const all = linkHere(page, { range: null, from: since.observed_at, to: null, cursor: null });
  const earlier = isEarlier ? html`<a href="${all}">Show all of them</a>` : '';
  const what = count === 0 ? 'Nothing has changed' : plural(count, 'change');
  const who = count === 0 ? '' : ` of ${plural(since.user_count, 'user')}`;
  return html`${seen}
    <p class="news" data-new="${count}">
      <strong>${what}${who}</strong> since your last visit, when the newest snapshot was of
      ${wallTime(page, since.observed_at)}. ${earlier} <a href="${away}">Without marks</a>
    </p>`;
}

function filterForm(page: Page): Html {
  const any = ['', 'any'] as const;
  const levels = PLACES.toReversed().map(
    (place) => [place, place === 'none' ? 'not present' : place] as const,
  );
  return filters(page, 'Filter of changes', FILTERS, [
    selectField(page, 'change', 'Change', [any, ...CHANGE_ORDER.map((change) => [change, change] as const)]),
    selectField(page, 'from_level', 'From level', [any, ...levels]),
    selectField(page, 'to_level', 'To level', [any, ...levels]),
  ]);
}

function matching(count: number, all: number): string {
  return count === all ? plural(all, 'change') : `${number(count)} of ${plural(all, 'change')}`;
}

function nothing(page: Page, { matrix, filter }: ChangesPage): Html {
  if (page.query.has('cursor')) return notice('empty', 'There are no earlier changes.');
  const all = countOf(matrix.rows);
  if (all > 0 && countOf(matrix.rows, filter) === 0)
    return notice(
      'empty',
      'No change fits the filter.',
      html`<a href="${linkHere(page, { change: null, from_level: null, to_level: null })}"
        >Show all ${number(all)}</a
      >`,
    );
  const isNew = page.scope.accounts.every(({ first_at }) => first_at === null);
  return isNew
    ? notice('empty', 'There is no snapshot yet.', 'Changes are known from the second snapshot on.')
    : notice(
        'empty',
        'No level has changed in this span.',
        html`<a href="${linkHere(page, { range: 'all' })}">Look at all of the history</a>`,
      );
}

function feedTable(page: Page, { feed, since }: ChangesPage, nameOf: NameOf): Html {
  const isNew = (row: FedChange) => since !== null && row.snapshot_id > since.snapshotId;
  const columns: PageColumn<FedChange>[] = [
    {
      title: 'When',
      cell: (row) =>
        html`${wallTime(page, row.changed_at)} ${isNew(row) ? html`<span class="new">new</span>` : ''}`,
      kind: 'time',
    },
    { title: 'User', cell: (row) => person(page, row, nameOf), isHead: true },
    { title: 'Change', cell: (row) => html`<span class="kind">${row.change}</span> ${levels(row)}` },
  ];
  if (page.scope.chosen === null && page.scope.known.length > 1)
    columns.push({ title: 'Account', cell: (row) => row.account_label });
  return pageTable('Changes, the newest first', columns, feed.rows);
}

function levels({ from_level, to_level }: FedChange): Html {
  if (from_level === null) return levelMark(to_level);
  if (to_level === null) return html`<span class="step">was ${levelMark(from_level)}</span>`;
  return html`<span class="step"
    >${levelMark(from_level)} <span aria-hidden="true">→</span
    ><span class="unseen"> to </span> ${levelMark(to_level)}</span
  >`;
}

/** Darker for more: four steps of grey, because colour belongs to levels. */
function matrixTable(page: Page, { matrix: { rows }, filter }: ChangesPage): Html {
  const cells = PLACES.flatMap((from) =>
    PLACES.map((to) => countOf(rows, { from_level: from, to_level: to })),
  );
  const most = Math.max(1, ...cells);
  const name = (place: string) => levelMark(place === 'none' ? null : place);
  const places = PLACES.toReversed();
  return html`<div class="scroll">
    <table class="matrix">
      <thead>
        <tr>
          <th scope="col"><span class="unseen">From</span></th>
          ${places.map((to) => html`<th scope="col" class="number">${name(to)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${places.map(
          (from) =>
            html`<tr>
              <th scope="row">${name(from)}</th>
              ${places.map((to) => {
                const count = countOf(rows, { from_level: from, to_level: to });
                const isChosen = filter.from_level === from && filter.to_level === to;
                const address = linkHere(page, {
                  from_level: from,
                  to_level: to,
                  change: null,
                  cursor: null,
                });
                return html`<td
                  class="number heat-${count === 0 ? 0 : Math.ceil((4 * count) / most)}"
                  data-cell="${from} ${to}"
                >
                  ${
                    count === 0
                      ? html`<span class="quiet">${from === to ? '' : '0'}</span>`
                      : html`<a href="${address}" ${isChosen ? html`aria-current="true"` : ''}
                          >${number(count)}</a
                        >`
                  }
                </td>`;
              })}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
