import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { tallyPage } from '../../../src/cloudflare/paging/tally-page.ts';
import { RECORD } from '../../support/api/api-server.ts';
import { anyText } from '../../support/world/any-text.ts';

function tally(records: readonly unknown[]) {
  const page = tallyPage(collectRecords());
  for (const record of records) page.add(record);
  return page.end();
}

test('passes on every record unchanged, and counts them all', () => {
  const records = [RECORD, null, 7, [], {}];
  const { content, count } = tally(records);
  assert.deepEqual([content, count], [records, 5]);
});

test('names unknown record fields, sorted and once each, and does not print unusual names', () => {
  const users = [
    { ...RECORD, zeta: 1 },
    { alpha: 1 },
    { alpha: 2, 'ada@example.com': 1, 'x y': 1 },
    null,
    [1],
    'x',
  ];
  assert.deepEqual(tally(users).unknownFields, ['(unprintable)', 'alpha', 'zeta']);
  const many = Array.from({ length: 80 }, (_, n) => ({ [`field_${n}`]: n }));
  assert.equal(tally(many).unknownFields.length, 50);
  assert.equal(tally([Object.assign({}, ...many)]).unknownFields.length, 50);
});

test('records that are nested too deeply to be compared are counted, and look alike', () => {
  const nested = (depth: number) => {
    let record: unknown = depth;
    for (let level = 0; level < depth; level++) record = [record];
    return record;
  };
  const deep = tally([nested(100_000)]);
  assert.deepEqual([deep.count, deep.users], [1, tally([nested(100_001)]).users]);
  assert.notEqual(deep.users, tally([nested(100)]).users);
});

test('compares the users of pages by their ids alone, in any order and case', () => {
  const id = fc.oneof(fc.uuid(), anyText({ maxLength: 5 }));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 20 }), fc.array(id, { maxLength: 20 }), fc.integer(), (a, b, n) => {
      const users = (ids: string[], count: number) =>
        tally(ids.map((user_id, index) => ({ user_id, event_count: count + index }))).users;
      assert.equal(users(a, n), users(a.map((one) => one.toLowerCase()).toReversed(), 0));
      const same = JSON.stringify(lowerSorted(a)) === JSON.stringify(lowerSorted(b));
      assert.equal(users(a, 0) === users(b, 0), same);
    }),
  );
});

test('a page with one user more or less, a duplicate, or half an id is a different page', () => {
  const ids = ['a', 'b', 'ab', 'ba', '', '\0', '\0\0', 'a\0', 'abc', 'abcd'].map((user_id) => ({ user_id }));
  const pages = [[], ...ids.map((one) => [one]), ...ids.map((one) => [one, one]), ids, ids.slice(1)];
  assert.equal(new Set(pages.map((page) => tally(page).users)).size, pages.length);
});

test('a record without an id is identified by its JSON', () => {
  const users = (record: unknown) => tally([record]).users;
  assert.equal(users({ name: 'x' }), users({ name: 'x' }));
  assert.notEqual(users({ name: 'x' }), users({ name: 'y' }));
  assert.equal(users({ user_id: 7 }), users({ user_id: 7 }));
  assert.equal(users(null), users(undefined));
  assert.notEqual(users(null), users([]));
});

function lowerSorted(ids: readonly string[]): string[] {
  return ids.map((id) => id.toLowerCase()).toSorted();
}
