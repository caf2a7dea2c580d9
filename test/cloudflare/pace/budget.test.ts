import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  budgetDelay,
  countedBudget,
  parseBudgets,
  shareOf,
  tightestBudget,
  windowDelay,
} from '../../../src/cloudflare/pace/budget.ts';

test('reads the headers that Cloudflare documents', () => {
  const rows: [string | null, string | null, ReturnType<typeof parseBudgets>][] = [
    [null, null, []],
    ['"default";r=50;t=30', null, [{ remaining: 50, resetMs: 30_000, quota: null, windowMs: null }]],
    [
      '"default";r=50;t=30',
      '"burst";q=100;w=60',
      [{ remaining: 50, resetMs: 30_000, quota: 100, windowMs: 60_000 }],
    ],
    [
      '"burst";r=1;t=2, "default";r=900;t=200',
      '"default";q=1200;w=300, "burst";q=10',
      [
        { remaining: 1, resetMs: 2_000, quota: 10, windowMs: null },
        { remaining: 900, resetMs: 200_000, quota: 1200, windowMs: 300_000 },
      ],
    ],
    ['a;r=1;t=2', '"b";q=5;w=1,"c";q=6;w=1', [{ remaining: 1, resetMs: 2_000, quota: null, windowMs: null }]],
    ['default ; t=30 ; r=0 ; x="y"', null, [{ remaining: 0, resetMs: 30_000, quota: null, windowMs: null }]],
    ['"default";r=-1;t=30', null, []],
    ['"default";r=many;t=30', null, []],
    ['"default";r=5', null, []],
    ['limit=5, remaining=4', null, []],
  ];
  for (const [ratelimit, policy, expected] of rows) {
    assert.deepEqual(parseBudgets(ratelimit, policy), expected, String(ratelimit));
  }
});

test('uses the tightest of several budgets', () => {
  const budgets = parseBudgets('a;r=3;t=9, b;r=0;t=2, c;r=0;t=7', null);
  assert.deepEqual(tightestBudget(budgets), { remaining: 0, resetMs: 7_000, quota: null, windowMs: null });
  assert.equal(tightestBudget([]), null);
});

test('uses only its share of a limit, but at least one request', () => {
  assert.deepEqual(
    [shareOf(1200, 0.8), shareOf(1200, 1), shareOf(3, 0.5), shareOf(1, 0.1), shareOf(0, 0.8)],
    [960, 1200, 1, 1, 1],
  );
});

test('decides the wait before the next request', () => {
  const rows: [number, number, number | null, number, number][] = [
    // remaining, resetMs, quota, sinceLastMs, expected. The dashboard keeps 240 of 1,200; spreading begins at 192 of
    // ours.
    [1200, 300_000, 1200, 0, 0],
    [433, 300_000, 1200, 0, 0],
    [432, 193_000, 1200, 0, 1_000],
    [432, 193_000, 1200, 400, 600],
    [432, 193_000, 1200, 5_000, 0],
    [432, 193_000, 1200, -1_000, 2_000], // the request before is booked for a second from now
    [241, 180_000, 1200, 0, 90_000],
    [240, 180_000, 1200, 9_000_000, 180_000],
    [0, 30_000, 1200, 9_000_000, 30_000],
    [0, 30_000, null, 9_000_000, 30_000],
    [51, 30_000, null, 0, 0],
    [50, 41_000, null, 0, 1_000], // 10 of 50 are left to the dashboard
    [1, 30_000, null, 0, 15_000],
    [1, 30_000, 1, 0, 0], // a quota of one is not spread over the window
    [0, 0, null, 0, 0], // the window is over
    [0, -5, null, 0, 0],
  ];
  for (const [remaining, resetMs, quota, sinceLastMs, expected] of rows) {
    const delay = budgetDelay({ remaining, resetMs, quota }, { requests: 1, sinceLastMs, share: 0.8 });
    assert.equal(delay, expected, `r=${remaining} q=${quota}`);
  }
});

test('decides how long many requests take', () => {
  const budget = { remaining: 1200, resetMs: 193_000, quota: 1200 };
  const rows: [number, number][] = [
    [0, 0],
    [768, 0],
    [769, 1_000], // 192 are spread over the window
    [960, 192_000],
    [961, 193_000],
    [5_000, 193_000], // what the next window allows is unknown
  ];
  for (const [requests, expected] of rows)
    assert.equal(budgetDelay(budget, { requests, sinceLastMs: 0, share: 0.8 }), expected, `${requests}`);
});

test('never waits beyond the reset, whatever the headers say', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.record({ remaining: fc.integer(), resetMs: fc.nat(), quota: fc.option(fc.nat()) }),
      fc.record({
        requests: fc.integer({ min: 1 }),
        sinceLastMs: fc.integer(),
        share: fc.double({ min: 0.001, max: 1, noNaN: true }),
      }),
      (ratelimit, policy, budget, facts) => {
        parseBudgets(ratelimit, policy);
        const ms = budgetDelay(budget, facts);
        assert.ok(ms >= 0 && ms <= budget.resetMs);
      },
    ),
  );
});

test('counts the requests of the last window, including those booked for later', () => {
  const limit = { requests: 5, windowMs: 100 };
  const count = (starts: number[], now: number) => {
    const { remaining, resetMs } = countedBudget(starts, limit, now);
    return [remaining, resetMs];
  };
  assert.deepEqual(count([], 1_000), [5, 0]);
  assert.deepEqual(count([880, 900, 950, 1_000, 1_020], 1_000), [2, 50]);
});

test('lets a request wait until an earlier one leaves the window', () => {
  const limit = { requests: 3, windowMs: 100 };
  const rows: [number[], number, number][] = [
    // starts, requests, expected wait at time 1,000
    [[950, 960, 970], 0, 0],
    [[], 3, 0],
    [[], 4, 100],
    [[], 7, 200],
    [[950, 960], 1, 0],
    [[950, 960], 2, 50],
    [[950, 960], 3, 60],
    [[950, 960], 4, 100], // waits behind the first of these
    [[950, 960], 5, 150],
    [[800, 950, 960], 1, 0],
    [[950, 960, 1_030], 3, 130],
  ];
  for (const [starts, requests, expected] of rows)
    assert.equal(windowDelay(starts, limit, requests, 1_000), expected, `${starts.join()} + ${requests}`);
});
