// Tables of every page, with the way to the next rows.
import { html } from 'hono/html';
import { linkHere, type Html, type Page } from './page.ts';

export type PageColumn<Row> = {
  title: Html | string;
  cell: (row: Row) => Html | string;
  /** `number` is aligned to the right; `word` and `time` do not wrap. */
  kind?: 'number' | 'word' | 'time';
  /** The cell that names the row to a screen reader. */
  isHead?: boolean;
  sorted?: 'ascending' | 'descending';
};

/** The number of rows in a table behind a picture, so that the page stays small. The file has all rows. */
export const MOST_BEHIND = 60;

/** `name` says what the rows are. A wide table scrolls within its region, also by keyboard. */
export function pageTable<Row>(name: string, columns: readonly PageColumn<Row>[], rows: Iterable<Row>): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${name}">
    <table>
      <thead>
        <tr>
          ${columns.map(
            ({ title, kind, sorted }) =>
              html`<th scope="col" class="${kind ?? ''}" ${sorted ? html`aria-sort="${sorted}"` : ''}>
                ${title}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${[...rows].map(
          (row) =>
            html`<tr>
              ${columns.map((column) => cellOf(column, row))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function cellOf<Row>({ kind, isHead, cell }: PageColumn<Row>, row: Row): Html {
  const look = kind === undefined ? '' : html` class="${kind}"`;
  return isHead === true
    ? html`<th scope="row" ${look}>${cell(row)}</th>`
    : html`<td${look}>${cell(row)}</td>`;
}

/** `next` is the cursor of the rows that follow, or null at the end. */
export function pager(page: Page, next: string | null): Html {
  const isFirst = !page.query.has('cursor');
  if (isFirst && next === null) return html``;
  return html`<p class="pager">
    ${isFirst ? '' : html`<a href="${linkHere(page, { cursor: null })}">First page</a>`}
    ${next === null ? '' : html`<a href="${linkHere(page, { cursor: next })}" rel="next">Next page</a>`}
  </p>`;
}
