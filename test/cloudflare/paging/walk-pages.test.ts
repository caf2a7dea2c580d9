import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { expectedPages, isFullPage } from '../../../src/cloudflare/paging/page-size.ts';
import type { Pass, PassRequest } from '../../../src/cloudflare/paging/pass.ts';
import { walkPages as walkPagesOf } from '../../../src/cloudflare/paging/walk-pages.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { OperatorError } from '../../../src/errors.ts';
import { judgeWalk } from '../../../src/sync/walk/verdict.ts';
import {
  answer,
  HONEST,
  refused,
  walkWorld,
  type Outcome,
  type PagingWorld,
} from '../../support/api/paging-world.ts';
import { pageOf } from '../../support/api/serve-records.ts';

type Info = NonNullable<PagingWorld['info']>;
const info = (
  total_count: Info['total_count'],
  total_pages: Info['total_pages'],
  per_page: Info['per_page'] = 'asked',
): Info => ({ total_count, total_pages, per_page });
/** What a server may do to the order and the content of its answers between any two of them. */
const MOVING = { shuffled: true, restless: true, acts: [3, 129, 64] };
const NO_TOTALS = info('missing', 'missing');
const slip = (nth: number, what: number | 'empty') => ({ slips: new Map([[nth, what]]) });

/** None of these begins a pass again. */
const walkPages = (request: Omit<PassRequest<unknown[]>, 'largest' | 'restart'>): Promise<Pass> =>
  walkPagesOf({ ...request, largest: Number.POSITIVE_INFINITY, restart: () => assert.fail() });

function assertWhole(outcome: Outcome): NonNullable<Outcome['pass']> {
  assert.equal(outcome.error, null);
  assert.ok(outcome.whole, `met ${outcome.met}`);
  assert.deepEqual(outcome.stale, []);
  assert.ok(outcome.pass);
  return outcome.pass;
}

/** What the verdict would be on this pass alone. */
function verdictOn(outcome: Outcome): 'complete' | 'partial' {
  const { pass } = outcome;
  assert.ok(pass);
  const { totalFirst, totalLast, totalsMoved, oneResponse } = pass;
  const { records, met } = outcome;
  assert.ok(records >= met, `${records} records of ${met} users`);
  const facts = { records, rejected: 0, unreadable: 0, met };
  return judgeWalk({
    passes: [{ ...facts, totalFirst, totalLast, totalsMoved, oneResponse }],
    met: outcome.met,
    overlap: null,
  }).verdict;
}

