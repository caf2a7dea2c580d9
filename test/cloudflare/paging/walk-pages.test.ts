// The ways in which paging may work, one by one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { OperatorError } from '../../../src/errors.ts';
import { HONEST, walkWorld, type PagingWorld } from '../../support/api/paging-world.ts';
import { pageOf } from '../../support/api/serve-records.ts';
import { info, MOVING, NO_TOTALS, slip, walkPages, assertWhole } from '../../support/api/walked-worlds.ts';

describe('walks that read the whole account:', () => {
  const worlds: [title: string, world: Partial<PagingWorld>, oneResponse: boolean][] = [
    ['page and per_page are honoured, and one page is enough', { clamp: null }, true],
    ['the page size is clamped, and result_info says so', { info: info('right', 'right', 'right') }, false],
    [
      'the page size is clamped, and result_info says what was requested',
      { info: info('right', 'right', 'asked') },
      false,
    ],
    [
      'the page size is clamped, and result_info does not say so',
      { info: info('right', 'right', 'missing') },
      false,
    ],
    ['there is only total_count', { info: info('right', 'missing') }, false],
    ['there is only total_pages', { info: info('missing', 'right') }, false],
    ['there are no totals', { info: NO_TOTALS }, false],
    ['there is no result_info', { info: null }, false],
    ['the last page is full', { users: 150 }, false],
    ['the last page is full, and there is no result_info', { users: 150, info: null }, false],
    ['every answer holds everything, whatever was requested', { everything: true }, true],
    ['every answer holds everything, without result_info', { everything: true, info: null }, true],
    [
      'every answer holds everything, for one user without result_info',
      { users: 1, everything: true, info: null },
      true,
    ],
    [
      'every answer holds everything, in another order every time',
      { everything: true, ...MOVING, acts: [] },
      true,
    ],
    [
      'every answer holds everything, and a user acts between any two reads',
      { everything: true, ...MOVING },
      true,
    ],
    [
      'every answer holds everything, and a user acts between any two reads, without result_info',
      { everything: true, ...MOVING, info: null },
      true,
    ],
    ['page is ignored, and one page holds everything', { page: 'ignored', clamp: null }, true],
    [
      'page is ignored, and one page holds everything, in another order every time',
      { page: 'ignored', clamp: null, ...MOVING, info: NO_TOTALS },
      true,
    ],
    [
      'the first page is repeated beyond the end, with newer values each time',
      { beyond: 'first', acts: [0] },
      false,
    ],
    // A full page may have been cut off.
    [
      'one page holds a usual page limit of users, without totals',
      { users: 100, clamp: null, info: null },
      false,
    ],
    ['one page holds a usual page limit of users', { users: 100, clamp: null }, true],
    [
      "one page holds as many users as the server's stated limit",
      { users: 37, clamp: 37, info: info('missing', 'missing', 'right') },
      false,
    ],
    [
      'one page is all pages, as total_pages says',
      { users: 100, clamp: null, info: info('missing', 'right') },
      true,
    ],
    ['the last page is repeated beyond the end', { beyond: 'last' }, false],
    ['the last page is repeated beyond the end, without result_info', { beyond: 'last', info: null }, false],
    ['the last page is repeated beyond the end, and is full', { beyond: 'last', users: 150 }, false],
    [
      'the last page is repeated and full, and only total_pages is stated',
      { beyond: 'last', users: 150, info: info('missing', 'right') },
      false,
    ],
    ['the first page is repeated beyond the end', { beyond: 'first' }, false],
    ['the total is too small', { info: info(60, 'missing') }, false],
    ['the total states one user', { info: info(1, 1) }, false],
    ['the total states no users', { info: info(0, 0) }, false],
    ['the total is too large', { info: info(1_000, 'missing') }, false],
    ['the total is absurd', { info: info(1e15, 'missing') }, false],
    ['the number of pages is too small', { info: info('missing', 1) }, false],
    ['the number of pages is too large', { info: info('missing', 40) }, false],
    ['the number of pages is absurd', { info: info('missing', 1e15) }, false],
    ['the number of pages contradicts the total', { info: info('right', 1) }, false],
    ['the account has one user', { users: 1 }, true],
    ['pages hold one user', { users: 7, clamp: 1 }, false],
    ['the account is empty', { users: 0 }, true],
    ['the account is empty, without result_info', { users: 0, info: null }, true],
    ['the account is empty, and everything comes at once', { users: 0, everything: true, info: null }, true],
    ['page 1 is empty once', slip(1, 'empty'), false],
    ['page 1 is empty once, without result_info', { ...slip(1, 'empty'), info: null }, false],
    ['a page in the middle is empty once', slip(2, 'empty'), false],
    ['a page in the middle is empty once, without result_info', { ...slip(2, 'empty'), info: null }, false],
    ['an earlier page is served again once', slip(2, 1), false],
    ['an earlier page is served again once, without result_info', { ...slip(2, 1), info: null }, false],
    ['an earlier page is served again later, without result_info', { ...slip(3, 1), info: null }, false],
    [
      'an earlier page is served again beyond the end, without result_info',
      { ...slip(4, 2), info: null },
      false,
    ],
    [
      'an earlier page is served again, and the total is too small',
      { ...slip(2, 1), info: info(60, 'missing') },
      false,
    ],
    [
      'an earlier page is served again where the total puts the end',
      { users: 75, clamp: 37, ...slip(4, 1), info: info(74, 'right') },
      false,
    ],
  ];
  for (const [title, world, oneResponse] of worlds) {
    for (const concurrency of [1, 4]) {
      test(`${title} (${concurrency} at once)`, async () => {
        const outcome = await walkWorld({ ...HONEST, ...world }, { concurrency });
        const pass = assertWhole(outcome);
        assert.equal(pass.oneResponse, oneResponse);
        assert.ok(outcome.requests.length < 60, `${outcome.requests.length} requests`);
        assert.equal(pass.pages, outcome.requests.length);
      });
    }
  }

  test('an honest account of one page costs three requests, and one of ten pages twelve', async () => {
    assert.equal((await walkWorld({ ...HONEST, clamp: null })).requests.length, 3);
    assert.equal((await walkWorld({ ...HONEST, users: 500 })).requests.length, 12);
    assert.equal((await walkWorld({ ...HONEST, users: 0 })).requests.length, 2);
  });

  test('a clamped page size is adopted, so that both sides number the pages in the same way', async () => {
    const { requests } = await walkWorld(HONEST);
    assert.deepEqual(requests[0], { page: 1, perPage: 1_000 });
    assert.deepEqual([...new Set(requests.slice(1).map(({ perPage }) => perPage))], [50]);
  });

  test('reports how paging works', async () => {
    const paging = async (world: Partial<PagingWorld>) =>
      assertWhole(await walkWorld({ ...HONEST, ...world })).paging;
    const asked = { asked_per_page: 1_000, totals: true };
    assert.deepEqual(await paging({}), { page: 'honoured', per_page: 'clamped', page_size: 50, ...asked });
    assert.deepEqual(await paging({ clamp: null }), {
      page: 'not_needed',
      per_page: 'honoured',
      page_size: 130,
      ...asked,
    });
    assert.deepEqual(await paging({ everything: true, users: 1_200 }), {
      page: 'ignored',
      per_page: 'ignored',
      page_size: 1_200,
      ...asked,
    });
    assert.equal((await paging({ info: null }))?.totals, false);
  });
});

