// Filters of a page: a form whose values become parameters of the address. Without a script, a button sends it; the
// script sends it at every change.
import { html } from 'hono/html';
import type { Html, Page } from './page.ts';

/** `names`: the parameters that the fields set. Everything else in the address stays, except the cursor. */
export function filters(page: Page, label: string, names: readonly string[], fields: readonly Html[]): Html {
  return html`<form class="filters" method="get" role="search" aria-label="${label}" data-sends-itself>
    ${keep(page, [...names, 'cursor'])} ${fields}
    <button class="send">Apply</button>
  </form>`;
}

export function selectField(
  page: Page,
  name: string,
  label: string,
  options: readonly (readonly [value: string, text: string])[],
): Html {
  const chosen = page.query.get(name) ?? '';
  return html`<label
    ><span>${label}</span>
    <select name="${name}">
      ${options.map(
        ([value, text]) =>
          html`<option value="${value}" ${value === chosen ? 'selected' : ''}>${text}</option>`,
      )}
    </select></label
  >`;
}

export function textField(page: Page, name: string, label: string, hint = ''): Html {
  return html`<label
    ><span>${label}</span>
    <input
      name="${name}"
      value="${page.query.get(name) ?? ''}"
      placeholder="${hint}"
      autocomplete="off"
      spellcheck="false"
  /></label>`;
}

/** Hidden fields for the rest of the address. */
export function keep(page: Page, without: readonly string[]): Html {
  const others = [...page.query].filter(([name]) => !without.includes(name));
  return html`${others.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}`;
}
