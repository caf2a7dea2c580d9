import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWorld } from '../../src/simulator/world.ts';
import type { World, WorldOptions } from '../../src/simulator/world.ts';
import { RISK_LEVELS } from '../../src/user-risk.ts';
import type { UserRisk } from '../../src/user-risk.ts';

const start = new Date('2026-03-02T00:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const later = (ms: number): Date => new Date(start.getTime() + ms);
const make = (options: Partial<WorldOptions> = {}): World =>
  createWorld({ seed: 1, users: 120, start, days: 90, ...options });
const rank = (user: { max_risk_level: UserRisk['max_risk_level'] }): number =>
  RISK_LEVELS.indexOf(user.max_risk_level);
const high = (list: UserRisk[]): number => list.filter((user) => user.max_risk_level === 'high').length;
const byId = (list: UserRisk[]): Map<string, UserRisk> => new Map(list.map((user) => [user.user_id, user]));
const eachSixHours = Array.from({ length: 360 }, (_, slot) => later(slot * 6 * HOUR));

describe('the lives of simulated users', () => {
  it('let levels and counters only rise between resets, and start again from zero after one', () => {
    const world = make();
    let before = byId(world.at(start));
    let returned = 0;
    const resetOf = (id: string, at: Date): string | null => world.user(id, at)?.last_reset_time ?? null;
    const resets = new Map([...before.keys()].map((id) => [id, resetOf(id, start)]));
    for (const at of eachSixHours) {
      const now = byId(world.at(at));
      for (const [id, user] of now) {
        const earlier = before.get(id);
        // The same row: nothing happened. To read each record each time takes most of the test's time.
        if (earlier === user) continue;
        const reset = resetOf(id, at);
        if (earlier !== undefined && resets.get(id) === reset) {
          assert(rank(user) >= rank(earlier), 'the level fell without a reset');
          assert(user.event_count >= earlier.event_count, 'the counter fell without a reset');
          assert(user.last_event >= earlier.last_event);
          assert.equal(user.event_count > earlier.event_count, user.last_event > earlier.last_event);
        } else if (reset !== null) {
          returned += 1;
          assert(user.last_event > reset);
          assert(user.event_count < 12, 'the counter went on after a reset');
        }
        resets.set(id, reset);
      }
      before = now;
    }
    assert(returned > 20, `${returned} returned`);
  });

  it('agree with the record of each user', () => {
    const world = make();
    const at = later(66.6 * DAY);
    for (const user of world.at(at)) {
      const record = world.user(user.user_id, at);
      assert(record);
      const since = record.events.filter((event) => event.timestamp > (record.last_reset_time ?? ''));
      assert.equal(record.email, user.email);
      assert.equal(record.name, user.name);
      assert.equal(record.risk_level, user.max_risk_level);
      assert.equal(record.events[0]?.timestamp, user.last_event);
      if (record.events.length === 100) continue;
      assert.equal(since.length, user.event_count);
      const levels = since.map((event) => RISK_LEVELS.indexOf(event.risk_level));
      assert.equal(Math.max(...levels), rank(user));
    }
  });

  it('remove users by a reset or for good, bring new ones, and rename some', () => {
    const world = make({ users: 400 });
    const gone = { reset: 0, left: 0 };
    let renamed = 0;
    const first = new Set<string>();
    let before = byId(world.at(start));
    const earliest = before;
    for (const at of eachSixHours) {
      const now = byId(world.at(at));
      for (const [id, user] of before) {
        const still = now.get(id);
        if (still !== undefined && still.name !== user.name) {
          renamed += 1;
          assert.notEqual(still.email, user.email);
        }
        if (still !== undefined) continue;
        const record = world.user(id, at);
        if (record === null) {
          gone.left += 1;
          assert.equal(world.user(id, later(400 * DAY)), null, 'came back after leaving');
          continue;
        }
        gone.reset += 1;
        assert.equal('risk_level' in record, false);
        assert((record.last_reset_time ?? '') >= (record.events[0]?.timestamp ?? '~'));
      }
      for (const id of now.keys()) if (!earliest.has(id)) first.add(id);
      before = now;
    }
    assert(gone.reset > 200, `${gone.reset} resets`);
    assert(gone.left > 10 && gone.left < 80, `${gone.left} left`);
    assert(renamed > 3 && renamed < 60, `${renamed} renamed`);
    assert(first.size > 10, `${first.size} joined`);
  });

  it("have no user before the user's first event, and none with an invented id", () => {
    const world = make();
    const old = new Set(world.at(start).map((user) => user.user_id));
    const joined = world.at(later(80 * DAY)).find((user) => !old.has(user.user_id));
    assert(joined);
    assert.equal(world.user(joined.user_id, later(-44.9 * DAY)), null);
    assert.notEqual(world.user(joined.user_id, later(80 * DAY)), null);
    assert.equal(world.user('182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e', later(80 * DAY)), null);
    assert.equal(world.user('not a uuid', later(80 * DAY)), null);
  });
});

describe('the simulated campaign', () => {
  const peaks = (world: World): { before: number; during: number; after: number } => {
    const most = (from: number, to: number): number =>
      Math.max(...eachSixHours.slice(from * 4, to * 4).map((at) => high(world.at(at))));
    return { before: most(0, 59), during: most(59, 70), after: most(85, 90) };
  };

  for (const seed of [1, 2, 3, 4, 5]) {
    it(`stands out in the count of high, and is cleaned up (seed ${seed})`, () => {
      const { before, during, after } = peaks(make({ seed, users: 400 }));
      assert(during >= 3 * before, `${before} before, ${during} at the peak`);
      assert(after <= during / 2, `${after} two weeks later`);
    });
  }

  it('brings dozens of users to high within one day', () => {
    const world = make({ users: 400 });
    const counts = Array.from({ length: 90 }, (_, day) => high(world.at(later(day * DAY))));
    const rises = counts.map((count, day) => count - (counts[day - 1] ?? count));
    assert(Math.max(...rises) >= 24, `largest rise ${Math.max(...rises)}`);
  });

  it('changes nothing before it begins, and does not happen when it is switched off or the world is too short', () => {
    const calm = make({ campaign: null });
    assert.deepEqual(make().at(later(58 * DAY)), calm.at(later(58 * DAY)));
    assert.notDeepEqual(make().at(later(66 * DAY)), calm.at(later(66 * DAY)));
    assert.deepEqual(make({ days: 7 }).at(later(66 * DAY)), calm.at(later(66 * DAY)));
  });

  it('happens at the requested time and size, also in an endless world', () => {
    const world = make({ users: 400, days: Infinity, campaign: { day: 14, share: 0.5, cleanUpDays: 5 } });
    assert(high(world.at(later(17 * DAY))) > 120);
    assert(high(world.at(later(26 * DAY))) < 40);
    assert(world.at(later(1000 * DAY)).length > 330);
  });
});
