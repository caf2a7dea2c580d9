import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clip } from '../src/words.ts';

test('a text is cut to a width in characters, shows that it was cut, and never within a character', () => {
  assert.equal(clip('four', 4), 'four');
  assert.equal(clip('fives', 4), 'fiv…');
  assert.equal(clip('😀😀😀', 2), '😀…');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 40 }), (text, width) => {
      const cut = Array.from(clip(text, width));
      assert.equal(cut.length, Math.min(width, Array.from(text).length));
      if (cut.join('') === text) return;
      assert.equal(cut.pop(), '…');
      assert.ok(text.startsWith(cut.join('')));
    }),
  );
});
