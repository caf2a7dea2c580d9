// What the client reads from one page of the list of accounts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAccountPage } from '../../../src/cloudflare/endpoints/account-page.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const page = (result: unknown) =>
  readAccountPage({ success: true, result, result_info: { total_count: 7 } }, 99);

test('ids are read in small letters, and an account without a usable id is counted and gets no id', () => {
  const read = page([
    { id: A.toUpperCase(), name: 'Ada Ltd' },
    { id: 'not one id' },
    { name: 'no id' },
    null,
    { id: B },
  ]);
  assert.deepEqual(read?.content, [A, null, null, null, B]);
  assert.deepEqual([read.count, read.info, read.bytes], [5, { total_count: 7 }, 99]);
  assert.ok(!JSON.stringify(read).includes('Ada'));
});

test('two pages are the same if they hold the same accounts in any order, with or without ids', () => {
  const same = page([{ id: A }, { name: 'no id' }])?.users;
  assert.equal(page([{ name: 'no id' }, { id: A.toUpperCase() }])?.users, same);
  assert.notEqual(page([{ id: A }, { name: 'another' }])?.users, same);
  assert.notEqual(page([{ id: B }, { name: 'no id' }])?.users, same);
});

test('an answer that is not a list of accounts is not read as an empty list', () => {
  for (const json of [undefined, null, 'text', [], {}, { success: true }, { success: false, result: [] }])
    assert.equal(readAccountPage(json, 0), null, JSON.stringify(json));
  assert.equal(page(null), null);
  assert.deepEqual(page([])?.content, []);
});
