// The data that every page gets, and the addresses of pages.
import type { html } from 'hono/html';
import type { Scope } from '../answers/scope.ts';

export type Html = ReturnType<typeof html>;

export type Page = {
  scope: Scope;
  /** The requested address: its path, and the parameters that hold the state of the page. */
  path: string;
  query: URLSearchParams;
  /** Says that rows of the span were deleted and figures of this page lack them. Null: none were deleted. */
  missing: string | null;
  /** Emails and names may be shown. */
  identities: boolean;
  /** Emails and names are shown to visitors who sign in for them. */
  offersIdentities: boolean;
  /** The visitor can end a session. */
  signedIn: boolean;
  version: string;
  /** Addresses of the style sheet and the script. */
  assets: { style: string; script: string };
};

export const PAGES = [
  ['/', 'Overview'],
  ['/changes', 'Changes'],
  ['/users', 'Users'],
  ['/response', 'Response'],
  ['/runs', 'Runs'],
] as const;

/** Parameters that stay from page to page. */
const KEPT = ['account', 'range', 'from', 'to', 'tz'];

/**
 * The address of a page that keeps account, span and time zone. `changes` sets parameters; null removes one. A given
 * range replaces from and to.
 */
export function linkTo(page: Page, path: string, changes: Record<string, string | null> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of page.query) if (KEPT.includes(name)) query.set(name, value);
  return withChanges(path, query, changes);
}

/** The address of this page with some parameters changed: everything else stays. */
export function linkHere(page: Page, changes: Record<string, string | null>): string {
  return withChanges(page.path, new URLSearchParams(page.query), changes);
}

/**
 * The data of a picture as a file: the same question, through the API. The address holds everything that the API needs.
 */
export function csvOf(
  { scope }: Pick<Page, 'scope'>,
  resource: string,
  more: Record<string, string> = {},
): string {
  const { chosen, span, timezone } = scope;
  const query = new URLSearchParams({
    ...(chosen && { account: chosen.account_id }),
    ...(span.range ? { range: span.range } : { from: span.from.toISOString(), to: span.to.toISOString() }),
    tz: timezone,
    ...more,
    format: 'csv',
  });
  return `/api/v1${resource}?${query.toString()}`;
}

function withChanges(path: string, query: URLSearchParams, changes: Record<string, string | null>): string {
  if (changes['range'] != null) {
    query.delete('from');
    query.delete('to');
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
