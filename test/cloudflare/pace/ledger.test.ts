// What is known of the request limits, without a clock. Whole walks under limits: pacing.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLedger } from '../../../src/cloudflare/pace/ledger.ts';

const LIMIT = { requests: 100, windowMs: 300_000 };
const OPTIONS = { limit: LIMIT, share: 0.5, maxWaitMs: 300_000 };

function budget(remaining: number, resetMs: number, quota: number | null = null) {
  return { remaining, resetMs, quota, windowMs: quota === null ? null : LIMIT.windowMs };
}

test('while nothing is known, the first request goes at once and nothing is left to tell', () => {
  const ledger = createLedger({ ...OPTIONS, limit: null });
  assert.equal(ledger.book(1_000).at, 1_000);
  assert.equal(ledger.left(1_000), null);
  assert.equal(ledger.limit(), null);
});

test('a pause holds back everything until it ends, and a shorter one does not end it', () => {
  const ledger = createLedger(OPTIONS);
  ledger.pause(5_000);
  ledger.pause(2_000);
  assert.equal(ledger.isPaused(4_999), true);
  assert.equal(ledger.isPaused(5_000), false);
  assert.equal(ledger.delay(1, 1_000), 4_000);
  assert.equal(ledger.book(1_000).at, 5_000);
});

test('a booking spends of what the headers stated, and a cancelled one gives it back', () => {
  const ledger = createLedger({ ...OPTIONS, limit: null });
  ledger.observe([budget(10, 60_000)], 0);
  const booking = ledger.book(0);
  assert.equal(ledger.left(0)?.remaining, 9);
  ledger.cancel(booking);
  assert.deepEqual(ledger.left(20_000), { remaining: 10, quota: null, resetMs: 40_000, source: 'header' });
});

test('requests that have not gone yet are not in what the headers state', () => {
  const ledger = createLedger({ ...OPTIONS, limit: null });
  ledger.depart(ledger.book(0), 0);
  ledger.book(0);
  ledger.observe([budget(10, 60_000)], 0);
  assert.equal(ledger.left(0)?.remaining, 9, 'one of two had gone when the server counted');
});

test('a quota that the headers state for the counted window becomes the limit, reduced to our share', () => {
  const ledger = createLedger(OPTIONS);
  ledger.observe([budget(500, 60_000)], 0);
  assert.deepEqual(ledger.limit(), LIMIT, 'without a quota');
  ledger.observe([budget(500, 60_000, 600)], 0);
  assert.deepEqual(ledger.limit(), { ...LIMIT, requests: 300 });
});

test('without headers, our own count tells what is left', () => {
  const ledger = createLedger(OPTIONS);
  for (let i = 0; i < 3; i++) ledger.depart(ledger.book(0), 0);
  assert.deepEqual(ledger.left(100_000), { remaining: 97, quota: 100, resetMs: 200_000, source: 'own' });
});
