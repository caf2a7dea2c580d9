import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createWorld } from '../../src/simulator/world.ts';
import type { World, WorldOptions } from '../../src/simulator/world.ts';
import type { UserRisk } from '../../src/user-risk.ts';

const start = new Date('2026-03-02T00:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const later = (ms: number): Date => new Date(start.getTime() + ms);
const make = (options: Partial<WorldOptions> = {}): World =>
  createWorld({ seed: 1, users: 120, start, days: 90, ...options });
const high = (list: UserRisk[]): number => list.filter((user) => user.max_risk_level === 'high').length;
const eachSixHours = Array.from({ length: 360 }, (_, slot) => later(slot * 6 * HOUR));

describe('the determinism of a simulated world', () => {
  it('gives the same state for the same seed, and another for another seed', () => {
    assert.deepEqual(make().at(later(9 * DAY)), make().at(later(9 * DAY)));
    assert.notDeepEqual(make().at(later(9 * DAY)), make({ seed: 2 }).at(later(9 * DAY)));
  });

  it('gives the same answer for an instant, in whatever order instants are requested', () => {
    const instant = fc
      .integer({ min: -60 * 24 * 60, max: 100 * 24 * 60 })
      .map((minutes) => later(minutes * 60_000));
    fc.assert(
      fc.property(fc.integer(), fc.array(instant, { minLength: 1, maxLength: 6 }), (seed, instants) => {
        const asked = make({ seed, users: 25 });
        for (const at of instants) assert.deepEqual(asked.at(at), make({ seed, users: 25 }).at(at));
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same answer for a user before and after a summary of a later instant', () => {
    const world = make();
    const [user] = make().at(later(20 * DAY));
    assert(user);
    const before = world.user(user.user_id, later(20 * DAY));
    world.at(later(80 * DAY));
    assert.deepEqual(world.user(user.user_id, later(20 * DAY)), before);
    assert.notEqual(before, null);
  });

  it('is not affected by a caller that changes the list', () => {
    const world = make();
    world.at(start).reverse().pop();
    assert.deepEqual(world.at(start), make().at(start));
  });

  it('refuses an invalid instant', () => {
    assert.throws(() => make().at(new Date('never')), RangeError);
  });
});

describe('the users of a simulated world', () => {
  it('have six well-formed fields, microseconds, the newest event first, and no duplicates', () => {
    const list = make({ users: 9000 }).at(later(3 * DAY));
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    let previous = later(3 * DAY)
      .toISOString()
      .replace('Z', '000Z');
    for (const user of list) {
      assert.match(user.user_id, uuid);
      assert.match(user.email ?? '', /^[a-z0-9.-]+@example\.com$/);
      assert.match(user.last_event, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert(user.event_count > 0);
      assert(user.last_event <= previous, 'newest first');
      previous = user.last_event;
    }
    assert.equal(new Set(list.map((user) => user.user_id)).size, list.length);
    assert.equal(new Set(list.map((user) => user.email)).size, list.length);
    assert(
      list.some((user) => !user.last_event.endsWith('000Z')),
      'microseconds',
    );
  });

  it('are about as many as requested, most of them low and few of them high', () => {
    const world = make({ users: 400, campaign: null });
    const lists = eachSixHours.map((at) => world.at(at));
    const average = lists.reduce((sum, list) => sum + list.length, 0) / lists.length;
    assert(average >= 395 && average <= 425, `average ${average}`);
    for (const list of lists) {
      assert(list.length >= 360 && list.length <= 450, `${list.length} present`);
      const low = list.filter((user) => user.max_risk_level === 'low').length;
      assert(low > list.length * 0.6 && low < list.length * 0.95, `${low} low`);
      assert(high(list) < list.length * 0.06, `${high(list)} high`);
    }
  });

  it('are busy on weekdays in office hours, and quiet at night and on weekends', () => {
    const world = make({ users: 300 });
    const end = later(84 * DAY);
    const perDay = Array.from({ length: 7 }, () => 0);
    const perHour = Array.from({ length: 24 }, () => 0);
    for (const user of world.at(end)) {
      for (const event of world.user(user.user_id, end)?.events ?? []) {
        const at = new Date(event.timestamp);
        perDay[at.getUTCDay()] = (perDay[at.getUTCDay()] ?? 0) + 1;
        perHour[at.getUTCHours()] = (perHour[at.getUTCHours()] ?? 0) + 1;
      }
    }
    const [sunday = 0, , tuesday = 0, , , , saturday = 0] = perDay;
    assert(tuesday > 3 * Math.max(sunday, saturday), `by day ${perDay.join()}`);
    assert((perHour[9] ?? 0) > 4 * (perHour[3] ?? 0), `by hour ${perHour.join()}`);
  });
});
