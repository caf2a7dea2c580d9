// A page that could not be answered: what happened, what it means, what to do.
import { html } from 'hono/html';
import type { OperatorError } from '../errors.ts';
import { layout } from './layout.ts';
import type { Html, Page } from './page.ts';
import { notice } from './parts.ts';

/** Null: an error that nobody expected. The log has it. */
export function failedPage(page: Page, error: OperatorError | null): Html {
  const { code, happened, means, todo } = error ?? {
    code: 'UNEXPECTED',
    happened: 'An unexpected error occurred',
    means: 'This page cannot be shown',
    todo: 'Look at the log of the server',
  };
  return layout(
    page,
    'Not shown',
    html`<h1>${happened}.</h1>
      ${notice('error', `${means}.`, `${todo}.`)}
      <p class="quiet">${code}</p>`,
  );
}
