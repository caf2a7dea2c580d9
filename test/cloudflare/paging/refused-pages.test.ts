// A page after the first is answered by an error: the end of the list, or a page that is missing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError, type ErrorCode } from '../../../src/errors.ts';
import { HONEST, refused, walkWorld, type PagingWorld } from '../../support/api/paging-world.ts';
import { assertWhole, info, NO_TOTALS, slip, verdictOn } from '../../support/api/walked-worlds.ts';

const BEYOND = { ...HONEST, beyond: 'refused' as const };

describe('the page beyond the end is refused, and the account is read:', () => {
  const worlds: [title: string, world: Partial<PagingWorld>, isComplete: boolean][] = [
    ['one page holds all users', { clamp: null }, true],
    ['one page holds all users, and their number is a usual page size', { clamp: null, users: 100 }, true],
    ['several pages hold all users', {}, true],
    ['the last page is full', { users: 150 }, true],
    ['only total_count is stated', { info: info('right', 'missing') }, true],
    ['only total_pages is stated', { info: info('missing', 'right') }, false],
    ['no totals are stated, and the last page is short', { info: NO_TOTALS }, false],
    ['there is no result_info, and one page is short', { clamp: null, info: null }, false],
    ['the total is too small, and the last page is short', { info: info(60, 'missing') }, false],
    ['the total is slightly too large, and the last page is short', { info: info(133, 'missing') }, false],
    ['a page in the middle is refused once', slip(2, 'refused'), true],
    ['a page in the middle is refused once, without totals', { ...slip(2, 'refused'), info: null }, false],
    ['every answer holds everything, and page 2 is refused', { everything: true, refusedPages: [2] }, true],
  ];
  for (const [title, world, isComplete] of worlds) {
    for (const concurrency of [1, 4]) {
      test(`${title} (${concurrency} at once)`, async () => {
        const outcome = await walkWorld({ ...BEYOND, ...world }, { concurrency });
        const pass = assertWhole(outcome);
        assert.equal(verdictOn(outcome), isComplete ? 'complete' : 'partial');
        assert.equal(pass.refusedEnd, 'CLOUDFLARE_7003');
        assert.equal(pass.pages, outcome.requests.length - outcome.refusals);
      });
    }
  }

  test('a page after an empty one is refused: the empty page is the end', async () => {
    const outcome = await walkWorld({ ...HONEST, refusedPages: [5], info: info(250, 'missing') });
    const pass = assertWhole(outcome);
    assert.equal(pass.refusedEnd, null);
    assert.equal(verdictOn(outcome), 'partial');
  });

  test('it costs as many requests as an empty page', async () => {
    assert.equal((await walkWorld({ ...BEYOND, clamp: null })).requests.length, 3);
    assert.equal((await walkWorld({ ...BEYOND, users: 500 })).requests.length, 12);
  });

  test('with every answer that is about the page', async () => {
    for (const error of [
      refused(400),
      refused(404),
      refused(404, 'CLOUDFLARE_7003'),
      refused(410),
      refused(416),
      refused(422),
      refused(500),
      refused(501),
      refused(200, 'CLOUDFLARE_1001'),
      refused(204),
      refused(402),
    ]) {
      const outcome = await walkWorld(
        { ...HONEST, clamp: null },
        { refuse: (page) => (page > 1 ? error : null) },
      );
      assertWhole(outcome);
      assert.equal(verdictOn(outcome), 'complete', error.code);
    }
  });

  test('the list shrinks during the pass, and a promised page is beyond its end', async () => {
    // Two users leave when page 2 has been read. Page 2, requested again, states the new total.
    const outcome = await walkWorld(HONEST, {
      concurrency: 1,
      worldAt: (nth) => ({ ...BEYOND, users: nth < 3 ? 101 : 99 }),
    });
    assert.equal(outcome.error, null);
    assert.equal(outcome.pass?.totalsMoved, true);
    assert.equal(verdictOn(outcome), 'partial');
    assert.deepEqual(
      outcome.requests.map(({ page }) => page),
      [1, 2, 3, 2, 3],
    );
  });
});

