// The counts that a walk reports. walk.test.ts and the scenarios count whole walks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWalkCounter, type WalkCounts } from '../../../src/sync/walk/count-walk.ts';

test('the count of rejected records that are not kept covers only the newest reading', () => {
  const reports: WalkCounts[] = [];
  const counter = createWalkCounter((counts) => void reports.push(counts));
  const notKept = () => reports.at(-1)?.evidence.rejected_not_kept;
  counter.beginPass(1);
  counter.beginReading();
  counter.countUnkept(new Map([['email: not text', 2]]));
  counter.countUnkept(
    new Map([
      ['email: not text', 1],
      ['name: not text', 4],
    ]),
  );
  assert.deepEqual(notKept(), { 'email: not text': 3, 'name: not text': 4 });
  counter.beginReading();
  counter.notePages({ pages: 1 });
  assert.equal(notKept(), undefined);
  counter.countUnkept(new Map([['name: not text', 1]]));
  assert.deepEqual(notKept(), { 'name: not text': 1 });
});
