import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowedAlone, delayAlone, nextChunk } from '../../../src/cloudflare/pace/permit-rules.ts';

const LIMIT = { requests: 960, windowMs: 300_000 };

test('chunks grow while they are used up, and start small again when they are not', () => {
  assert.deepEqual([nextChunk(4, true), nextChunk(32, true), nextChunk(64, true)], [8, 64, 64]);
  assert.equal(nextChunk(64, false), 4);
});

test('without the database, a process sends a quarter of what was left, and more as the window passes', () => {
  assert.equal(allowedAlone(LIMIT, null), 240);
  assert.equal(allowedAlone(LIMIT, { used: 480, agoMs: 0 }), 120);
  assert.equal(allowedAlone(LIMIT, { used: 480, agoMs: 150_000 }), 180);
  assert.equal(allowedAlone(LIMIT, { used: 480, agoMs: 400_000 }), 240);
  assert.equal(allowedAlone(LIMIT, { used: 2_000, agoMs: 0 }), 1, 'a walk never stands still for ever');
});

test('without the database, no window holds more than a quarter of the limit', () => {
  fc.assert(
    fc.property(
      fc.record({
        requests: fc.integer({ min: 4, max: 100 }),
        windowMs: fc.integer({ min: 60, max: 10_000 }),
      }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 60 }),
      (limit, pauses) => {
        const sent: number[] = [];
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          for (let delay = delayAlone(sent, limit, null, now); delay > 0;) {
            now += delay;
            delay = delayAlone(sent, limit, null, now);
          }
          sent.push(now);
        }
        for (const from of sent) {
          const inWindow = sent.filter((at) => at >= from && at < from + limit.windowMs).length;
          assert.ok(inWindow <= Math.max(1, Math.floor(limit.requests / 4)));
        }
      },
    ),
  );
});
