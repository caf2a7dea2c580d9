// What is kept of a rejected record once a person was forgotten. erase.test.ts forgets people for real.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOBODY_ERASED, type Erased } from '../../../src/db/erased/read-erased.ts';
import { keepAll } from '../../../src/pii-policy.ts';
import { FORGOTTEN_RAW, identityPolicy } from '../../../src/sync/walk/identity-policy.ts';

const ADDRESS = 'ada@example.com';
const FORGOTTEN = '00000000-0000-4000-8000-000000000001';
const STAND_IN = '00000000-0000-4000-8000-00000000000f';

const somebodyErased: Erased = {
  ...NOBODY_ERASED,
  isAnybodyForgotten: true,
  inPlaceOf: (id) => (id === FORGOTTEN ? STAND_IN : null),
};

const keptOf = (record: unknown, erased: Erased, userId: string | null = null) =>
  identityPolicy(keepAll, erased).rejected(
    { userId, reason: 'email: not text', raw: `as served: ${ADDRESS}` },
    record,
    false,
  );

test('a record without a readable user keeps its form and none of its texts, once a person is forgotten', () => {
  const { raw } = keptOf({ email: ADDRESS, event_count: 3, more: [ADDRESS, null, true] }, somebodyErased);
  assert.equal(raw, '{"email":"[15 characters]","event_count":3,"more":["[15 characters]",null,true]}');
  assert.match(keptOf({ email: ADDRESS }, NOBODY_ERASED).raw, /as served/);
});

test('a record that is nested too deeply to be written again is not kept at all', () => {
  let record: unknown = ADDRESS;
  for (let depth = 0; depth < 100_000; depth++) record = [record];
  assert.equal(keptOf(record, somebodyErased).raw, '[not JSON]');
  assert.equal(keptOf(undefined, somebodyErased).raw, '[not JSON]');
});

test('a rejected record of a forgotten person is kept under another id, and without its contents', () => {
  const { userId, raw } = keptOf({ email: ADDRESS }, somebodyErased, FORGOTTEN);
  assert.deepEqual([userId, raw], [STAND_IN, FORGOTTEN_RAW]);
});
