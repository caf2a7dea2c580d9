// One level over time in characters: peaks, gaps and partial snapshots are visible, and nothing is wider than allowed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  barChart,
  changeInWords,
  gutterOf,
  legend,
  percentOf,
  sparkline,
  stretchesOf,
  timeAxis,
} from '../../src/terminal/trend-chart.ts';
import type { TrendPoint } from '../../src/queries/levels/level-trend.ts';

function point(high: number, more: Partial<TrendPoint> = {}): TrendPoint {
  return {
    account_id: 'an account',
    bucket: '2026-03-01',
    low: 300,
    medium: 40,
    high,
    verdict: 'complete',
    is_observed: true,
    snapshot_id: 1,
    observed_at: '2026-03-01T10:00:00.000Z',
    hour_at: null,
    ...more,
  };
}

const gap = { is_observed: false };
const partial = { verdict: 'partial' };

describe('a line of blocks', () => {
  it('goes from the lowest to the highest value, and marks gaps', () => {
    const points = [point(0), point(7), point(7, gap), point(3)];
    assert.equal(sparkline(stretchesOf(points, 'high', 60)), '▁█·▄');
    assert.equal(sparkline(stretchesOf(points, 'low', 60)), '▁▁·▁');
  });

  it('keeps every peak of a series that is longer than the line', () => {
    const points = Array.from({ length: 1_000 }, (_, index) => point(index === 617 ? 90 : 1));
    const line = sparkline(stretchesOf(points, 'high', 50));
    assert.equal(line.length, 50);
    assert.equal([...line].filter((block) => block === '█').length, 1);
  });
});

describe('a chart', () => {
  it('has bars as high as their values, between the limits that its axis names', () => {
    const chart = barChart([point(0), point(16), point(32)], 'high', { width: 30, gutter: 4 });
    assert.deepEqual(chart, [
      '  32 ┤            ██████',
      '     │            ██████',
      '     │      ████████████',
      '   0 ┤▁▁▁▁▁▁████████████',
    ]);
  });

  it('hatches values carried forward', () => {
    const chart = barChart([point(32), point(32, gap), point(0)], 'high', { width: 20, gutter: 4 });
    assert.equal(chart[0], '  32 ┤████░░░░');
    assert.equal(chart[3], '   0 ┤████░░░░▁▁▁▁');
  });

  it('marks partial snapshots on its axis, and names the first, the middle and the last bucket', () => {
    const days = Array.from({ length: 60 }, (_, index) =>
      point(1, {
        bucket: new Date(Date.UTC(2026, 2, 1 + index)).toISOString().slice(0, 10),
        ...(index === 2 ? partial : {}),
      }),
    );
    const [axis, names] = timeAxis(days, { width: 70, gutter: 4 });
    assert.equal(axis, `     └──p${'─'.repeat(57)}`);
    assert.match(names!, /^ {6}2026-03-01 +2026-03-31 +2026-04-29$/);
    assert.equal(names!.length, axis.length);
  });

  it('is never wider than allowed, whatever the series', () => {
    const points = fc.array(
      fc
        .tuple(fc.nat(3_000_000), fc.boolean(), fc.boolean())
        .map(([high, isObserved, isPartial]) =>
          point(high, { ...(isObserved ? {} : gap), ...(isPartial ? partial : {}) }),
        ),
      { minLength: 1, maxLength: 400 },
    );
    fc.assert(
      fc.property(points, fc.integer({ min: 50, max: 160 }), (points, width) => {
        const gutter = gutterOf(points);
        for (const level of ['high', 'medium', 'low'] as const) {
          const lines = barChart(points, level, { width, gutter });
          assert.equal(lines.length, 4);
          for (const line of [...lines, ...timeAxis(points, { width, gutter })])
            assert.ok(line.length <= width, line);
          assert.doesNotMatch(lines.join(''), /undefined|NaN/);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the text of a trend', () => {
  it('says how much the count changed, in users and in per cent', () => {
    assert.equal(changeInWords([point(41), point(60), point(44)], 'high'), '41 → 44 (+3, +7.3 %)');
    assert.equal(changeInWords([point(44), point(41)], 'high'), '44 → 41 (−3, −6.8 %)');
    assert.equal(changeInWords([point(0), point(1_500)], 'high'), '0 → 1,500 (+1,500)');
    assert.equal(changeInWords([point(5)], 'high'), '5 → 5 (±0)');
  });

  it('gives the share of all users, and no share without users', () => {
    assert.equal(percentOf({ low: 75, medium: 15, high: 10 }, 'high'), '10.0');
    assert.equal(percentOf({ low: 0, medium: 0, high: 0 }, 'high'), null);
  });

  it('explains only the marks that are there', () => {
    assert.deepEqual(legend([point(1)], '·', 'day'), []);
    const lines = legend([point(1), point(1, gap), point(1, gap), point(1, partial)], '·', 'day');
    assert.equal(lines.length, 2);
    assert.match(lines[0]!, /^· no snapshot \(2 days\)/);
    assert.match(lines[1]!, /^p partial snapshot \(1 day\)/);
  });
});