describe('walks that cannot read the account:', () => {
  const unusable: [title: string, world: Partial<PagingWorld>][] = [
    ['the same page in every answer, with a total', { page: 'ignored' }],
    ['the same page in every answer, with total_pages', { page: 'ignored', info: info('missing', 'right') }],
    ['the same page in every answer, without totals', { page: 'ignored', info: NO_TOTALS }],
    ['the same page in every answer, without result_info', { page: 'ignored', info: null }],
    [
      'the same page in every answer, as large as requested',
      { page: 'ignored', clamp: null, users: 1_200, info: null },
    ],
    [
      'everything in every answer, with a usual page limit of users, without totals',
      { everything: true, users: 100, info: null },
    ],
  ];
  for (const [title, world] of unusable) {
    test(`${title}: fails at once with PAGING_UNUSABLE`, async () => {
      const { error, requests } = await walkWorld({ ...HONEST, ...world });
      assert.equal(error?.code, 'PAGING_UNUSABLE');
      assert.equal((error as OperatorError).exit, 1);
      assert.ok(requests.length <= 4, `${requests.length} requests`);
    });
  }

  test('the same users in another order in every answer, without totals: fails soon', async () => {
    let turns = 0;
    const met = new Set<string>();
    const users = Array.from({ length: 50 }, (_, n) => ({ user_id: `user-${n}` }));
    await assert.rejects(
      walkPages({
        fetchPage: async () => {
          turns++;
          const records = [...users.slice(turns % 50), ...users.slice(0, turns % 50)].slice(0, 49);
          return pageOf(records, {}, collectRecords());
        },
        accept: async (_page, records) => {
          for (const record of records) met.add((record as { user_id: string }).user_id);
        },
        countMet: async () => met.size,
        perPage: 'auto',
        concurrency: 2,
      }),
      { code: 'PAGING_UNUSABLE' },
    );
    assert.ok(turns < 20, `${turns} requests`);
  });

  for (const [title, over, cap] of [
    ['twice the stated total, plus a hundred', info(40, 'missing'), 104],
    ['twice the stated pages, plus a hundred', info('missing', 3), 106],
  ] as const) {
    test(`endless new users end at ${title}: PAGING_ENDLESS`, async () => {
      const outcome = await walkWorld({ ...HONEST, users: 10_000, clamp: 20, info: over });
      assert.equal(outcome.error?.code, 'PAGING_ENDLESS');
      assert.equal(outcome.requests.length, cap);
    });
  }

  test('endless new users without a total end at the limit: PAGING_ENDLESS', async () => {
    let fetched = 0;
    await assert.rejects(
      walkPages({
        fetchPage: async (page) => {
          fetched++;
          return pageOf([{ user_id: `user-${page}` }], {}, collectRecords());
        },
        accept: async () => undefined,
        countMet: async () => fetched,
        perPage: 1,
        concurrency: 1,
      }),
      { code: 'PAGING_ENDLESS' },
    );
    assert.equal(fetched, 100_000);
  });
});