describe('a page is refused that may hold users:', () => {
  const missing: [title: string, world: Partial<PagingWorld>][] = [
    ['a page in the middle', { users: 500, refusedPages: [4] }],
    ['two pages in the middle', { users: 500, refusedPages: [4, 6] }],
    ['the last page, which the total promises', { refusedPages: [3] }],
    ['page 2, which the total promises', { refusedPages: [2] }],
    ['page 2, which total_pages promises', { refusedPages: [2], info: info('missing', 'right') }],
    ['a page after a full page, without totals', { refusedPages: [3], info: NO_TOTALS }],
    [
      'page 2 after a usual number of users, without totals',
      { users: 100, clamp: null, info: null, beyond: 'refused' },
    ],
    [
      'a page beyond a total that the users have proved too small',
      { users: 150, refusedPages: [3], info: info(60, 'missing') },
    ],
    [
      'a page beyond a total_pages that has proved too small',
      { users: 150, refusedPages: [3], info: info('missing', 1) },
    ],
    [
      'page 2 of an unusual page size that only the total shows',
      { clamp: 37, refusedPages: [2], info: info('right', 'missing', 'missing') },
    ],
    ['every page after some page', { users: 500, refusedPages: [4, 5, 6, 7, 8, 9, 10, 11] }],
  ];
  for (const [title, world] of missing) {
    for (const concurrency of [1, 4]) {
      test(`${title}: PAGE_REFUSED (${concurrency} at once)`, async () => {
        const { error, pass } = await walkWorld({ ...HONEST, ...world }, { concurrency });
        assert.equal(pass, null);
        assert.ok(error instanceof OperatorError);
        assert.deepEqual([error.code, error.exit], ['PAGE_REFUSED', 1]);
        assert.doesNotMatch(error.message, /does not know the account/);
      });
    }
  }

  test('a page in the middle, although the newest total says that the other pages hold all users: PAGE_REFUSED', async () => {
    const world = { ...HONEST, users: 250, refusedPages: [3] };
    const { error } = await walkWorld(world, {
      worldAt: (nth) => ({ ...world, info: info(nth > 4 ? 150 : 'right', 'missing') }),
    });
    assert.equal(error?.code, 'PAGE_REFUSED');
  });

  test('temporary errors keep their code, and the page is not the end', async () => {
    const errors: [status: number, cause: string | undefined, code: ErrorCode, asked: number][] = [
      [0, 'ENOTFOUND', 'NETWORK', 1],
      [429, undefined, 'RATE_LIMITED', 1],
      [401, undefined, 'AUTHENTICATION_FAILED', 1],
      [403, undefined, 'PERMISSION_DENIED', 1],
      [502, undefined, 'CLOUDFLARE_UNAVAILABLE', 1],
      [503, undefined, 'CLOUDFLARE_UNAVAILABLE', 1],
      [530, undefined, 'CLOUDFLARE_UNAVAILABLE', 1],
      [200, 'BAD_ANSWER', 'BAD_ANSWER', 1],
    ];
    for (const [status, cause, code, asked] of errors) {
      const { error, requests } = await walkWorld(HONEST, {
        concurrency: 1,
        refuse: (page) => (page === 4 ? refused(status, cause) : null),
      });
      assert.equal(error?.code, code);
      assert.equal(requests.filter(({ page }) => page === 4).length, asked);
    }
    // A broken server also refuses a page in the middle, and may work again in the next run.
    for (const status of [500, 200]) {
      const broken = refused(status, status === 200 ? 'CLOUDFLARE_1000' : undefined);
      const { error } = await walkWorld(HONEST, { refuse: (page) => (page === 2 ? broken : null) });
      assert.equal(error, broken);
    }
  });

  test('an error of page 1 is never about the page', async () => {
    const gone = refused(404, 'CLOUDFLARE_7003');
    const { error } = await walkWorld(HONEST, { refuse: () => gone });
    assert.equal(error, gone);
  });

  test('refused once and then served: the page is read, however it was refused', async () => {
    for (const status of [400, 404, 500]) {
      for (const number of [2, 3, 4]) {
        let asked = 0;
        const outcome = await walkWorld(HONEST, {
          refuse: (page) => (page === number && ++asked === 1 ? refused(status) : null),
        });
        assertWhole(outcome);
        assert.equal(verdictOn(outcome), 'complete');
        assert.equal(outcome.pass?.refusedEnd, null);
      }
    }
  });
});
