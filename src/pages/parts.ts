// The small pieces that pages share: levels, instants, ids, headings, notices, and the data behind a picture.
import { html } from 'hono/html';
import { RANGE_NAMES } from '../answers/scope.ts';
import { runnable, type Question } from '../queries/question.ts';
import { localMinute, minute } from '../time/when.ts';
import { ago } from '../words.ts';
import { linkHere, linkTo, type Html, type Page } from './page.ts';

const SHAPES: Readonly<Record<string, string>> = { high: '▲', medium: '◆', low: '●' };

/** Shape, word and colour: each of them alone shows the level. Null: not present. */
export function levelMark(level: string | null): Html {
  if (level === null) return html`<span class="level none">not present</span>`;
  return html`<span class="level ${level}"
    ><span class="shape" aria-hidden="true">${SHAPES[level] ?? ''}</span> ${level}</span
  >`;
}

/** "21 h ago", with the instant on hover. */
export function timeElement({ scope }: Pick<Page, 'scope'>, at: Date | string): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${minute(iso, scope.timezone)}"
    >${ago(iso, scope.now.getTime())}</time
  >`;
}

/** "2026-03-01 09:00" in the time zone of the page, with the offset on hover. */
export function wallTime({ scope }: Pick<Page, 'scope'>, at: Date | string): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${minute(iso, scope.timezone)}"
    >${localMinute(iso, scope.timezone)}</time
  >`;
}

/** The beginning of the id, with a link to the user. The whole id appears on hover, and is what a copy gets. */
export function userLink(page: Page, user: { account_id: string; user_id: string }): Html {
  const address = linkTo(page, `/users/${user.user_id}`, { account: user.account_id });
  return html`<a class="id" href="${address}" title="${user.user_id}" data-copy="${user.user_id}"
    >${user.user_id.slice(0, 8)}</a
  >`;
}

/** A heading with links to more. `id` names the section in an address. */
export function heading(title: string, id: string, more: Html | string = ''): Html {
  return html`<div class="head">
    <h2 id="${id}">${title}</h2>
    ${more}
  </div>`;
}

/** For the end of a heading: the page with the complete list. */
export function moreLink(address: string, text: string): Html {
  return html`<a class="more" href="${address}">${text} <span aria-hidden="true">→</span></a>`;
}

/** "24h 7d 30d 90d 1y all", as links that keep everything else. */
export function rangeChoice(page: Page): Html {
  const { range } = page.scope.span;
  const names = RANGE_NAMES.map((name) => [name, name.replace(/(?<=\d)(?=[a-z])/, ' ')] as const);
  return choice(
    'Span of time',
    names.map(([name, text]) => ({
      text,
      address: linkHere(page, { range: name }),
      isChosen: name === range,
    })),
  );
}

export function choice(
  label: string,
  options: readonly { text: Html | string; address: string; isChosen: boolean }[],
): Html {
  return html`<div class="choice" role="group" aria-label="${label}">
    ${options.map(({ text, address, isChosen }) =>
      isChosen
        ? html`<a href="${address}" aria-current="true">${text}</a>`
        : html`<a href="${address}">${text}</a>`,
    )}
  </div>`;
}

/** A term and its explanation. */
export function facts(pairs: readonly (readonly [term: string, text: Html | string])[]): Html {
  return html`<dl class="facts">
    ${pairs.map(
      ([term, text]) =>
        html`<dt>${term}</dt>
          <dd>${text}</dd>`,
    )}
  </dl>`;
}

/** Replaces the content of a page before the first snapshot. */
export function nothingYet({ scope }: Pick<Page, 'scope'>, nextSlot: Date | null): Html {
  return html`<h1>There is no snapshot yet.</h1>
    ${notice(
      'empty',
      nextSlot === null ? 'No run is planned.' : `The next run is at ${minute(nextSlot, scope.timezone)}.`,
      html`<code>zt-risk-sync sync</code> makes one now. This page fills with the first snapshot.`,
    )}`;
}

/** In place of missing data, or beside data with a problem. */
export function notice(
  kind: 'empty' | 'stale' | 'partial' | 'error',
  title: string,
  text: Html | string = '',
): Html {
  return html`<div class="notice ${kind}"><strong>${title}</strong> ${text}</div>`;
}

/** For figures that lack rows that were deleted. */
export function missingNote({ missing }: Pick<Page, 'missing'>): Html | string {
  return missing === null ? '' : html`<p class="notice partial" data-missing>${missing}</p>`;
}

/**
 * What is behind a picture: its data as a table and as a file, and the statement. `csv`: null if there is no file of
 * the same data.
 */
export function source(
  question: Question<Record<string, unknown>>,
  csv: string | null,
  table: Html | null = null,
): Html {
  return html`<div class="behind">
    ${
      table === null
        ? ''
        : html`<details>
            <summary>Table</summary>
            ${table}
          </details>`
    }
    <details>
      <summary>SQL</summary>
      <pre tabindex="0" aria-label="The statement, for psql or a BI tool">${runnable(question)}</pre>
    </details>
    ${csv === null ? '' : html`<a href="${csv}" download>CSV</a>`}
  </div>`;
}

/** Null: it is not known. */
export function number(value: number | null): string {
  return value === null ? '–' : value.toLocaleString('en-US');
}

/** In place of a part that would need a question for each day of each account. */
export function withoutDays(choice: Html = html``): Html {
  return html`<section aria-labelledby="coverage">
    ${heading('Day by day', 'coverage', choice)}
    <p class="quiet">There are too many accounts for a look at each of their days. Choose one above.</p>
  </section>`;
}
