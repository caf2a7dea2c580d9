// Which span a page shows when its address states none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affordable, fitting } from '../../src/answers/scope.ts';
import { stepOf } from '../../src/answers/trend-of.ts';

test('a page shows the shortest range that holds a young history, and 90 days of an old one', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const after = (hours: number) => fitting({ now, firstAt: new Date(now.getTime() - hours * 3_600_000) });
  assert.deepEqual([0, 23, 24, 167, 168, 719, 720, 50_000].map(after), [
    '24h',
    '24h',
    '7d',
    '7d',
    '30d',
    '30d',
    '90d',
    '90d',
  ]);
});

test('with many accounts, a page without a span in its address shows a shorter one, and never less than a day', () => {
  const ranges = (accounts: number) =>
    (['24h', '7d', '30d', '90d', 'all'] as const).map((r) => affordable(r, accounts));
  assert.deepEqual(ranges(1), ['24h', '7d', '30d', '90d', 'all']);
  assert.deepEqual(ranges(100), ['24h', '7d', '30d', '90d', 'all']);
  assert.deepEqual(ranges(300), ['24h', '7d', '30d', '30d', 'all']);
  assert.deepEqual(ranges(1_000), ['24h', '7d', '7d', '7d', 'all']);
  assert.deepEqual(ranges(10_000), ['24h', '24h', '24h', '24h', 'all']);
});

test('a total of many accounts has steps of hours and days, because each snapshot of one account is a step of the total', () => {
  const to = new Date('2026-03-01T12:00:00Z');
  const steps = (days: number) =>
    [1, 10, 11, 400, 3_000, 20_000].map((accounts) =>
      stepOf({ from: new Date(to.getTime() - days * 86_400_000), to }, accounts),
    );
  assert.deepEqual(steps(1), ['snapshot', 'snapshot', 'hour', 'hour', 'hour', 'day']);
  assert.deepEqual(steps(30), ['hour', 'hour', 'hour', 'day', 'day', 'day']);
  assert.deepEqual(steps(90), ['day', 'day', 'day', 'day', 'day', 'day']);
});
