// The frame of every page: head, navigation, account and time zone, footer.
import { html } from 'hono/html';
import { keep } from './forms.ts';
import { PAGES, linkTo, type Html, type Page } from './page.ts';
import { signedIn } from './signed-in.ts';

export function layout(page: Page, title: string, main: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title} · zt-risk-sync</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${page.assets.style}" />
        <script type="module" src="${page.assets.script}"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
          <a class="brand" href="${linkTo(page, '/')}">zt-risk-sync</a>
          <nav aria-label="Pages">${PAGES.map(([path, name]) => navLink(page, path, name))}</nav>
          ${scopeForm(page)}
        </header>
        <main id="main" tabindex="-1">${main}</main>
        <footer>
          <p>zt-risk-sync ${page.version} · ${aboutWhat(page)} · times in ${page.scope.timezone}</p>
          ${signedIn(page)}
        </footer>
      </body>
    </html>`;
}

/** Printed pages have no form that shows it. */
function aboutWhat({ scope: { chosen } }: Page): string {
  return chosen === null ? 'all accounts' : (chosen.label ?? chosen.account_id);
}

function navLink(page: Page, path: string, name: string): Html {
  const isHere = path === '/' ? page.path === '/' : page.path.startsWith(path);
  return isHere
    ? html`<a href="${linkTo(page, path)}" aria-current="page">${name}</a>`
    : html`<a href="${linkTo(page, path)}">${name}</a>`;
}

/** A list of thousands would double the size of the page, and be too long to find an account in. */
const MOST_LISTED = 200;

function accountField(chosen: Page['scope']['chosen']): Html {
  return html`<input
    name="account"
    value="${chosen?.account_id ?? ''}"
    placeholder="All accounts: id or label"
    size="32"
    autocomplete="off"
    spellcheck="false"
  />`;
}

function accountList({ scope: { known, chosen } }: Page): Html {
  return html`<select name="account">
    <option value="">All accounts</option>
    ${known.map(
      (account) =>
        html`<option value="${account.account_id}" ${account === chosen ? 'selected' : ''}>
          ${account.label ?? account.account_id}
        </option>`,
    )}
  </select>`;
}

/** Without a script, a button sends it; the script sends it at every change. */
function scopeForm(page: Page): Html {
  const { known, chosen, timezone } = page.scope;
  return html`<form class="scope" method="get" aria-label="Account and time zone" data-sends-itself>
    ${keep(page, ['account', 'tz', 'cursor'])}
    <label
      ><span class="unseen">Account</span>
      ${known.length > MOST_LISTED ? accountField(chosen) : accountList(page)}</label
    >
    <label
      ><span class="unseen">Time zone</span>
      <input name="tz" value="${timezone}" size="16" autocomplete="off" spellcheck="false" data-time-zone
    /></label>
    <button class="send">Apply</button>
  </form>`;
}
