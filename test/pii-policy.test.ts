// What is kept of emails and names in each mode. Hashes are compared with those of node:crypto.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPiiPolicy, HASH_PATTERN, keepAll, keyIdOf, piiHashes, readPiiKey } from '../src/pii-policy.ts';

const bytesOf = (length: number) => Buffer.from(Array.from({ length }, (_, n) => (n * 37 + 11) % 256));
const KEY = bytesOf(32);
const key = KEY.toString('base64');
const other = bytesOf(48).toString('base64');
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 6_000, size: 'max' }));

const hmac = (label: string, value: string, by = KEY) =>
  createHmac('sha256', by).update(`${label}:${value}`).digest('base64url');

test('a hash is the HMAC-SHA-256 of the text with its label, and names its key', () => {
  const policy = createPiiPolicy('pseudonymous', key);
  assert.match(policy.keyId ?? '', /^[0-9a-f]{8}$/);
  fc.assert(
    fc.property(text, text, (email, name) => {
      const kept = policy.keep({ email, name, level: 'low' });
      const hash = (label: string, value: string) =>
        value === '' ? '' : `hmac-sha256:${policy.keyId}:${hmac(label, value)}`;
      assert.deepEqual(kept, {
        email: hash('email', email.toLowerCase()),
        name: hash('name', name),
        level: 'low',
      });
    }),
  );
});

test('a key of any length gives the hash of node:crypto', () => {
  for (const length of [32, 63, 64, 65, 200]) {
    const bytes = bytesOf(length);
    const hashes = piiHashes(bytes.toString('base64'));
    assert.ok(hashes?.name('Ada').endsWith(hmac('name', 'Ada', bytes)), String(length));
  }
});

test('the hash of an email ignores case, the hash of a name does not, and the two never meet', () => {
  const { keep } = createPiiPolicy('pseudonymous', key);
  const [a, b] = [
    keep({ email: 'Ada@Example.com', name: 'Ada' }),
    keep({ email: 'ada@example.COM', name: 'ada' }),
  ];
  assert.equal(a.email, b.email);
  assert.notEqual(a.name, b.name);
  const same = keep({ email: 'ada', name: 'ada' });
  assert.notEqual(same.email, same.name);
});

test('what is missing stays missing, and nothing is kept in mode none', () => {
  const { keep } = createPiiPolicy('pseudonymous', key);
  assert.deepEqual(keep({ email: null, name: '' }), { email: null, name: '' });
  const none = createPiiPolicy('none', null);
  assert.deepEqual(none.keep({ email: 'a@b.c', name: 'Ada', n: 1 }), { email: null, name: null, n: 1 });
  const served = { email: 'a@b.c', name: 'Ada' };
  assert.equal(keepAll.keep(served), served);
});

test('a kept value is converted to a hash once, whatever its key', () => {
  const [mine, theirs] = [createPiiPolicy('pseudonymous', key), createPiiPolicy('pseudonymous', other)];
  const served = { email: 'Ada@Example.com', name: 'Ada Lovelace' };
  assert.deepEqual(mine.convert(served), mine.keep(served));
  assert.deepEqual(mine.convert(mine.keep(served)), mine.keep(served));
  assert.deepEqual(mine.convert(theirs.keep(served)), theirs.keep(served));
  assert.deepEqual(createPiiPolicy('none', null).convert(served), { email: null, name: null });
});

test('a person can be compared only with what the same mode and key have kept', () => {
  const mine = createPiiPolicy('pseudonymous', key);
  const theirs = createPiiPolicy('pseudonymous', other);
  const served = { email: 'ada@example.com', name: null };
  const nothing = { email: null, name: '' };
  const cases: [policy: typeof mine, held: typeof nothing | typeof served, isOlder: boolean, can: boolean][] =
    [
      [keepAll, served, false, true],
      [keepAll, served, true, true],
      [keepAll, mine.keep(served), false, false],
      [mine, mine.keep(served), false, true],
      [mine, mine.keep(served), true, true],
      [mine, theirs.keep(served), false, false],
      [mine, served, false, false],
      // Nothing was served, or nothing was kept.
      [keepAll, nothing, false, true],
      [keepAll, nothing, true, false],
      [mine, nothing, false, true],
      [mine, nothing, true, false],
      [createPiiPolicy('none', null), nothing, false, false],
      [createPiiPolicy('none', null), served, false, false],
    ];
  for (const [policy, held, isOlder, can] of cases)
    assert.equal(policy.canCompare(held, isOlder), can, JSON.stringify([policy.mode, held, isOlder]));
});

test('only at least 32 random bytes in base64 are a key', () => {
  for (const good of [
    key,
    other,
    KEY.toString('base64url'),
    randomBytes(32).toString('base64'),
    randomBytes(32).toString('hex'),
  ])
    assert.ok(readPiiKey(good) !== null);
  const short = bytesOf(31).toString('base64');
  for (const bad of [
    '',
    'secret',
    short,
    'A'.repeat(44),
    'abcdefgh'.repeat(8),
    `${key}!`,
    `${key} ${key}`,
    Buffer.alloc(64, 7).toString('base64'),
  ])
    assert.equal(readPiiKey(bad), null, bad);
});

test('only a whole hash is recognised as a hash', () => {
  const { keep, keyId } = createPiiPolicy('pseudonymous', key);
  const hash = keep({ email: 'a', name: null }).email ?? '';
  assert.equal(keyIdOf(hash), keyId);
  for (const no of [
    '',
    'a@b.c',
    hash.slice(1),
    `${hash}a`,
    hash.slice(0, -1),
    `hmac-sha256:${keyId}:ada@example.com`,
    `${hash}\n`,
  ])
    assert.equal(keyIdOf(no), null, no);
  assert.match(hash, new RegExp(HASH_PATTERN));
});

test('hashes without a key are a defect, never texts as they were served', () => {
  assert.throws(() => createPiiPolicy('pseudonymous', null), /no key/);
});
