// Axes of the charts: marks are at local midnights, never so near that their labels touch, and scales hold all values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stepPath } from '../../../src/pages/charts/step-path.ts';
import { ticksOf } from '../../../src/pages/charts/time-axis.ts';
import { scaleOf } from '../../../src/pages/charts/value-scale.ts';

const HOUR = 3_600_000;
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Atlantic/Azores', 'America/New_York');
const span = fc.record({
  from: fc.integer({ min: Date.UTC(2020, 0, 1) / 60_000, max: Date.UTC(2030, 0, 1) / 60_000 }),
  // From an hour to ten years, as many short ones as long ones.
  hours: fc.double({ min: 0, max: Math.log(87_600), noNaN: true }).map(Math.exp),
});

test('labels of a time axis never touch: on a wide plot all of them, on a phone every second one', () => {
  fc.assert(
    fc.property(span, zone, ({ from, hours }, timezone) => {
      const edges = { from: from * 60_000, to: from * 60_000 + hours * HOUR };
      const ticks = ticksOf(edges, timezone);
      assert.ok(ticks.length <= 14, `${ticks.length} marks`);
      const shown = (width: number, one: typeof ticks) =>
        one.map(({ at }) => ((at - edges.from) / (edges.to - edges.from)) * width);
      const isApart = (places: number[], least: number) =>
        places.every((place, nth) => nth === 0 || place - places[nth - 1]! >= least);
      assert.ok(isApart(shown(900, ticks), 50), JSON.stringify(ticks));
      const onPhone = ticks.length > 5 ? ticks.filter((_, nth) => nth % 2 === 0) : ticks;
      assert.ok(isApart(shown(290, onPhone), 38), JSON.stringify(onPhone));
    }),
    { numRuns: 300 },
  );
});

test('a mark that names a day is at the start of that day', () => {
  const local = (at: number, timeZone: string) =>
    new Intl.DateTimeFormat('en-GB', { timeZone, day: 'numeric', hour: '2-digit', minute: '2-digit' }).format(
      at,
    );
  fc.assert(
    fc.property(span, zone, ({ from, hours }, timezone) => {
      const edges = { from: from * 60_000, to: from * 60_000 + hours * HOUR };
      for (const { at, label } of ticksOf(edges, timezone)) {
        assert.ok(at >= edges.from && at <= edges.to);
        const day = /^(\d+) [A-Z]/.exec(label)?.[1];
        if (day !== undefined) assert.match(local(at, timezone), new RegExp(`^${day}\\b.*00:00$`));
      }
    }),
    { numRuns: 200 },
  );
});

test('a scale is round and holds every value', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 2_000_000 })), fc.constantFrom('zero', 'least'), (values, from) => {
      const { low, high } = scaleOf(values, from);
      assert.ok(low >= 0 && low < high);
      assert.ok(Number.isInteger(low) && Number.isInteger(high));
      if (from === 'zero') assert.equal(low, 0);
      for (const value of values) assert.ok(value >= low && value <= high);
    }),
  );
});

test('a line has steps at the instants of its points, and holds the last value to the end', () => {
  const plot = { from: 0, to: 100, scale: { low: 0, high: 10 } };
  const path = stepPath(plot, [
    { at: -5, value: 10 },
    { at: 20, value: 5 },
    { at: 40, value: 5 },
    { at: 60, value: 0 },
  ]);
  assert.equal(path, 'M-10 1000V0H200V500H600V1000H1010V1000');
  assert.equal(stepPath(plot, []), '');
  assert.equal(stepPath(plot, [{ at: 50, value: 5 }]), 'M500 1000V500H1010V1000');
});

test('a line that never moves lies within its panel, not on an edge of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000_000 }), (value) => {
      const { low, high } = scaleOf([value, value], 'least');
      assert.ok(low < value && value < high, `${value} is not within ${low} to ${high}`);
    }),
  );
});
