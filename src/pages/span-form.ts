// Two fields for any span of time: the way to zoom without a mouse and without a script.
import { html } from 'hono/html';
import { localMinute } from '../time/when.ts';
import { keep } from './forms.ts';
import type { Html, Page } from './page.ts';

export function spanForm(page: Page, hint: Html | string = ''): Html {
  const { span, timezone } = page.scope;
  const field = (name: string, label: string, at: Date) =>
    html`<label
      ><span>${label}</span>
      <input name="${name}" value="${localMinute(at, timezone)}" size="16" autocomplete="off"
    /></label>`;
  return html`<form class="span small" method="get" aria-label="Span of time">
    ${keep(page, ['range', 'from', 'to', 'cursor'])} ${field('from', 'From', span.from)}
    ${field('to', 'to', span.to)} <button>Show</button>
    ${hint}
  </form>`;
}
