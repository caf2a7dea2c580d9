import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPacer, parseBudgets, requestDelay, tightestBudget } from '../../src/cloudflare/pacing.ts';

const signal = new AbortController().signal;

test('reads the headers that Cloudflare documents', () => {
  const rows: [string | null, string | null, ReturnType<typeof parseBudgets>][] = [
    [null, null, []],
    ['"default";r=50;t=30', null, [{ remaining: 50, resetMs: 30_000, quota: null }]],
    ['"default";r=50;t=30', '"burst";q=100;w=60', [{ remaining: 50, resetMs: 30_000, quota: 100 }]],
    [
      '"burst";r=1;t=2, "default";r=900;t=200',
      '"default";q=1200;w=300, "burst";q=10;w=10',
      [
        { remaining: 1, resetMs: 2_000, quota: 10 },
        { remaining: 900, resetMs: 200_000, quota: 1200 },
      ],
    ],
    ['a;r=1;t=2', '"b";q=5;w=1,"c";q=6;w=1', [{ remaining: 1, resetMs: 2_000, quota: null }]],
    ['default ; t=30 ; r=0 ; x="y"', null, [{ remaining: 0, resetMs: 30_000, quota: null }]],
    ['"default";r=-1;t=30', null, []],
    ['"default";r=many;t=30', null, []],
    ['"default";r=5', null, []],
    ['limit=5, remaining=4', null, []],
  ];
  for (const [ratelimit, policy, expected] of rows) {
    assert.deepEqual(parseBudgets(ratelimit, policy), expected, String(ratelimit));
  }
});

test('takes the tightest of several budgets', () => {
  const budgets = parseBudgets('a;r=3;t=9, b;r=0;t=2, c;r=0;t=7', null);
  assert.deepEqual(tightestBudget(budgets), { remaining: 0, resetMs: 7_000, quota: null });
  assert.equal(tightestBudget([]), null);
});

test('decides the wait before the next request', () => {
  const rows: [number, number, number | null, number, number][] = [
    // remaining, resetMs, quota, sinceLastMs, expected
    [1200, 300_000, 1200, 0, 0],
    [241, 300_000, 1200, 0, 0],
    [240, 180_000, 1200, 0, 1_000], // 60 of 1,200 stay for the dashboard
    [240, 180_000, 1200, 400, 600],
    [240, 180_000, 1200, 5_000, 0],
    [240, 180_000, 1200, -1_000, 2_000], // the one before is booked for a second from now
    [60, 180_000, 1200, 0, 180_000],
    [0, 30_000, 1200, 9_000_000, 30_000],
    [0, 30_000, null, 9_000_000, 30_000],
    [51, 30_000, null, 0, 0],
    [40, 30_000, null, 0, 1_000],
    [1, 30_000, null, 0, 30_000],
    [0, 0, null, 0, 0], // the window is over
    [0, -5, null, 0, 0],
  ];
  for (const [remaining, resetMs, quota, since, expected] of rows) {
    assert.equal(requestDelay({ remaining, resetMs, quota }, since), expected, `r=${remaining} q=${quota}`);
  }
});

test('never waits beyond the reset, whatever the headers hold', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.nat(),
      fc.nat(),
      fc.option(fc.nat()),
      fc.integer(),
      (a, b, r, t, q, since) => {
        parseBudgets(a, b);
        const ms = requestDelay({ remaining: r, resetMs: t, quota: q }, since);
        assert.ok(ms >= 0 && ms <= t);
      },
    ),
  );
});

function clock() {
  let time = 1_000;
  const slept: number[] = [];
  return {
    slept,
    now: () => time,
    sleep: async (ms: number) => {
      slept.push(ms);
      time += ms;
    },
  };
}

test('spreads what is left over the window, and stops spreading when it is over', async () => {
  const { slept, now, sleep } = clock();
  const pacer = createPacer({ sleep, now, maxWaitMs: 300_000 });
  assert.equal(await pacer.turn(signal), 0);
  pacer.observe([{ remaining: 4, resetMs: 9_000, quota: null }]); // 3 to use
  await pacer.turn(signal);
  assert.deepEqual(slept, [3_000]);
  for (let i = 0; i < 5; i++) await pacer.turn(signal);
  assert.ok(now() <= 1_000 + 9_000 + 1, 'nothing waits once the window is over');
});

test('requests at the same time line up behind each other', async () => {
  const waits: number[] = [];
  const pacer = createPacer({
    now: () => 0,
    sleep: async (ms) => void waits.push(ms),
    maxWaitMs: 300_000,
  });
  await pacer.turn(signal);
  pacer.observe([{ remaining: 240, resetMs: 180_000, quota: 1200 }]);
  await Promise.all([pacer.turn(signal), pacer.turn(signal), pacer.turn(signal)]);
  assert.deepEqual(
    waits.map((ms) => Math.round(ms / 100) / 10),
    [1, 2, 3],
  );
});

test('a pause holds back those who are waiting already', async () => {
  const { slept, now, sleep } = clock();
  let pausing = true;
  const pacer = createPacer({
    now,
    maxWaitMs: 300_000,
    sleep: async (ms) => {
      await sleep(ms);
      if (pausing) pacer.pause(60_000);
      pausing = false;
    },
  });
  pacer.observe([{ remaining: 0, resetMs: 5_000, quota: null }]);
  assert.equal(await pacer.turn(signal), 65_000);
  assert.deepEqual(slept, [5_000, 60_000]);
});

test('caps what a header can ask for, and refuses to start when aborted', async () => {
  const { slept, now, sleep } = clock();
  const pacer = createPacer({ sleep, now, maxWaitMs: 300_000 });
  pacer.observe([{ remaining: 0, resetMs: 1e12, quota: null }]);
  await pacer.turn(signal);
  pacer.pause(1e12);
  await pacer.turn(signal);
  assert.deepEqual(slept, [300_000, 300_000]);
  await assert.rejects(pacer.turn(AbortSignal.abort(new Error('stop'))), /stop/);
});
