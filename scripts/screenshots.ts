// `npm run screenshots`: pictures of the overview for the README, light and dark, of the demo's history. Needs a
// Chromium (CHROMIUM, or /usr/bin/chromium) and a running server: SCREENSHOT_URL, such as http://127.0.0.1:8080.
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const FOLDER = 'docs/images';
const url = process.env['SCREENSHOT_URL'];
if (url === undefined)
  throw new Error('set SCREENSHOT_URL to the address of a server that shows the demo: see CONTRIBUTING.md');
await mkdir(FOLDER, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({
      viewport: { width: 1_280, height: 890 },
      timezoneId: 'UTC',
      colorScheme,
    });
    await page.goto(`${url}/?tz=UTC`);
    await page.locator('[data-plot] .u-over').first().waitFor({ state: 'attached' });
    await page.screenshot({ path: `${FOLDER}/overview-${colorScheme}.png` });
    process.stdout.write(`${FOLDER}/overview-${colorScheme}.png\n`);
  }
} finally {
  await browser.close();
}
