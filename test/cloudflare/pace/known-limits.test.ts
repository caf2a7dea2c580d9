// What is known of the request limits, without a clock. Whole walks under limits: pacing.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKnownLimits } from '../../../src/cloudflare/pace/known-limits.ts';

const LIMIT = { requests: 100, windowMs: 300_000 };
const OPTIONS = { limit: LIMIT, share: 0.5, maxWaitMs: 300_000 };

function budget(remaining: number, resetMs: number, quota: number | null = null) {
  return { remaining, resetMs, quota, windowMs: quota === null ? null : LIMIT.windowMs };
}

test('while nothing is known, the first request is sent at once, and the remaining budget is unknown', () => {
  const known = createKnownLimits({ ...OPTIONS, limit: null });
  assert.equal(known.book(1_000).at, 1_000);
  assert.equal(known.left(1_000), null);
  assert.equal(known.limit(), null);
});

test('a pause holds back everything until it ends, and a shorter one does not end it', () => {
  const known = createKnownLimits(OPTIONS);
  known.pause(5_000);
  known.pause(2_000);
  assert.equal(known.isPaused(4_999), true);
  assert.equal(known.isPaused(5_000), false);
  assert.equal(known.delay(1, 1_000), 4_000);
  assert.equal(known.book(1_000).at, 5_000);
});

test('a booking reduces the budget that the headers stated, and a cancelled booking gives it back', () => {
  const known = createKnownLimits({ ...OPTIONS, limit: null });
  known.observe([budget(10, 60_000)], 0);
  const booking = known.book(0);
  assert.equal(known.left(0)?.remaining, 9);
  known.cancel(booking);
  assert.deepEqual(known.left(20_000), { remaining: 10, quota: null, resetMs: 40_000, source: 'header' });
});

test('requests that were not sent yet are not part of the numbers in the headers', () => {
  const known = createKnownLimits({ ...OPTIONS, limit: null });
  known.depart(known.book(0), 0);
  known.book(0);
  known.observe([budget(10, 60_000)], 0);
  assert.equal(known.left(0)?.remaining, 9, 'one of two had gone when the server counted');
});

test('a quota that the headers state for the counted window becomes the limit, reduced to our share', () => {
  const known = createKnownLimits(OPTIONS);
  known.observe([budget(500, 60_000)], 0);
  assert.deepEqual(known.limit(), LIMIT, 'without a quota');
  known.observe([budget(500, 60_000, 600)], 0);
  assert.deepEqual(known.limit(), { ...LIMIT, requests: 300 });
});

test('without headers, our own count gives the remaining budget', () => {
  const known = createKnownLimits(OPTIONS);
  for (let i = 0; i < 3; i++) known.depart(known.book(0), 0);
  assert.deepEqual(known.left(100_000), { remaining: 97, quota: 100, resetMs: 200_000, source: 'own' });
});
