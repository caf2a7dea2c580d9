// Which page size is requested, and what happens when it is refused, too slow or too large.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expectedPages, isFullPage } from '../../../src/cloudflare/paging/page-size.ts';
import { OperatorError } from '../../../src/errors.ts';
import { HONEST, refused, walkWorld } from '../../support/api/paging-world.ts';
import { assertWhole, verdictOn } from '../../support/api/walked-worlds.ts';

describe('page sizes in auto mode', () => {
  const firstSizes = async (refuse: (perPage: number) => Error | null, perPage: 'auto' | number = 'auto') => {
    const outcome = await walkWorld(
      { ...HONEST, clamp: null },
      { perPage, refuse: (page, size) => (page === 1 ? refuse(size) : null) },
    );
    return { sizes: outcome.requests.filter(({ page }) => page === 1).map((r) => r.perPage), outcome };
  };

  test('a refused size falls back to smaller ones, and at last the parameter is left out', async () => {
    for (const [limit, sizes] of [
      [1_000, [1_000]],
      [999, [1_000, 100]],
      [99, [1_000, 100, 50]],
      [49, [1_000, 100, 50, 25]],
      [24, [1_000, 100, 50, 25, 20]],
      [19, [1_000, 100, 50, 25, 20, 10]],
      [0, [1_000, 100, 50, 25, 20, 10, 0]],
    ] as const) {
      const outcome = await walkWorld({ ...HONEST, clamp: null, refuseAbove: limit });
      assertWhole(outcome);
      assert.deepEqual(
        outcome.requests.filter(({ page }) => page === 1).map((r) => r.perPage),
        sizes,
      );
    }
  });

  test('every refusal that may be about the size counts, and the last one is thrown', async () => {
    for (const status of [400, 413, 414, 416, 422]) {
      const { sizes, outcome } = await firstSizes(() => refused(status));
      assert.deepEqual(sizes, [1_000, 100, 50, 25, 20, 10, 0]);
      assert.equal(outcome.error?.code, 'REQUEST_REFUSED');
    }
  });

  test('a size that worked before is the first one, and smaller ones follow', async () => {
    const walk = (firstSize: number) => walkWorld({ ...HONEST, clamp: null, refuseAbove: 24 }, { firstSize });
    for (const [first, sizes] of [
      [20, [20]],
      [50, [50, 25, 20]],
      [0, [0]],
    ] as const) {
      const outcome = await walk(first);
      assertWhole(outcome);
      assert.deepEqual([...new Set(outcome.requests.map((r) => r.perPage))], sizes);
    }
  });

  test('after the parameter was left out, the size that the server states is not requested', async () => {
    const outcome = await walkWorld({ ...HONEST, clamp: null, refuseAbove: 0 });
    assert.equal(verdictOn(outcome), 'complete');
    assert.deepEqual(
      outcome.requests.filter(({ page }) => page > 1).map((r) => r.perPage),
      [0, 0, 0, 0, 0, 0, 0, 0],
    );
  });

  test('a page that takes too long or is too large is requested in a smaller size', async () => {
    const tooLarge = new OperatorError({
      code: 'BODY_TOO_LARGE',
      happened: '',
      means: '',
      todo: '',
    });
    for (const error of [refused(0, 'PAGE_DEADLINE'), refused(504), refused(524), tooLarge]) {
      const { sizes, outcome } = await firstSizes((size) => (size > 100 ? error : null));
      assert.deepEqual(sizes, [1_000, 100]);
      assertWhole(outcome);
    }
  });

  test('a later page that takes too long or is too large restarts the pass with smaller pages', async () => {
    const tooLarge = new OperatorError({
      code: 'BODY_TOO_LARGE',
      happened: '',
      means: '',
      todo: '',
    });
    for (const error of [refused(0, 'UND_ERR_HEADERS_TIMEOUT'), refused(524), tooLarge]) {
      const world = { ...HONEST, users: 3_500, clamp: null };
      const outcome = await walkWorld(world, {
        refuse: (page, size) => (size > 100 && page === 3 ? error : null),
      });
      assertWhole(outcome);
      assert.equal(verdictOn(outcome), 'complete');
      assert.equal(outcome.restarts, 1);
      const sizes = outcome.requests.map((request) => request.perPage);
      assert.deepEqual([...new Set(sizes)], [1_000, 100]);
      assert.deepEqual(outcome.pass?.paging, {
        page: 'honoured',
        per_page: 'clamped',
        asked_per_page: 1_000,
        page_size: 100,
        totals: true,
      });
    }
  });

  test('when the size that the server uses is refused, the next smaller one is requested', async () => {
    const outcome = await walkWorld(
      { ...HONEST, users: 700, clamp: 333 },
      { refuse: (_, size) => (size === 333 ? refused(400) : null) },
    );
    assertWhole(outcome);
    assert.deepEqual([...new Set(outcome.requests.map((r) => r.perPage))], [1_000, 333, 100]);
  });

  test('a page that fails at the smallest size, or at the configured one, fails the pass', async () => {
    for (const [settings, clamp, restarts] of [
      [{}, null, 6],
      // The size that the server gives is the one that would be requested next.
      [{}, 50, 4],
      [{ perPage: 1_000 }, null, 0],
    ] as const) {
      const outcome = await walkWorld(
        { ...HONEST, users: 3_500, clamp },
        { ...settings, refuse: (page) => (page === 3 ? refused(504) : null) },
      );
      assert.equal(outcome.error?.code, 'CLOUDFLARE_UNAVAILABLE');
      assert.equal(outcome.restarts, restarts);
    }
  });

  test('any other error is no reason to request a smaller size', async () => {
    for (const error of [refused(0, 'ENOTFOUND'), refused(503), new Error('defect')]) {
      const { sizes, outcome } = await firstSizes(() => error);
      assert.deepEqual(sizes, [1_000]);
      assert.equal(outcome.error, error);
    }
  });

  test('a configured size is the only one that is requested', async () => {
    const { outcome, sizes } = await firstSizes(() => refused(400), 70);
    assert.deepEqual(sizes, [70]);
    assert.ok(outcome.error instanceof OperatorError);
    assert.deepEqual([outcome.error.code, outcome.error.exit], ['PAGE_SIZE_REFUSED', 78]);
    assert.match(outcome.error.message, /pages of 70 users.*SYNC_PER_PAGE=auto/);
    const good = await walkWorld({ ...HONEST, clamp: null }, { perPage: 70 });
    assertWhole(good);
    assert.deepEqual([...new Set(good.requests.map((r) => r.perPage))], [70]);
  });
});

