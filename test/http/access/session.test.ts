// Sessions: what is signed, by which key, for how long. No other text is a session.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  LIFETIME_MS,
  LONGEST_MS,
  newSession,
  rotated,
  sealed,
  sessionKeys,
  unsealed,
  type Session,
  type Sight,
} from '../../../src/http/access/session.ts';

const NOW = Date.UTC(2026, 10, 29, 9);
const HOUR = 3_600_000;
const keys = sessionKeys('http-token', 'pii-token-0123456789');
const KINDS: Sight[] = ['reader', 'identities'];

test('a sealed session is read back, until it expires', () => {
  for (const kind of KINDS)
    for (const secure of [true, false]) {
      const session = newSession(kind, secure, NOW);
      const text = sealed(keys, session);
      assert.match(text, /^[\w-]+\.[\w-]{43}$/);
      for (const later of [0, HOUR, LIFETIME_MS - 1])
        assert.deepEqual(unsealed(keys, text, NOW + later), session);
      assert.equal(unsealed(keys, text, NOW + LIFETIME_MS), null);
    }
});

test('two sessions of the same moment differ', () => {
  const session = newSession('reader', true, NOW);
  assert.notEqual(sealed(keys, session), sealed(keys, session));
});

test('a session ends with the token that it was made with', () => {
  const reader = sealed(keys, newSession('reader', false, NOW));
  const identities = sealed(keys, newSession('identities', false, NOW));
  const read = (token: string | null, pii: string | null) =>
    [reader, identities].map((text) => unsealed(sessionKeys(token, pii), text, NOW)?.kind ?? null);
  assert.deepEqual(read('http-token', 'pii-token-0123456789'), ['reader', 'identities']);
  assert.deepEqual(read('http-token', 'another-pii-token'), ['reader', null]);
  assert.deepEqual(read('another-token', 'pii-token-0123456789'), [null, null]);
  assert.deepEqual(read('http-token', null), ['reader', null]);
  assert.deepEqual(read(null, 'pii-token-0123456789'), [null, null]);
  assert.deepEqual(read(null, null), [null, null]);
  // The two tokens are swapped.
  assert.deepEqual(read('pii-token-0123456789', 'http-token'), [null, null]);
});

test('a holder of one token cannot sign a session of the other kind', () => {
  const session = newSession('identities', false, NOW);
  const own = { identities: sessionKeys('http-token', null).reader! };
  assert.equal(unsealed(keys, sealed(own, session), NOW), null);
  assert.throws(() => sealed(sessionKeys('http-token', null), session), /no key/);
});

test('a session in use is replaced every hour, and ends a week after the token was given', () => {
  let session: Session = newSession('reader', true, NOW);
  assert.equal(rotated(session, NOW + HOUR - 1), null);
  let replaced = 0;
  for (let now = NOW; unsealed(keys, sealed(keys, session), now) !== null; now += HOUR / 2) {
    const next = rotated(session, now);
    if (next === null) continue;
    replaced++;
    assert.ok(next.expires > now && next.expires <= NOW + LONGEST_MS);
    assert.deepEqual([next.began, next.kind, next.secure], [NOW, 'reader', true]);
    session = next;
  }
  assert.equal(replaced, LONGEST_MS / HOUR - 1);
  assert.equal(session.expires, NOW + LONGEST_MS);
});

test('a text that was changed anywhere is not a session', () => {
  const text = sealed(keys, newSession('reader', false, NOW));
  const flip = (at: number, by: string) => text.slice(0, at) + by + text.slice(at + 1);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(...'Aa0_-.~ é'), (at, by) => {
      // The last character of the signature holds two bits that nothing reads.
      fc.pre(text[at] !== by && at !== text.length - 1);
      assert.equal(unsealed(keys, flip(at, by), NOW), null);
    }),
  );
});

test('no other text is a session, whatever it looks like', () => {
  const part = fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' }), fc.json());
  const signature = fc.oneof(fc.string({ minLength: 43, maxLength: 43 }), fc.base64String());
  fc.assert(
    fc.property(
      fc.oneof(
        part,
        fc.tuple(part, signature).map((parts) => parts.join('.')),
      ),
      (text) => {
        assert.equal(unsealed(keys, text, NOW), null);
      },
    ),
  );
  const claims = Buffer.from(JSON.stringify(['identities', NOW, NOW, NOW + HOUR, false, 'x'])).toString(
    'base64url',
  );
  for (const key of ['', 'http-token', 'zt-risk-sync session identities'])
    assert.equal(
      unsealed(keys, `${claims}.${createHmac('sha256', key).update(claims).digest('base64url')}`, NOW),
      null,
    );
  assert.equal(unsealed(keys, `${'A'.repeat(100_000)}.${'A'.repeat(43)}`, NOW), null);
});
