// What the last answer about the shared limit means now. permits.test.ts tests the questions, with a real database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftOf } from '../../../src/cloudflare/pace/reservations.ts';

const answer = { used: 900, at: 0, resetAt: 60_000, limit: { requests: 1_200, windowMs: 300_000 } };

test('the rest of the limit is counted down until the window ends, and then the whole limit is left', () => {
  assert.deepEqual(leftOf(answer, 20_000), {
    remaining: 300,
    resetMs: 40_000,
    quota: 1_200,
    windowMs: 300_000,
  });
  assert.equal(leftOf(answer, 60_000).remaining, 1_200);
  assert.equal(leftOf(answer, 70_000).resetMs, 0);
});

test('if more is used than the limit, nothing is left', () => {
  assert.equal(leftOf({ ...answer, used: 1_300 }, 0).remaining, 0);
});
