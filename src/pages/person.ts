// A user in a table: the id, and the email and name if the visitor may see them.
import { html } from 'hono/html';
import type { Identity } from '../user-risk.ts';
import type { Html, Page } from './page.ts';
import { userLink } from './parts.ts';

type User = { account_id: string; user_id: string; erased_at?: string | null };
/** Undefined: emails and names are not shown. */
export type NameOf = (user: User) => Identity | undefined;

export function person(page: Page, user: User, nameOf: NameOf): Html {
  if (user.erased_at != null) return html`${userLink(page, user)} <span class="person quiet">erased</span>`;
  const named = nameOf(user);
  return named === undefined
    ? userLink(page, user)
    : html`${userLink(page, user)} <span class="person">${nameInWords(named)}</span>`;
}

/** Email and name, if they were served. */
export function nameInWords({ email, name }: Identity): Html {
  if (email === null && name === null) return html`<span class="quiet">without email and name</span>`;
  if (email === null || name === null) return html`${email ?? name}`;
  return html`${name} <span class="quiet">${email}</span>`;
}
