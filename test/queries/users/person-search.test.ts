// A search for a person, in a history of plain texts, of hashes, and of both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPiiPolicy } from '../../../src/pii-policy.ts';
import { createPersonSearch } from '../../../src/queries/users/person-search.ts';

const keyOf = (seed: number) =>
  Buffer.from(Array.from({ length: 32 }, (_, n) => (n * seed + 7) % 256)).toString('base64');
const [KEY, OTHER] = [keyOf(41), keyOf(83)];
const ada = { email: 'Ada@Example.com', name: 'Ada Lovelace' };
const hashed = createPiiPolicy('pseudonymous', KEY).keep(ada);

test('an email is found in whatever case, plain or as a hash with the key', () => {
  for (const text of ['ada@example.com', 'ADA@EXAMPLE.COM']) {
    assert.ok(createPersonSearch(text, null).isEmailOf(ada));
    assert.ok(createPersonSearch(text, KEY).isEmailOf(ada));
    assert.ok(createPersonSearch(text, KEY).isEmailOf(hashed));
  }
  assert.ok(!createPersonSearch('ada@example.org', KEY).isEmailOf(hashed));
  assert.ok(!createPersonSearch('Ada Lovelace', KEY).isEmailOf(hashed));
});

test('a part is found only in plain texts, and a whole email or name also in hashes', () => {
  assert.ok(createPersonSearch('lovel', KEY).isIn(ada));
  assert.ok(!createPersonSearch('lovel', KEY).isIn(hashed));
  assert.ok(createPersonSearch('Ada Lovelace', KEY).isIn(hashed));
  assert.ok(!createPersonSearch('ada lovelace', KEY).isIn(hashed), 'a name as served');
  assert.ok(createPersonSearch('ada@EXAMPLE.com', KEY).isIn(hashed));
});

test('the search reports what it could not see', () => {
  const met = (key: string | null, identity: { email: string | null; name: string | null }) => {
    const search = createPersonSearch('x', key);
    search.isIn(identity);
    return search.met();
  };
  assert.deepEqual(met(null, ada), { some: true, hashed: false, locked: false });
  assert.deepEqual(met(KEY, hashed), { some: true, hashed: true, locked: false });
  for (const key of [null, OTHER])
    assert.deepEqual(met(key, hashed), { some: true, hashed: false, locked: true });
  assert.deepEqual(met(KEY, { email: null, name: '' }), { some: false, hashed: false, locked: false });
});

test('a part of a hash finds no person', () => {
  for (const key of [null, KEY]) assert.ok(!createPersonSearch('hmac-sha256', key).isIn(hashed));
});
