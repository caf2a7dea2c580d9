// Which accounts are synced after any sequence of readings, compared with a model that counts by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { followList, NOBODY, type Followed } from '../../src/accounts/follow-list.ts';

const complete = (...ids: string[]) => ({ ids, isComplete: true });
const broken = (...ids: string[]) => ({ ids, isComplete: false });
const after = (patience: number, ...readings: { ids: string[]; isComplete: boolean }[]) =>
  readings.reduce<Followed>((before, reading) => followList(before, reading, patience), NOBODY);

test('a file drops an account at once, and the list of the token only after two complete readings', () => {
  assert.deepEqual(after(1, complete('a', 'b'), complete('b')).ids, ['b']);
  assert.deepEqual(after(2, complete('a', 'b'), complete('b')).ids, ['a', 'b']);
  const gone = after(2, complete('a', 'b'), complete('b'), complete('b'));
  assert.deepEqual([gone.ids, gone.unlisted], [['b'], ['a']]);
  const back = followList(gone, complete('b', 'a'), 2);
  assert.deepEqual([back.ids, back.unlisted, back.added], [['b', 'a'], [], ['a']]);
});

test('a reading that broke off adds the accounts that it read, drops none, and does not count', () => {
  const step = followList(after(2, complete('a', 'b'), complete('a')), broken('c'), 2);
  assert.deepEqual([step.ids, step.added, step.removed], [['a', 'b', 'c'], ['c'], []]);
  assert.deepEqual([...step.lacking], [['b', 1]]);
});

test('a list that lacks more than half of many accounts at once drops none', () => {
  const many = Array.from({ length: 40 }, (_, n) => `a${n}`);
  const step = followList(after(2, complete(...many)), complete(...many.slice(0, 19)), 2);
  assert.deepEqual([step.ids, step.doubted, step.removed], [many, 21, []]);
  const half = many.slice(0, 20);
  assert.equal(after(2, complete(...many), complete(...half), complete(...half)).ids.length, 20);
});

test('an account is dropped exactly if the newest readings that count lack it, and readings that broke off only add accounts', () => {
  const some = fc.subarray(['a', 'b', 'c', 'd', 'e']);
  const reading = fc.record({ ids: some, isComplete: fc.boolean() });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 12 }), fc.constantFrom(1, 2, 3), (readings, patience) => {
      let state: Followed = NOBODY;
      const heard: { ids: string[]; isComplete: boolean }[] = [];
      for (const next of readings) {
        const before = new Set(state.ids);
        const step = followList(state, next, patience);
        state = step;
        heard.push(next);
        const named = new Set(heard.flatMap(({ ids }) => ids));
        // Looks back from the end, to the newest reading that named the account.
        const expected = [...named].filter((id) => {
          let lacked = 0;
          for (const { ids, isComplete } of heard.toReversed()) {
            if (ids.includes(id)) break;
            lacked += isComplete ? 1 : 0;
          }
          return lacked < patience;
        });
        assert.deepEqual(state.ids.toSorted(), expected.toSorted());
        assert.deepEqual(step.added.toSorted(), expected.filter((id) => !before.has(id)).toSorted());
        assert.deepEqual(
          step.removed.toSorted(),
          [...before].filter((id) => !expected.includes(id)).toSorted(),
        );
        const unlisted = [...named].filter((id) => !expected.includes(id));
        assert.deepEqual(state.unlisted.toSorted(), patience > 1 ? unlisted.toSorted() : []);
      }
    }),
  );
});
