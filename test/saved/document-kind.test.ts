// What a saved file holds at one place, recognised by the first key of the first object there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindAt, SplitError } from '../../src/saved/document-kind.ts';

const kindOf = (text: string) => kindAt(Buffer.from(text), 0);

test('the first key distinguishes an envelope, the contents of an envelope, and a record', () => {
  assert.equal(kindOf('{ "success": true'), 'envelope');
  assert.equal(kindOf('{"result_info":{'), 'envelope');
  assert.equal(kindOf('{}'), 'envelope');
  assert.equal(kindOf('{"users":[]}'), 'result');
  assert.equal(kindOf('{"user_id":"one"}'), 'records');
});

test('an array holds records or documents, by its first element', () => {
  assert.equal(kindOf('[]'), 'list');
  assert.equal(kindOf('[ \n {"user_id":"one"'), 'list');
  assert.equal(kindOf('[{"errors":[]'), 'array');
  assert.equal(kindOf('[{"users":[]'), 'array');
  assert.equal(kindOf('[[{"user_id"'), 'array');
});

test('a text that ends before its first key needs more, up to a limit', () => {
  for (const text of ['{', '{ "user', '[', '[  ', '[{"a\\"']) assert.equal(kindOf(text), null, text);
  assert.throws(() => kindOf(`{"${'a'.repeat(70_000)}`), why('other'));
});

test('anything else says what it looks like', () => {
  assert.throws(() => kindOf('<!doctype html>'), why('html'));
  assert.throws(() => kindOf('user_id,level'), why('text'));
  assert.throws(() => kindOf('{user_id: 1}'), why('text'));
  assert.throws(() => kindOf('[1, 2]'), why('other'));
});

test('text before the place does not count', () => {
  assert.equal(kindAt(Buffer.from('{"users":[]} {"user_id":"one"}'), 13), 'records');
});

function why(expected: SplitError['why']): (error: unknown) => boolean {
  return (error) => error instanceof SplitError && error.why === expected;
}
