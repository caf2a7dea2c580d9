// The sign-in page, and the page that a visit from elsewhere needs first.
import { html } from 'hono/html';
import type { Html, Page } from './page.ts';
import { plainPage } from './plain.ts';

export type Login = {
  assets: Page['assets'];
  /** Where to go afterwards: a path of this server. */
  next: string;
  /** Which tokens there are. */
  offers: { reader: boolean; identities: boolean };
  problem: string | null;
};

export function loginPage({ assets, next, offers, problem }: Login): Html {
  return plainPage(
    assets,
    'Sign in',
    html`<h1>${offers.reader ? 'Sign in' : 'Show emails and names'}</h1>
      <form class="login" method="post" action="/login">
        <input type="hidden" name="next" value="${next}" />
        <input name="username" autocomplete="username" value="zt-risk-sync" readonly hidden />
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          autocapitalize="none"
          spellcheck="false"
          required
          autofocus
          aria-describedby="which${problem === null ? '' : ' problem'}"
          ${problem === null ? '' : html`aria-invalid="true"`}
        />
        ${problem === null ? '' : html`<p id="problem" class="problem" role="alert">${problem}</p>`}
        <p id="which" class="quiet">${which(offers)}</p>
        <button>Sign in</button>
      </form>`,
  );
}

function which({ reader, identities }: Login['offers']): Html {
  if (!identities) return html`It is the <code>HTTP_TOKEN</code> of this server. Its operator has it.`;
  const second = html`With the <code>HTTP_PII_TOKEN</code>, pages also show emails and names.`;
  return reader ? html`It is the <code>HTTP_TOKEN</code> of this server. ${second}` : second;
}

/** Asks for the same address again: the visit then begins on this site, and the browser sends the session. */
export function visitAgain(address: string): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>zt-risk-sync</title>
        <meta name="color-scheme" content="light dark" />
        <meta http-equiv="refresh" content="0; url=${address}" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <p><a href="${address}">Go on to zt-risk-sync</a></p>
      </body>
    </html>`;
}
