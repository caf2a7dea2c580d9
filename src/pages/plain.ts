// The frame of a page without any database query: the sign-in page, and refusals.
import { html } from 'hono/html';
import type { Html, Page } from './page.ts';

export function plainPage(assets: Page['assets'], title: string, main: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title} · zt-risk-sync</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${assets.style}" />
      </head>
      <body class="plain">
        <header><a class="brand" href="/">zt-risk-sync</a></header>
        <main id="main">${main}</main>
      </body>
    </html>`;
}

/** A request that is refused, in a browser. */
export function refusedPage(assets: Page['assets'], refusal: { code: string; message: string }): Html {
  return plainPage(
    assets,
    'Refused',
    html`<h1>${refusal.message}.</h1>
      <p><a href="/">Go to the overview</a></p>
      <p class="quiet">${refusal.code}</p>`,
  );
}
