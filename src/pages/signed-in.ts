// What the footer says about the visitor: signed in or not, and whether emails and names are shown.
import { html } from 'hono/html';
import { linkHere, type Html, type Page } from './page.ts';

export function signedIn(page: Page): Html | '' {
  const { identities, offersIdentities } = page;
  if (page.signedIn)
    return html`<form class="session" method="post" action="/logout">
      <span>Signed in${identities ? ', emails and names shown' : ''}</span>
      ${offersIdentities && !identities ? showIdentities(page) : ''}
      <button class="link">Sign out</button>
    </form>`;
  return offersIdentities && !identities ? showIdentities(page) : '';
}

function showIdentities(page: Page): Html {
  const query = new URLSearchParams({ for: 'identities', next: linkHere(page, {}) });
  return html`<a href="/login?${query.toString()}">Show emails and names</a>`;
}
