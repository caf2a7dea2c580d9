// How many wrong tokens may be tried, against a plain count of the attempts that were let through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limitAttempts } from '../../../src/http/access/attempts.ts';

const EACH = { atOnce: 3, pauseMs: 10_000 };
const ALL = { atOnce: 5, pauseMs: 4_000 };

test('lets a limited number through at once, then one after each pause, and says how long to wait', () => {
  const attempts = limitAttempts(EACH, ALL);
  assert.deepEqual(
    [0, 0, 0, 0].map(() => attempts.take('a', 0)),
    [0, 0, 0, 10],
  );
  assert.equal(attempts.take('a', 4_000), 6);
  assert.equal(attempts.take('a', 10_000), 0);
  assert.equal(attempts.take('a', 10_001), 10);
  assert.equal(attempts.take('b', 10_001), 0);
});

test('limits all networks together, and gives back what a right token took', () => {
  const attempts = limitAttempts(EACH, ALL);
  const networks = ['a', 'b', 'c', 'd', 'e', 'f'];
  assert.deepEqual(
    networks.map((network) => attempts.take(network, 0)),
    [0, 0, 0, 0, 0, 4],
  );
  attempts.giveBack('a', 0);
  assert.equal(attempts.take('f', 0), 0);
});

test('forgets the network that was silent for longest, not the limit for all', () => {
  const attempts = limitAttempts(EACH, { atOnce: 1_000, pauseMs: 1 }, 2);
  for (let n = 0; n < 3; n++) attempts.take('a', 0);
  assert.notEqual(attempts.take('a', 0), 0);
  attempts.take('b', 0);
  attempts.take('c', 0);
  assert.equal(attempts.take('a', 0), 0);
});

test('a right token gives back what it took, also if its network was forgotten meanwhile', () => {
  const attempts = limitAttempts(EACH, ALL, 1);
  assert.equal(attempts.take('a', 0), 0);
  assert.equal(attempts.take('b', 0), 0);
  attempts.giveBack('a', 0);
  assert.deepEqual(
    [0, 0, 0, 0].map(() => attempts.take('a', 0)),
    [0, 0, 0, 10],
  );
});

test('never lets more through than the allowance of a network or of all, in any window', () => {
  const step = fc.record({ network: fc.constantFrom('a', 'b', 'c'), waitMs: fc.nat(15_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const attempts = limitAttempts(EACH, ALL);
      const through: { network: string; at: number }[] = [];
      let now = 0;
      for (const { network, waitMs } of steps) {
        now += waitMs;
        const waitS = attempts.take(network, now);
        if (waitS === 0) through.push({ network, at: now });
        else assert.ok(waitS <= EACH.pauseMs / 1000 + 1);
      }
      for (const { at: from } of through)
        for (const { at: to } of through) {
          const within = through.filter(({ at }) => at >= from && at <= to);
          const most = ({ atOnce, pauseMs }: typeof EACH) => atOnce + (to - from) / pauseMs + 1e-6;
          assert.ok(within.length <= Math.max(0, most(ALL)) || to < from);
          for (const network of ['a', 'b', 'c'])
            assert.ok(within.filter((one) => one.network === network).length <= most(EACH) || to < from);
        }
    }),
  );
});
