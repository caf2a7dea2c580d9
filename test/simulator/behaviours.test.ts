import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEHAVIOURS, PHISHED, pickBehaviour } from '../../src/simulator/behaviours.ts';

test('every choice is a behaviour, each behaviour appears as often as it states, and phishing only in a campaign', () => {
  const counts = new Map<string, number>();
  for (let thousandth = 0; thousandth < 1_000; thousandth++) {
    const { id } = pickBehaviour((thousandth + 0.5) / 1_000);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.keys()],
    BEHAVIOURS.filter((one) => one !== PHISHED).map(({ id }) => id),
  );
  assert.deepEqual([...counts.values()], [380, 330, 267, 10, 8, 3, 2]);
  assert.equal(pickBehaviour(0).id, 'unusual_hours');
  assert.equal(pickBehaviour(1 - Number.EPSILON / 2).id, 'sentinel_one');
});