test('expectedPages gives the number of pages that the totals promise', () => {
  const cases: [Parameters<typeof expectedPages>[0]['info'], size: number, expected: number | null][] = [
    [{}, 50, null],
    [{ total_count: 0 }, 50, 1],
    [{ total_count: 50 }, 50, 1],
    [{ total_count: 51 }, 50, 2],
    [{ total_count: 51, total_pages: 9 }, 50, 2],
    [{ total_pages: 9 }, 50, 9],
    [{ total_pages: 0 }, 50, 1],
    [{ total_count: 130, total_pages: 3 }, 0, 3],
    [{ total_count: 130 }, 0, null],
    [{ total_count: 5_000_000 }, 50, 100_000],
    [{ total_count: 5_000_001 }, 50, null],
    [{ total_pages: Number.MAX_SAFE_INTEGER }, 50, null],
  ];
  for (const [given, size, expected] of cases) {
    assert.equal(expectedPages({ info: given }, size), expected, JSON.stringify([given, size]));
  }
});

test('isFullPage says whether a page may have been cut off at its size', () => {
  assert.equal(isFullPage(120, 50, undefined), false);
  assert.equal(isFullPage(120, 50, 50), false);
  assert.equal(isFullPage(100, 50, undefined), true);
  assert.equal(isFullPage(37, 37, undefined), true);
  assert.equal(isFullPage(37, 1_000, 37), true);
  assert.equal(isFullPage(37, 1_000, undefined), false);
});
