import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isJsonType, readErrors, readSummary } from '../../src/cloudflare/responses.ts';
import { PAGE, RECORD } from '../support/api/api-server.ts';

test('reads a page with all fields', () => {
  assert.deepEqual(readSummary(PAGE), { records: [RECORD], info: PAGE.result_info });
});

test('reads a page with almost no fields', () => {
  const empty = { records: [], info: {} };
  for (const rest of [
    {},
    { result: null },
    { result: {} },
    { result: { users: null } },
    { result: { users: [] }, result_info: null },
    { result_info: 'none' },
    { result_info: [] },
  ]) {
    assert.deepEqual(readSummary({ success: true, ...rest }), empty);
  }
});

test('drops each number of the wrong type separately', () => {
  const result_info = { page: 1, per_page: '50', count: -1, total_count: 1.5, total_pages: null, more: 7 };
  assert.deepEqual(readSummary({ success: true, result_info })?.info, { page: 1 });
});

test('an answer is not a summary without success, or with users that are not a list', () => {
  for (const json of [
    undefined,
    null,
    [],
    'text',
    {},
    { result: { users: [] } },
    { success: 'true' },
    { success: 1 },
    { success: true, result: [] },
    { success: true, result: 'x' },
    { success: true, result: { users: {} } },
    { success: true, result: { users: 'x' } },
  ]) {
    assert.equal(readSummary(json), null);
  }
});

test('reads errors with their causes, whatever values they hold', () => {
  const errors = [
    { code: 6003, message: 'outer', error_chain: [{ code: 6103, message: 'inner' }] },
    { code: '971', message: 7 },
    'text',
    null,
    {},
    { code: null, message: null },
  ];
  assert.deepEqual(readErrors({ success: false, errors }), [
    { code: 6003, message: 'outer' },
    { code: 6103, message: 'inner' },
    { code: 971, message: '' },
    { code: null, message: '' },
    { code: null, message: '' },
  ]);
  assert.deepEqual(readErrors({ success: false }), []);
  assert.deepEqual(readErrors({ success: false, errors: null }), []);
  assert.deepEqual(readErrors({ errors: [{ code: 1, message: 'x' }] }), [{ code: 1, message: 'x' }]);
  assert.equal(readErrors({ success: true, errors: [{ code: 1, message: 'x' }] }), null);
  for (const json of [undefined, null, 'x', [], {}]) assert.equal(readErrors(json), null);
});

test('never throws', () => {
  fc.assert(
    fc.property(fc.anything(), fc.jsonValue(), (result, errors) => {
      readSummary({ success: true, result, result_info: errors });
      readErrors({ success: false, errors });
      readErrors(result);
    }),
  );
});

test('a body is read as JSON unless its content type promises something else', () => {
  for (const type of [
    null,
    '',
    ' ',
    'application/json',
    'text/json; charset=utf-8',
    'application/problem+json',
    'text/plain',
    'application/octet-stream',
  ])
    assert.ok(isJsonType(type), String(type));
  for (const type of ['text/html', 'application/xml', 'image/png', 'application/jsonp'])
    assert.ok(!isJsonType(type), type);
});
