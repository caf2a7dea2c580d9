// Which texts name a person: whole words, cut texts, JSON, and what is left when the person is removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPersonMatcher } from '../src/person-matcher.ts';

const ID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const ada = createPersonMatcher({
  userIds: [ID],
  identities: [
    { email: 'Ada.King@example.com', name: 'Ada "Countess" Lovelace' },
    { email: null, name: 'Li' },
    { email: null, name: null },
  ],
});

for (const [text, mention] of [
  [`{"user_id":"${ID.toUpperCase()}"}`, 'id'],
  ['{"email":"ADA.KING@EXAMPLE.COM"}', 'email'],
  ['{"email":"ada.king@exam', 'email'],
  ['{"email":"ada.k', 'email'],
  [JSON.stringify({ name: 'ada "countess" lovelace' }), 'name'],
  ['{"name":"LI"}', 'name'],
  ['{"manager":"ada.king"}', 'part'],
  ['{"name":"Lovelace, Ada","title":"\\"Countess\\""}', 'part'],
  ['{"name":"Ada Byron"}', null],
  ['{"name":"Lisa"}', null],
  ['{"about":"canada.kingdom"}', null],
  ['', null],
] as const)
  test(`${text || 'an empty text'} mentions ${mention ?? 'nobody'}`, () =>
    assert.equal(ada.mentionIn(text), mention));

test('the kept text lacks id, email and full name, in any case, and a short name may be an ordinary word', () => {
  assert.equal(
    ada.without(`Page of ADA.king@example.com (${ID}) and Ada "Countess" Lovelace: Li failed`),
    'Page of [erased] ([erased]) and [erased]: Li failed',
  );
  assert.equal(ada.without('Nothing of anybody'), null);
  assert.deepEqual(ada.withoutIn({ reasons: ['for ada "COUNTESS" lovelace', 'x'], [ID]: 1, n: null }), {
    reasons: ['for [erased]', 'x'],
    '[erased]': 1,
    n: null,
  });
  assert.equal(ada.withoutIn({ reasons: ['x'], n: 1 }), null);
});

test('whatever the names and the text around them, a person is found and then removed', () => {
  const word = fc
    .string({ unit: 'grapheme', minLength: 2, maxLength: 8 })
    .filter((text) => /^\S+$/u.test(text));
  fc.assert(
    fc.property(word, word, fc.string(), fc.string(), (given, family, before, behind) => {
      const [email, name] = [`${given}@example.org`, `${given} ${family}`];
      const matcher = createPersonMatcher({ userIds: [], identities: [{ email, name }] });
      for (const one of [email, name]) {
        const text = `${before} ${one.toUpperCase()} ${behind}`;
        // A letter such as ß has no small form of its capital.
        if (!text.toLowerCase().includes(one.toLowerCase())) continue;
        assert.notEqual(matcher.mentionIn(JSON.stringify({ text })), null);
        const kept = matcher.without(text);
        assert.ok(kept !== null);
        assert.equal(matcher.without(kept), null);
        assert.deepEqual(matcher.withoutIn({ text: [text] }), { text: [kept] });
      }
    }),
    { numRuns: 300 },
  );
});
