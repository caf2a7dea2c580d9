// Sentences are wrapped by the columns that a terminal needs, which are not the letters of the text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import stringWidth from 'string-width';
import { wrap } from '../../src/terminal/wrap.ts';

const LABEL = '日本法人の本社 and 🏢 of 上海分公司研发中心安全与合规部门 (Tokyo) with a very long label';

test('no line is wider than the terminal, in scripts whose letters take two columns or none', () => {
  for (const width of [40, 60, 80])
    for (const text of [LABEL, `${LABEL} ${LABEL}`, `‏${'שרה לוי '.repeat(20)}`, 'e\u0301'.repeat(30)])
      for (const line of wrap(text.trim(), 4, width).split('\n'))
        assert.ok(stringWidth(line) <= width, `${stringWidth(line)} columns of ${width}: ${line}`);
});

test('letters that take no column leave the room to others', () => {
  assert.equal(wrap('e\u0301'.repeat(9) + ' x', 0, 11), 'e\u0301'.repeat(9) + ' x');
});

test('a word that fits no line is one line, with nothing before it', () => {
  assert.equal(wrap(`a ${'b'.repeat(20)} c`, 2, 10), `a\n  ${'b'.repeat(20)}\n  c`);
});
