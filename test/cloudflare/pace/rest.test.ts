// Rests that end early, and the watch that says when nothing has happened for a while. No test waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { createIdleWatch, createRest } from '../../../src/cloudflare/pace/rest.ts';

/** A sleep that a test ends by hand. */
function sleeper() {
  const sleeps: { ms: number; wake: () => void; signal: AbortSignal }[] = [];
  return {
    sleeps,
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((wake) => void sleeps.push({ ms, wake, signal })),
  };
}

test('a rest ends after its time, or when it is ended early, and then its sleep is cancelled', async () => {
  const { sleeps, sleep } = sleeper();
  const rest = createRest(sleep);
  const first = rest.take(10);
  sleeps[0]!.wake();
  await first;
  const second = rest.take(20);
  rest.end();
  await second;
  assert.deepEqual(
    sleeps.map(({ ms, signal }) => [ms, signal.aborted]),
    [
      [10, false],
      [20, true],
    ],
  );
});

test('many notes share one timer, and the watch is idle its full time after the last note', async () => {
  const { sleeps, sleep } = sleeper();
  let time = 0;
  let idle = 0;
  const watch = createIdleWatch({ ms: 100, sleep, now: () => time, onIdle: () => (idle += 1) });
  watch.note();
  time = 60;
  watch.note();
  time = 100;
  sleeps[0]!.wake();
  await settled();
  assert.equal(idle, 0);
  time = 160;
  sleeps[1]!.wake();
  await settled();
  assert.equal(idle, 1);
  assert.deepEqual(
    sleeps.map(({ ms }) => ms),
    [100, 60],
  );
});

test('a watch that was ended no longer waits', async () => {
  const { sleeps, sleep } = sleeper();
  let idle = 0;
  const watch = createIdleWatch({ ms: 100, sleep, now: () => 0, onIdle: () => (idle += 1) });
  watch.note();
  watch.end();
  await settled();
  assert.equal(idle, 1);
  watch.note();
  assert.equal(idle, 2, 'nothing is kept that comes later');
  assert.equal(sleeps.length, 1);
});
