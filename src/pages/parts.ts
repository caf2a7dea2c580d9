// The small pieces that pages share: levels, instants, ids, headings, and the data behind a picture.
import { html } from 'hono/html';
import { minute } from '../time/when.ts';
import { runnable, type Question } from '../queries/question.ts';
import { ago } from '../words.ts';
import { linkTo, type Html, type Page } from './page.ts';

const SHAPES: Readonly<Record<string, string>> = { high: '▲', medium: '◆', low: '●' };

/** Shape, word and colour: each of them alone tells the level. Null: not present. */
export function levelMark(level: string | null): Html {
  if (level === null) return html`<span class="level none">not present</span>`;
  return html`<span class="level ${level}"
    ><span class="shape" aria-hidden="true">${SHAPES[level] ?? ''}</span> ${level}</span
  >`;
}

/** "21 h ago", with the instant on hover. */
export function instant({ scope }: Pick<Page, 'scope'>, at: Date | string): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${minute(iso, scope.timezone)}"
    >${ago(iso, scope.now.getTime())}</time
  >`;
}

/** The beginning of the id, which leads to the user. The whole id is there on hover, and for who copies it. */
export function userLink(page: Page, user: { account_id: string; user_id: string }): Html {
  const address = linkTo(page, `/users/${user.user_id}`, { account: user.account_id });
  return html`<a class="id" href="${address}" title="${user.user_id}">${user.user_id.slice(0, 8)}</a>`;
}

/** A heading with what leads on from it. `id` names the section in an address. */
export function heading(title: string, id: string, more: Html | string = ''): Html {
  return html`<div class="head">
    <h2 id="${id}">${title}</h2>
    ${more}
  </div>`;
}

/** The statement behind a picture, and its data as a file. */
export function source(question: Question<Record<string, unknown>>, csv: string): Html {
  return html`<details class="source">
    <summary>SQL</summary>
    <pre tabindex="0">${runnable(question)}</pre>
    <p><a href="${csv}" download>Data as CSV</a></p>
  </details>`;
}

export function number(value: number): string {
  return value.toLocaleString('en-US');
}
