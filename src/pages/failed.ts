// The page for a question that could not be answered: what happened, what it means, what to do.
import { html } from 'hono/html';
import type { ErrorCode, OperatorError } from '../errors.ts';
import { layout } from './layout.ts';
import { linkHere, linkTo, type Html, type Page } from './page.ts';
import { notice } from './parts.ts';

/** Null: an unexpected error. The log has it. */
export function failedPage(page: Page, error: OperatorError | null): Html {
  const { code, happened, means, todo } = error ?? {
    code: 'UNEXPECTED',
    happened: 'An unexpected error occurred',
    means: 'This page cannot be shown',
    todo: 'Look at the log of the server',
  };
  const way = WAYS_ON[code]?.(page);
  return layout(
    page,
    'Not shown',
    html`<h1>${way?.happened ?? happened}.</h1>
      ${notice('error', `${means}.`, way === undefined ? `${todo}.` : html`<a href="${way.address}">${way.text}</a>`)}
      <p class="quiet">${code}</p>`,
  );
}

type WayOn = {
  /** A title for errors whose description is too long for one. */
  happened?: string;
  address: string;
  text: string;
};

const allAccounts = (page: Page): WayOn => ({
  address: linkHere(page, { account: null }),
  text: 'Show all accounts',
});

/** Errors for which a page has a better remedy than a command. */
const WAYS_ON: Partial<Record<ErrorCode, (page: Page) => WayOn>> = {
  ACCOUNT_UNKNOWN: allAccounts,
  ACCOUNT_AMBIGUOUS: allAccounts,
  RUN_NOT_FOUND: (page) => ({ address: linkTo(page, '/runs'), text: 'Show all runs' }),
  USER_AMBIGUOUS: (page) => ({
    happened: 'Several users have an id that begins like this',
    address: linkTo(page, '/users', {
      level: 'all',
      q: decodeURIComponent(page.path.split('/').at(-1) ?? ''),
    }),
    text: 'Choose one of them',
  }),
};
