// Debian's Chromium, driven without a download. CHROMIUM names another one.
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { REPORT_POLICY } from './in-page.ts';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Why tests in a browser are left out; false if they can run. */
export const NO_BROWSER = existsSync(EXECUTABLE)
  ? false
  : `no Chromium at ${EXECUTABLE}: install it, or name one in CHROMIUM`;

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', '--disable-gpu'] });
}

export type Watched = { page: Page; complaints: string[] };

/** A page that notes what a person would see in the console, and every request that leaves the origin. */
export async function openWatched(
  t: TestContext,
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({
    baseURL: origin,
    timezoneId: 'Europe/Berlin',
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    // A page that says why it cannot be shown has a status of its own, which the console repeats.
    const isStatus = message.text().startsWith('Failed to load resource: the server responded with');
    if (['error', 'warning'].includes(message.type()) && !isStatus) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) complaints.push(`a request to ${url}`);
  });
  await page.addInitScript(REPORT_POLICY);
  return { page, complaints };
}
