// Every page in a real browser: what it draws, asks for and says, by pointer, by keyboard and without scripts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, suite, test, type TestContext } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { startApp } from '../support/api/http-app.ts';
import { ADDRESSES } from '../support/pages/addresses.ts';
import { NO_BROWSER, openWatched, startBrowser } from '../support/pages/browser.ts';
import {
  BYTES,
  FINDINGS,
  FOCUS,
  hiddenIn,
  OPEN_ALL,
  USABLE,
  WIDTH,
  SEEN_BEFORE,
} from '../support/pages/in-page.ts';
import { reportingWorld, type ReportingWorld } from '../support/world/reporting-world.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MOST_BYTES = 200_000;

suite('in a browser', { skip: NO_BROWSER }, () => {
  let world: ReportingWorld;
  let browser: Browser;

  before(async () => {
    [world, browser] = await Promise.all([reportingWorld(), startBrowser()]);
  });

  after(async () => {
    await browser.close();
    await world.close();
  });

  async function open(t: TestContext, options: Parameters<typeof openWatched>[3] = {}) {
    const app = await startApp(t, { databaseUrl: world.database.url, token: null });
    return openWatched(t, browser, app.url(''), options);
  }

  for (const colorScheme of ['light', 'dark'] as const)
    test(`every page is quiet, stays with its origin, and satisfies axe in the ${colorScheme} theme`, async (t) => {
      const { page, complaints } = await open(t, { colorScheme });
      for (const { path, shows } of ADDRESSES) {
        await page.goto(path);
        await page.locator(shows).first().waitFor({ state: 'attached' });
        assert.deepEqual(await axeFindings(page), [], path);
        assert.deepEqual(complaints, [], path);
      }
    });

  test('no page is wider than the screen, on a phone and on a wide one', async (t) => {
    const { page } = await open(t);
    for (const { path } of ADDRESSES)
      for (const width of [360, 2_560]) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(path);
        await page.evaluate(OPEN_ALL);
        const wide = await page.evaluate<number>(WIDTH);
        assert.ok(wide <= width, `${path} is ${wide} wide on a screen of ${width}`);
      }
  });

  test('a list in pages shows all its rows above the link to the next page', async (t) => {
    const { page } = await open(t);
    await page.setViewportSize({ width: 1_280, height: 240 });
    for (const [path, name] of [
      ['/runs?range=all', 'Runs, the newest first'],
      ['/response?range=all&target=1s', 'Users at high for longer than the target'],
      ['/changes?range=all', 'Changes, the newest first'],
      ['/users?level=all', 'Users'],
    ] as const) {
      await page.goto(path);
      assert.equal(await page.evaluate<number>(hiddenIn(name)), 0, path);
    }
  });

  test('every page says the same without scripts', async (t) => {
    const { page } = await open(t, { javaScriptEnabled: false });
    for (const { path, shows } of ADDRESSES) {
      await page.goto(path);
      assert.ok((await page.locator(shows).count()) > 0, `${shows} in ${path}`);
    }
  });

  test('the tab key reaches everything that can be used', async (t) => {
    const { page } = await open(t);
    for (const { path } of ADDRESSES) {
      await page.goto(path);
      const wanted = await page.evaluate<number>(USABLE);
      const reached = new Set<number>();
      for (let nth = 0; nth < wanted + 5 && reached.size < wanted; nth += 1) {
        await page.keyboard.press('Tab');
        const place = await page.evaluate<number | null>(FOCUS);
        if (place !== null) reached.add(place);
      }
      assert.equal(reached.size, wanted, path);
    }
  });

  test('a filter, a cell of the matrix and a user are each one click away, and the way back restores them', async (t) => {
    const { page, complaints } = await open(t);
    await page.goto('/changes?range=all&tz=UTC');
    await page.locator('select[name="change"]').selectOption('raised');
    await page.waitForURL(/change=raised/);
    const raised = page.url();
    await page.locator('[data-cell="none low"] a').click();
    await page.waitForURL(/from_level=none&to_level=low/);
    assert.equal(await page.locator('select[name="from_level"]').inputValue(), 'none');
    await page.goBack();
    assert.equal(page.url(), raised);
    assert.equal(await page.locator('select[name="change"]').inputValue(), 'raised');
    const id = await page.locator('#main .id').first().getAttribute('title');
    await page.locator('#main .id').first().click();
    await page.waitForURL(/\/users\/.*tz=UTC/);
    assert.ok((await page.locator('h1').innerText()).includes(id ?? '?'));
    assert.deepEqual(complaints, []);
  });

  test('a returning visitor is offered what has changed since the last visit', async (t) => {
    const { page } = await open(t);
    await page.goto('/changes?range=all&tz=UTC');
    assert.ok(await page.locator('[data-last-visit]').isHidden());
    // As if the newest snapshots were published after the last visit.
    await page.evaluate(SEEN_BEFORE);
    await page.goto('/changes?range=all&tz=UTC');
    await page.locator('[data-last-visit] a').click();
    await page.waitForURL(/since=20/);
    assert.ok(Number(await page.locator('[data-new]').getAttribute('data-new')) > 0);
    assert.ok((await page.locator('tbody .new').count()) > 0);
  });

  test('a page with style and script weighs less than 200 kB', async (t) => {
    const { page } = await open(t);
    for (const { path } of ADDRESSES) {
      await page.goto(path);
      const bytes = await page.evaluate<number>(BYTES);
      assert.ok(bytes < MOST_BYTES, `${path} weighs ${bytes} bytes`);
      t.diagnostic(`${path}: ${bytes} bytes`);
    }
  });

  test('dragging over the trend leads to the address of that span, and the way back restores the page', async (t) => {
    const { page } = await open(t);
    await page.goto('/?range=all&tz=UTC');
    const before = page.url();
    const plot = await page.locator('[data-plot="high"]').boundingBox();
    assert.ok(plot);
    await page.mouse.move(plot.x + plot.width * 0.3, plot.y + 20);
    assert.match(await page.locator('[data-when]').innerText(), /^\d{4}-\d\d-\d\d/);
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width * 0.6, plot.y + 30, { steps: 3 });
    await page.mouse.up();
    await page.waitForURL(/[?&]from=.*&to=/);
    assert.ok(!page.url().includes('range='));
    const chosen = await page.locator('[data-trend]').getAttribute('data-from');
    await page.reload();
    assert.equal(await page.locator('[data-trend]').getAttribute('data-from'), chosen);
    await page.goBack();
    assert.equal(page.url(), before);
    await page.locator('[data-plot="high"] .u-over').waitFor();
  });

  test('keys read the trend and choose a span', async (t) => {
    const { page } = await open(t);
    await page.goto('/?range=all&tz=UTC');
    await page.locator('[data-trend]').focus();
    await page.keyboard.press('Home');
    const first = await page.locator('[data-when]').innerText();
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await page.locator('[data-when]').innerText(), first);
    await page.keyboard.press('Shift+End');
    await page.keyboard.press('Enter');
    await page.waitForURL(/[?&]from=.*&to=/);
  });

  test("the first visit learns the browser's time zone, and another account or zone is one change away", async (t) => {
    const { page } = await open(t);
    await page.goto('/');
    await page.locator('[data-zone="Europe/Berlin"]').waitFor({ state: 'attached' });
    await page.locator('[name="tz"]').fill('Asia/Tokyo');
    await page.locator('[name="tz"]').press('Enter');
    await page.waitForURL(/tz=Asia%2FTokyo/);
    await page.locator('[name="account"]').selectOption({ index: 1 });
    await page.waitForURL(/account=/);
    await page.locator('[data-zone="Asia/Tokyo"]').waitFor({ state: 'attached' });
  });
});

async function axeFindings(page: Page): Promise<string[]> {
  // Not a script element: the policy of the page would refuse it.
  await page.evaluate(axe);
  return page.evaluate<string[]>(FINDINGS);
}
