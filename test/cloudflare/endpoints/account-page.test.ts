// What is read of one page of the list of accounts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAccountPage } from '../../../src/cloudflare/endpoints/account-page.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const page = (result: unknown) =>
  readAccountPage({ success: true, result, result_info: { total_count: 7 } }, 99);

test('ids come in small letters, and an account without a usable id is counted and named by none', () => {
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

test('two pages are the same if their accounts are, in any order, those without an id included', () => {
  const same = page([{ id: A }, { name: 'no id' }])?.users;
  assert.equal(page([{ name: 'no id' }, { id: A.toUpperCase() }])?.users, same);
  assert.notEqual(page([{ id: A }, { name: 'another' }])?.users, same);
  assert.notEqual(page([{ id: B }, { name: 'no id' }])?.users, same);
});

test('what is no list of accounts is no empty list', () => {
  for (const json of [undefined, null, 'text', [], {}, { success: true }, { success: false, result: [] }])
    assert.equal(readAccountPage(json, 0), null, JSON.stringify(json));
  assert.equal(page(null), null);
  assert.deepEqual(page([])?.content, []);
});