describe('worlds in which the account is read whole', () => {
  const worlds: [title: string, world: Partial<PagingWorld>, oneResponse: boolean][] = [
    ['page and per_page are honoured, and one page is enough', { clamp: null }, true],
    ['the page size is clamped, and result_info says so', { info: info('right', 'right', 'right') }, false],
    [
      'the page size is clamped, and result_info says what was asked for',
      { info: info('right', 'right', 'asked') },
      false,
    ],
    [
      'the page size is clamped, and result_info is silent on it',
      { info: info('right', 'right', 'missing') },
      false,
    ],
    ['there is only total_count', { info: info('right', 'missing') }, false],
    ['there is only total_pages', { info: info('missing', 'right') }, false],
    ['there are no totals', { info: NO_TOTALS }, false],
    ['there is no result_info', { info: null }, false],
    ['the last page is full', { users: 150 }, false],
    ['the last page is full, and there is no result_info', { users: 150, info: null }, false],
    ['everything comes at once, whatever was asked', { everything: true }, true],
    ['everything comes at once, without result_info', { everything: true, info: null }, true],
    [
      'everything comes at once, for one user without result_info',
      { users: 1, everything: true, info: null },
      true,
    ],
    [
      'everything comes at once, in another order every time',
      { everything: true, ...MOVING, acts: [] },
      true,
    ],
    [
      'everything comes at once, and somebody acts between any two reads',
      { everything: true, ...MOVING },
      true,
    ],
    [
      'everything comes at once, and somebody acts between any two reads, without result_info',
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
      'the first page is repeated beyond the end, and says something newer each time',
      { beyond: 'first', acts: [0] },
      false,
    ],
    // Of a page that is full, nobody knows whether it was cut off.
    [
      'one page holds as many as is customary, without totals',
      { users: 100, clamp: null, info: null },
      false,
    ],
    ['one page holds as many as is customary', { users: 100, clamp: null }, true],
    [
      'one page holds as many as the server says that it holds',
      { users: 37, clamp: 37, info: info('missing', 'missing', 'right') },
      false,
    ],
    [
      'one page is all of them, says total_pages',
      { users: 100, clamp: null, info: info('missing', 'right') },
      true,
    ],
    ['the last page is repeated beyond the end', { beyond: 'last' }, false],
    ['the last page is repeated beyond the end, without result_info', { beyond: 'last', info: null }, false],
    ['the last page is repeated beyond the end, and is full', { beyond: 'last', users: 150 }, false],
    [
      'the last page is repeated, is full, and only total_pages speaks',
      { beyond: 'last', users: 150, info: info('missing', 'right') },
      false,
    ],
    ['the first page is repeated beyond the end', { beyond: 'first' }, false],
    ['the total is too small', { info: info(60, 'missing') }, false],
    ['the total speaks of one user', { info: info(1, 1) }, false],
    ['the total speaks of none', { info: info(0, 0) }, false],
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
    ['an earlier page is echoed once', slip(2, 1), false],
    ['an earlier page is echoed once, without result_info', { ...slip(2, 1), info: null }, false],
    ['an earlier page is echoed later, without result_info', { ...slip(3, 1), info: null }, false],
    ['an earlier page is echoed beyond the end, without result_info', { ...slip(4, 2), info: null }, false],
    [
      'an earlier page is echoed, and the total is too small',
      { ...slip(2, 1), info: info(60, 'missing') },
      false,
    ],
    [
      'an earlier page is echoed where the total says that the end is',
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

  test('an honest account of one page costs three requests, of ten pages twelve', async () => {
    assert.equal((await walkWorld({ ...HONEST, clamp: null })).requests.length, 3);
    assert.equal((await walkWorld({ ...HONEST, users: 500 })).requests.length, 12);
    assert.equal((await walkWorld({ ...HONEST, users: 0 })).requests.length, 2);
  });

  test('a clamped page size is adopted, so that both sides number the pages alike', async () => {
    const { requests } = await walkWorld(HONEST);
    assert.deepEqual(requests[0], { page: 1, perPage: 1_000 });
    assert.deepEqual([...new Set(requests.slice(1).map(({ perPage }) => perPage))], [50]);
  });

  test('says how paging turned out to work', async () => {
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
    assert.equal((await paging({ info: null })).totals, false);
  });
});

describe('worlds in which it cannot be', () => {
  const unusable: [title: string, world: Partial<PagingWorld>][] = [
    ['the same page for ever, with a total', { page: 'ignored' }],
    ['the same page for ever, with total_pages', { page: 'ignored', info: info('missing', 'right') }],
    ['the same page for ever, without totals', { page: 'ignored', info: NO_TOTALS }],
    ['the same page for ever, without result_info', { page: 'ignored', info: null }],
    [
      'the same page for ever, as large as was asked for',
      { page: 'ignored', clamp: null, users: 1_200, info: null },
    ],
    [
      'everything at once, in a customary page size, without totals',
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

  test('the same users in another order for ever, without totals: fails before long', async () => {
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
    ['twice what the total promised, and a hundred more', info(40, 'missing'), 104],
    ['twice the pages that were promised, and a hundred more', info('missing', 3), 106],
  ] as const) {
    test(`new users for ever end at ${title}: PAGING_ENDLESS`, async () => {
      const outcome = await walkWorld({ ...HONEST, users: 10_000, clamp: 20, info: over });
      assert.equal(outcome.error?.code, 'PAGING_ENDLESS');
      assert.equal(outcome.requests.length, cap);
    });
  }

  test('new users for ever without a total end at the cap: PAGING_ENDLESS', async () => {
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

describe('page sizes in auto mode', () => {
  const firstSizes = async (refuse: (perPage: number) => Error | null, perPage: 'auto' | number = 'auto') => {
    const outcome = await walkWorld(
      { ...HONEST, clamp: null },
      { perPage, refuse: (page, size) => (page === 1 ? refuse(size) : null) },
    );
    return { sizes: outcome.requests.filter(({ page }) => page === 1).map((r) => r.perPage), outcome };
  };

  test('a refused size falls back to 100 and then to 50', async () => {
    for (const [limit, sizes] of [
      [1_000, [1_000]],
      [999, [1_000, 100]],
      [99, [1_000, 100, 50]],
    ] as const) {
      const outcome = await walkWorld({ ...HONEST, clamp: null, refuseAbove: limit });
      assertWhole(outcome);
      assert.deepEqual(
        outcome.requests.filter(({ page }) => page === 1).map((r) => r.perPage),
        sizes,
      );
    }
  });

  test('a server that refuses even 50 is quoted', async () => {
    const { error, requests } = await walkWorld({ ...HONEST, refuseAbove: 49 });
    assert.equal(error?.code, 'REQUEST_REFUSED');
    assert.deepEqual(
      requests.map((r) => r.perPage),
      [1_000, 100, 50],
    );
  });

  test('a page that takes too long or is too large is asked for smaller', async () => {
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

  test('a later page that takes too long, is too large or is refused begins the pass again with smaller pages', async () => {
    const tooLarge = new OperatorError({
      code: 'BODY_TOO_LARGE',
      happened: '',
      means: '',
      todo: '',
    });
    for (const error of [refused(0, 'UND_ERR_HEADERS_TIMEOUT'), refused(524), refused(400), tooLarge]) {
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

  test('the size that comes back may be refused when it is asked for: the next smaller one is taken', async () => {
    const outcome = await walkWorld(
      { ...HONEST, users: 700, clamp: 333 },
      { refuse: (_, size) => (size === 333 ? refused(400) : null) },
    );
    assertWhole(outcome);
    assert.deepEqual([...new Set(outcome.requests.map((r) => r.perPage))], [1_000, 333, 100]);
  });

  test('a page that fails at the smallest size, or at the one that was set, fails the pass', async () => {
    for (const [settings, clamp, restarts] of [
      [{}, null, 2],
      // What the server gives is what would be asked for next.
      [{}, 50, 0],
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

  test('anything else is no reason to ask again', async () => {
    for (const error of [refused(0, 'ENOTFOUND'), refused(503), new Error('defect')]) {
      const { sizes, outcome } = await firstSizes(() => error);
      assert.deepEqual(sizes, [1_000]);
      assert.equal(outcome.error, error);
    }
  });

  test('a size that was set is asked for and no other', async () => {
    const { outcome, sizes } = await firstSizes(() => refused(400), 70);
    assert.deepEqual(sizes, [70]);
    assert.equal(outcome.error?.code, 'REQUEST_REFUSED');
    const good = await walkWorld({ ...HONEST, clamp: null }, { perPage: 70 });
    assertWhole(good);
    assert.deepEqual([...new Set(good.requests.map((r) => r.perPage))], [70]);
  });
});

test('a failing page stops further requests, once those under way have ended', async () => {
  const down = refused(503);
  const outcome = await walkWorld(
    { ...HONEST, users: 5_000 },
    { concurrency: 4, refuse: (page) => (page === 7 ? down : null) },
  );
  assert.equal(outcome.error, down);
  const pages = outcome.requests.map(({ page }) => page);
  assert.ok(Math.max(...pages) < 20, `asked for page ${Math.max(...pages)} of 100`);
  assert.equal(new Set(pages).size, pages.length);
});

test('a failing accept stops the walk with what it threw', async () => {
  const full = new Error('disk full');
  let fetched = 0;
  await assert.rejects(
    walkPages({
      fetchPage: async (page, perPage) => {
        fetched++;
        return answer({ ...HONEST, users: 5_000 }, page, perPage, fetched);
      },
      accept: async (page) => {
        if (page === 5) throw full;
      },
      countMet: async () => 0,
      perPage: 50,
      concurrency: 3,
    }),
    (error) => error === full,
  );
  assert.ok(fetched < 15, `${fetched} requests`);
});

test('pages that the database is slow to take hold back further requests', async () => {
  let fetched = 0;
  let accepted = 0;
  let most = 0;
  await walkPages({
    fetchPage: async (page, perPage) => {
      most = Math.max(most, ++fetched - accepted);
      return answer({ ...HONEST, users: 2_000 }, page, perPage, fetched);
    },
    accept: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      accepted++;
    },
    countMet: async () => 2_000,
    perPage: 50,
    concurrency: 3,
  });
  assert.ok(most <= 3, `${most} pages read and not yet staged`);
});

test('the same users once more are handed on, because they may say something newer', async () => {
  const seen: unknown[][] = [];
  let count = 0;
  await walkPages({
    fetchPage: async () =>
      pageOf(
        [{ user_id: 'A', event_count: Math.min(++count, 2), risk_score: 1 }],
        { total_count: 1 },
        collectRecords(),
      ),
    accept: async (_page, records) => void seen.push(records),
    countMet: async () => 1,
    perPage: 'auto',
    concurrency: 1,
  }).then((pass) => {
    assert.equal(pass.repeatedPages, 1);
    assert.deepEqual(pass.unknownFields, ['risk_score']);
  });
  assert.deepEqual(
    seen.flat().map((record) => (record as { event_count: number }).event_count),
    [1, 2],
  );
});

test('totals that change on the way are noted', async () => {
  let nth = 0;
  const pass = await walkPages({
    fetchPage: async (page, perPage) => {
      nth++;
      const world = { ...HONEST, info: info(nth > 2 ? 131 : 130, 'missing') };
      return answer(world, page, perPage, nth);
    },
    accept: async () => undefined,
    countMet: async () => 130,
    perPage: 'auto',
    concurrency: 1,
  });
  assert.deepEqual([pass.totalFirst, pass.totalLast, pass.totalsMoved], [130, 131, true]);
});

test('a record whose user cannot be read does not make everything at once unusable', async () => {
  const records = [{ user_id: 'A' }, { name: 'nobody' }, { user_id: 'B' }];
  const pass = await walkPages({
    fetchPage: async () => pageOf(records, { total_count: 3 }, collectRecords()),
    accept: async () => undefined,
    countMet: async () => 2,
    perPage: 'auto',
    concurrency: 1,
  });
  assert.equal(pass.oneResponse, true);
});

test('how many pages the totals promise', () => {
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

test('whether a page may have been cut off at its size', () => {
  assert.equal(isFullPage(120, 50, undefined), false);
  assert.equal(isFullPage(120, 50, 50), false);
  assert.equal(isFullPage(100, 50, undefined), true);
  assert.equal(isFullPage(37, 37, undefined), true);
  assert.equal(isFullPage(37, 1_000, 37), true);
  assert.equal(isFullPage(37, 1_000, undefined), false);
});

describe('in any world', () => {
  const wrong = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constant(1e12));
  const total = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('right' as const, 'missing' as const) },
    wrong,
  );
  const anyWorld: fc.Arbitrary<PagingWorld> = fc.record({
    users: fc.oneof(fc.integer({ min: 0, max: 160 }), fc.constantFrom(0, 1, 50, 100, 150)),
    clamp: fc.option(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(50, 100))),
    page: fc.constantFrom('honoured' as const, 'honoured' as const, 'ignored' as const),
    everything: fc.boolean().map((yes) => yes),
    beyond: fc.constantFrom('empty' as const, 'last' as const, 'first' as const),
    info: fc.option(
      fc.record({
        total_count: total,
        total_pages: total,
        per_page: fc.constantFrom('right' as const, 'asked' as const, 'missing' as const),
      }),
    ),
    slips: fc.oneof(
      { weight: 3, arbitrary: fc.constant<PagingWorld['slips']>(new Map()) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(
            fc.integer({ min: 1, max: 8 }),
            fc.oneof(fc.constant('empty' as const), fc.integer({ min: 1, max: 6 })),
          )
          .map((pair) => new Map([pair])),
      },
      // A short failure: nothing comes, several times in a row.
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 4 }))
          .map(
            ([nth, times]) => new Map(Array.from({ length: times }, (_, n) => [nth + n, 'empty' as const])),
          ),
      },
    ),
    refuseAbove: fc.option(fc.constantFrom(50, 100, 999)),
    acts: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(159), { minLength: 1, maxLength: 6 }) },
    ),
    shuffled: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    restless: fc.boolean(),
  });
  const anySettings = fc.record({
    perPage: fc.constantFrom('auto' as const, 'auto' as const, 20, 50, 100),
    concurrency: fc.integer({ min: 1, max: 6 }),
  });
  const autoSize = ({ refuseAbove }: PagingWorld) =>
    refuseAbove === null ? 1_000 : refuseAbove >= 100 ? 100 : 50;
  const sizeOf = (world: PagingWorld, perPage: 'auto' | number) =>
    world.everything
      ? Math.max(1, world.users)
      : Math.min(perPage === 'auto' ? autoSize(world) : perPage, world.clamp ?? 1_000);
  const isRefused = (world: PagingWorld, perPage: 'auto' | number) =>
    perPage !== 'auto' && world.refuseAbove !== null && perPage > world.refuseAbove;

  const isStill = ({ acts, shuffled }: PagingWorld) => acts.length === 0 && !shuffled;

  /** The totals are met by chance; or one page is all that shows, and the totals (or their absence) fit. */
  function isUndetectable(world: PagingWorld, { met, pass }: Outcome, size: number, asked: number): boolean {
    const count = world.info?.total_count ?? 'missing';
    const pages = world.info?.total_pages ?? 'missing';
    if (typeof count === 'number') return count === met;
    if (count === 'right' || pass?.paging.page === 'honoured') return false;
    if (world.page === 'honoured' && world.slips.size === 0 && isStill(world)) return false;
    if (pages !== 'missing') return pages !== 'right' && pages <= 1;
    const stated = { right: size, asked, missing: undefined }[world.info?.per_page ?? 'missing'];
    return !isFullPage(met === 0 ? 0 : size, asked, stated);
  }

  /** Whether a slip showed a page other than the one asked for: later pages may then be taken for read. */
  const onlyOneEmptySlip = ({ slips }: PagingWorld) =>
    slips.size < 2 && [...slips.values()].every((what) => what === 'empty');

  test('a walk ends with the whole account, with a verdict that says otherwise, or with an error', async () => {
    const ends = { whole: 0, partial: 0, error: 0, movingComplete: 0, failedShortly: 0 };
    await fc.assert(
      fc.asyncProperty(anyWorld, anySettings, async (world, settings) => {
        const outcome = await walkWorld(world, settings);
        assert.ok(outcome.mostAtOnce <= settings.concurrency, `${outcome.mostAtOnce} at once`);
        assert.ok(outcome.requests.length < 2_000, `${outcome.requests.length} requests`);
        if (outcome.error !== null) {
          ends.error++;
          assert.ok(
            ['PAGING_UNUSABLE', 'PAGING_ENDLESS', 'REQUEST_REFUSED'].includes(outcome.error.code ?? ''),
            String(outcome.error),
          );
          return;
        }
        const { pass } = outcome;
        assert.ok(pass);
        const refusedOnes = outcome.requests.filter((r) => r.perPage > (world.refuseAbove ?? Infinity));
        assert.equal(pass.pages, outcome.requests.length - refusedOnes.length);
        assert.deepEqual(outcome.stale, [], 'the last read wins');
        const verdict = verdictOn(outcome);
        const size = sizeOf(world, settings.perPage);
        if (outcome.whole) {
          ends.whole++;
          if (verdict === 'complete' && !isStill(world)) ends.movingComplete++;
          return;
        }
        const asked = settings.perPage === 'auto' ? autoSize(world) : settings.perPage;
        if (isUndetectable(world, outcome, size, asked)) return;
        ends.partial++;
        if (world.slips.size > 1) ends.failedShortly++;
        assert.equal(verdict, 'partial', `${outcome.met} of ${world.users} were taken for all`);
        assert.equal(pass.oneResponse, false);
      }),
      { numRuns: 4_000 },
    );
    assert.ok(
      ends.whole > 500 && ends.error > 50 && ends.partial > 50 && ends.movingComplete > 50,
      JSON.stringify(ends),
    );
    assert.ok(ends.failedShortly > 20, JSON.stringify(ends));
  });

  test('an account that can be read whole is read whole', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, anySettings, async (any, settings) => {
        // Readable: pages are honoured and nothing moves, or one holds everything and the total says so; slips are empty
        // answers; and an end is an empty page, or the total tells it from a repeated one.
        const exact = any.info?.total_count === 'right';
        const still: PagingWorld = {
          ...any,
          page: 'honoured',
          everything: false,
          slips: onlyOneEmptySlip(any) ? any.slips : new Map(),
          acts: [],
          shuffled: false,
        };
        const everything = { everything: true, acts: any.acts, shuffled: any.shuffled };
        const world: PagingWorld = exact
          ? { ...still, ...(any.everything ? everything : {}) }
          : { ...still, beyond: 'empty' };
        fc.pre(!isRefused(world, settings.perPage));
        // A number of pages that is far too small ends in PAGING_ENDLESS, and rightly so.
        const outcome = await walkWorld(world, settings);
        if (outcome.error?.code === 'PAGING_ENDLESS') {
          assert.ok(world.users / sizeOf(world, settings.perPage) > 100);
          return;
        }
        const pass = assertWhole(outcome);
        if (world.everything) assert.equal(verdictOn(outcome), 'complete');
        if (pass.oneResponse) {
          assert.ok(world.users <= sizeOf(world, settings.perPage), 'more than one response can have held');
        }
      }),
      { numRuns: 2_500 },
    );
  });

  test('an earlier page that is echoed once costs a request and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyWorld,
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 8 }),
        async (any, nth, back) => {
          fc.pre(back < nth);
          // One at a time, so that the n-th answer is that of page n.
          const world: PagingWorld = {
            ...any,
            page: 'honoured',
            everything: false,
            beyond: 'empty',
            refuseAbove: null,
            acts: [],
            shuffled: false,
            ...slip(nth, nth - back),
          };
          const settings = { concurrency: 1 };
          const count = world.info?.total_count ?? 'missing';
          // A total that is too small and covered by then is believed; the verdict is partial (see above).
          fc.pre(typeof count !== 'number' || count > world.users);
          const [with_, without] = [
            await walkWorld(world, settings),
            await walkWorld({ ...world, slips: new Map() }, settings),
          ];
          assert.equal(with_.met, without.met);
          assert.equal(with_.error?.code, without.error?.code);
          assert.ok(with_.requests.length <= without.requests.length + 1);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
