// However paging works, a walk either has the whole account, says that it does not, or fails.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AUTO_SIZES } from '../../../src/cloudflare/paging/pass.ts';
import { isFullPage } from '../../../src/cloudflare/paging/page-size.ts';
import {
  SIZE_OF_THE_SERVER,
  walkWorld,
  type Outcome,
  type PagingWorld,
} from '../../support/api/paging-world.ts';
import { slip, assertWhole, verdictOn } from '../../support/api/walked-worlds.ts';

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
    beyond: fc.constantFrom('empty' as const, 'last' as const, 'first' as const, 'refused' as const),
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
            fc.oneof(fc.constantFrom('empty' as const, 'refused' as const), fc.integer({ min: 1, max: 6 })),
          )
          .map((pair) => new Map([pair])),
      },
      // A short failure: several empty answers in a row.
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 4 }))
          .chain(([nth, times]) =>
            fc
              .constantFrom('empty' as const, 'refused' as const)
              .map((what) => new Map(Array.from({ length: times }, (_, n) => [nth + n, what]))),
          ),
      },
    ),
    refusedPages: fc.oneof(
      { weight: 6, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 2, max: 6 }), { minLength: 1, maxLength: 2 }) },
    ),
    refuseAbove: fc.option(fc.constantFrom(0, 10, 24, 50, 100, 999)),
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
    AUTO_SIZES.find((size) => refuseAbove === null || size <= refuseAbove) || SIZE_OF_THE_SERVER;
  const sizeOf = (world: PagingWorld, perPage: 'auto' | number) =>
    world.everything
      ? Math.max(1, world.users)
      : Math.min(perPage === 'auto' ? autoSize(world) : perPage, world.clamp ?? 1_000);
  const isRefused = (world: PagingWorld, perPage: 'auto' | number) =>
    perPage !== 'auto' && world.refuseAbove !== null && perPage > world.refuseAbove;

  const isStill = ({ acts, shuffled }: PagingWorld) => acts.length === 0 && !shuffled;

  /** The totals fit by chance; or only one page is visible, and the totals (or their absence) fit. */
  function isUndetectable(world: PagingWorld, { met, pass }: Outcome, size: number, asked: number): boolean {
    const count = world.info?.total_count ?? 'missing';
    const pages = world.info?.total_pages ?? 'missing';
    if (typeof count === 'number') return count === met;
    if (count === 'right' || pass?.paging?.page === 'honoured') return false;
    if (world.page === 'honoured' && world.slips.size === 0 && isStill(world)) return false;
    if (pages !== 'missing') return pages !== 'right' && pages <= 1;
    const stated = { right: size, asked, missing: undefined }[world.info?.per_page ?? 'missing'];
    return !isFullPage(met === 0 ? 0 : size, asked, stated);
  }

  /** Whether a mistake showed another page than the requested one. Later pages may then count as already read. */
  const onlyOneEmptySlip = ({ slips }: PagingWorld) =>
    slips.size < 2 && [...slips.values()].every((what) => what === 'empty');

  test('a walk ends with the whole account, with a partial verdict, or with an error', async () => {
    const ends = { whole: 0, partial: 0, error: 0, movingComplete: 0, failedShortly: 0 };
    const refused = { end: 0, missing: 0 };
    await fc.assert(
      fc.asyncProperty(anyWorld, anySettings, async (world, settings) => {
        const outcome = await walkWorld(world, settings);
        assert.ok(outcome.mostAtOnce <= settings.concurrency, `${outcome.mostAtOnce} at once`);
        assert.ok(outcome.requests.length < 2_000, `${outcome.requests.length} requests`);
        if (outcome.error !== null) {
          ends.error++;
          if (outcome.error.code === 'PAGE_REFUSED') refused.missing++;
          assert.ok(
            [
              'PAGING_UNUSABLE',
              'PAGING_ENDLESS',
              'PAGE_REFUSED',
              'PAGE_SIZE_REFUSED',
              ...(outcome.requests.at(-1)?.page === 1 ? ['ACCOUNT_NOT_FOUND'] : []),
            ].includes(outcome.error.code ?? ''),
            String(outcome.error),
          );
          return;
        }
        const { pass } = outcome;
        assert.ok(pass);
        assert.equal(pass.pages, outcome.requests.length - outcome.refusals);
        assert.deepEqual(outcome.stale, [], 'the last read wins');
        const verdict = verdictOn(outcome);
        const size = sizeOf(world, settings.perPage);
        if (outcome.whole) {
          ends.whole++;
          if (pass.refusedEnd !== null) refused.end++;
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
    assert.ok(refused.end > 100 && refused.missing > 100, JSON.stringify(refused));
  });

  test('an account that can be read completely is read completely', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld, anySettings, async (any, settings) => {
        // Readable: pages are honoured and nothing moves, or one answer holds everything and the total says so.
        // Mistakes are empty answers. The end is an empty page, or the total distinguishes the end from a repeated
        // page.
        const exact = any.info?.total_count === 'right';
        const still: PagingWorld = {
          ...any,
          page: 'honoured',
          everything: false,
          slips: onlyOneEmptySlip(any) ? any.slips : new Map(),
          refusedPages: [],
          acts: [],
          shuffled: false,
        };
        const everything = { everything: true, acts: any.acts, shuffled: any.shuffled };
        const world: PagingWorld = exact
          ? { ...still, ...(any.everything ? everything : {}) }
          : { ...still, beyond: 'empty' };
        fc.pre(!isRefused(world, settings.perPage));
        // A number of pages that is far too small correctly ends in PAGING_ENDLESS.
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

  test('an earlier page that is served again once costs only one request', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyWorld,
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 8 }),
        async (any, nth, back) => {
          fc.pre(back < nth);
          // One at a time, so that the n-th answer is page n.
          const world: PagingWorld = {
            ...any,
            page: 'honoured',
            everything: false,
            beyond: 'empty',
            refusedPages: [],
            refuseAbove: null,
            acts: [],
            shuffled: false,
            ...slip(nth, nth - back),
          };
          const settings = { concurrency: 1 };
          const count = world.info?.total_count ?? 'missing';
          // A total that is too small, and reached by then, ends the pass. The verdict is partial (see above).
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
