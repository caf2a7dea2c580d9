import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextTimeLeft, timeLeftText, type TimeLeft } from '../../src/terminal/time-left.ts';

type Step = Parameters<typeof nextTimeLeft>[1];

/** The text after each step. */
function shown(steps: readonly Step[]): (string | null)[] {
  let state: TimeLeft | null = null;
  return steps.map((step) => {
    state = nextTimeLeft(state, step);
    return timeLeftText(state, step.at);
  });
}

const page = (done: number, msPerPage: number, over: Partial<Step> = {}): Step => ({
  at: 50_000 + done * msPerPage,
  done,
  total: 100,
  leastMs: 0,
  ...over,
});
const upTo = (last: number, make: (done: number) => Step): Step[] =>
  Array.from({ length: last }, (_, i) => make(i + 1));

test('shows a time once five pages and three seconds have passed, and not before', () => {
  const slow = shown(upTo(8, (done) => page(done, 2_000)));
  assert.deepEqual(slow.slice(0, 5), [null, null, null, null, null]);
  assert.deepEqual(slow.slice(5), ['about 3 min left', 'about 3 min left', 'about 3 min left']);
  const fast = shown(upTo(40, (done) => page(done, 100)));
  assert.equal(
    fast.findIndex((text) => text !== null),
    30,
  );
});

test('shows nothing while the total is unknown', () => {
  const texts = shown(upTo(50, (done) => page(done, 1_000, { total: null })));
  assert.ok(texts.every((text) => text === null));
});

test('counts down evenly when pages arrive evenly', () => {
  const texts = [...new Set(shown(upTo(100, (done) => page(done, 2_000))))];
  assert.deepEqual(texts, [
    null,
    'about 3 min left',
    'about 2 min left',
    'about 90 s left',
    'about 80 s left',
    'about 70 s left',
    'about 60 s left',
    'about 50 s left',
    'about 40 s left',
    'about 30 s left',
    'about 20 s left',
    'a few seconds left',
  ]);
});

test('is never below the minimum time for the rest', () => {
  const texts = shown(upTo(40, (done) => page(done, 100, { leastMs: 600_000 })));
  assert.equal(texts.at(-1), 'about 10 min left');
});

test('starts again with another pass', () => {
  const texts = shown([
    ...upTo(100, (done) => page(done, 100)),
    ...upTo(6, (done) => page(done, 1_000, { at: 100_000 + done * 1_000 })),
  ]);
  assert.deepEqual(texts.slice(-6), [null, null, null, null, null, 'about 2 min left']);
});

test('neither jumps back and forth nor misses the end by much when pages arrive unevenly', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 500, max: 1_500 }), { minLength: 200, maxLength: 200 }),
      (gaps) => {
        let at = 0;
        let state: TimeLeft | null = null;
        const ends: number[] = [];
        for (const [i, gap] of gaps.entries()) {
          at += gap;
          state = nextTimeLeft(state, { at, done: i + 1, total: gaps.length, leastMs: 0 });
          if (i > 20 && state.endsAt !== null && state.endsAt !== ends.at(-1)) ends.push(state.endsAt);
        }
        assert.ok(ends.length < 10, `changed its mind ${ends.length} times`);
        for (const end of ends) assert.ok(Math.abs(end - at) < at / 2, `${end} instead of ${at}`);
      },
    ),
  );
});

test('writes times as people say them', () => {
  const rows: [number | null, string | null][] = [
    [null, null],
    [-20_000, 'a few seconds left'],
    [9_000, 'a few seconds left'],
    [10_500, 'about 20 s left'],
    [60_000, 'about 60 s left'],
    [90_000, 'about 90 s left'],
    [91_000, 'about 2 min left'],
    [100_000, 'about 2 min left'],
    [5_940_000, 'about 99 min left'],
    [6_000_000, 'about 1.5 h left'],
    [7_200_000, 'about 2 h left'],
  ];
  for (const [endsAt, expected] of rows)
    assert.equal(timeLeftText({ from: { at: 0, done: 0 }, done: 1, endsAt }, 0), expected);
});
