// How a crowd of requests shares the event loop with the probes.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { fewAtATime } from '../../src/http/few-at-a-time.ts';

test('lets a few through in each turn of the event loop, in their order, and forgets no request', async () => {
  const mine = fewAtATime(10);
  const through: number[] = [];
  const join = (number: number) => void mine().then(() => through.push(number));
  for (let i = 0; i < 25; i++) join(i);
  const counts: number[] = [];
  for (let i = 0; i < 4; i++) {
    await turn();
    counts.push(through.length);
    if (i === 0) join(25);
  }
  assert.deepEqual(counts, [10, 20, 26, 26]);
  assert.deepEqual(
    through,
    Array.from({ length: 26 }, (_, i) => i),
  );
  join(26);
  await turn();
  assert.equal(through.length, 27);
});
