// What a line of `.env` means, and that no line is skipped in silence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { Environment } from '../../src/settings/environment.ts';
import { readEnvFile } from '../../src/settings/env-file.ts';

const bytes = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding);
const read = (text: string) => readEnvFile(bytes(text), () => true);
const URL_LINE = 'DATABASE_URL=postgres://h/d';
const URL_VALUE = { DATABASE_URL: 'postgres://h/d' };

test('lines with any line end, a byte order mark, blanks, export, quotation marks and remarks are read', () => {
  for (const [text, values] of [
    [`\ufeff${URL_LINE}\nA=1\n`, { ...URL_VALUE, A: '1' }],
    [`${URL_LINE}\r\nA=1\r\n`, { ...URL_VALUE, A: '1' }],
    [`${URL_LINE}\rA=1\r`, { ...URL_VALUE, A: '1' }],
    ['export A=1\n\texport  B = 2 \n', { A: '1', B: '2' }],
    ['# a\n\n  # b\nA=1 # c\nB="1 # 2" # c\nC=\'x\'#c\n', { A: '1', B: '1 # 2', C: 'x' }],
    // As in a shell, and in compose: a # inside a word is a part of it.
    ['A=a#b', { A: 'a#b' }],
    ['A=it\'s\nB=x"y', { A: "it's", B: 'x"y' }],
    ['A="a\nb"\nB=2', { A: 'a\nb', B: '2' }],
    ['A="a\\nb"\nB=\'a\\nb\'', { A: 'a\nb', B: 'a\\nb' }],
    ['A=\nB="x"', { A: '', B: 'x' }],
    ['A=$B{C}', { A: '$B{C}' }],
    ['', {}],
  ] as const) {
    assert.deepEqual(read(text), { values, problems: [] }, JSON.stringify(text));
  }
});

test("an empty value does not take the next line, as it does in Node's own reader", () => {
  const text = `PING_URL= \n${URL_LINE}\n`;
  assert.deepEqual(parseEnv(text), { PING_URL: URL_LINE }, 'Node reads it right: its reader may do');
  assert.deepEqual(read(text).values, { PING_URL: '', ...URL_VALUE });
});

test('a line that cannot be read is named by its number, and is not quoted', () => {
  for (const [text, problem] of [
    ['A=1\nhunter2\n', /^line 2 is not NAME=value/],
    ['A: hunter2', /^line 1 is not NAME=value/],
    ['=hunter2', /^line 1 is not NAME=value/],
    ['DATABASE URL=hunter2', /^line 1 is not NAME=value/],
    ['DATABASE_URL\u200b=hunter2', /^line 1 is not NAME=value/],
    ['export', /^line 1 is not NAME=value/],
    ['A="hunter2\nB=2', /^line 1: the quotation mark " is not closed/],
    ["A='hunter2\nB=2", /^line 1: the quotation mark ' is not closed/],
    ['A="hunter2\nB="2"', /^line 1: text follows/],
    ['A="hunter\\"2"', /^line 1: text follows/],
    ['A=1\nA=2', /^line 2 sets A again/],
  ] as const) {
    const { problems } = read(text);
    assert.match(problems[0] ?? 'accepted', problem, text);
    assert.ok(!problems.join().includes('hunter2'), problems.join());
  }
  assert.equal(read('x\ny\nz').problems.length, 3);
});

test('a name of ours that is not in capitals is a problem: the setting would be lost', () => {
  const problems = (text: string) => readEnvFile(bytes(text), (name) => name === 'DATABASE_URL').problems;
  for (const name of ['database_url', 'Database_Url'])
    assert.match(
      problems(`A=1\n${name}=hunter2`)[0] ?? 'accepted',
      /^line 2: write DATABASE_URL in capitals$/,
    );
  assert.deepEqual(problems('a=1'), []);
});

test('the example is read without a problem, as it is and with every setting in use', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../.env.example'), 'utf8');
  assert.deepEqual(read(text), { values: {}, problems: [] });
  const { values, problems } = read(text.replaceAll(/^# (?=[A-Z_]+=)/gm, ''));
  assert.deepEqual(problems, []);
  assert.deepEqual(Object.keys(values).toSorted(), Object.keys(Environment.shape).toSorted());
});

test('a variable of another program may be set twice, and ours if it stays the same', () => {
  assert.deepEqual(readEnvFile(bytes('A=1\nA=2'), () => false).problems, []);
  assert.deepEqual(read('A=1\nA=1\nA=').problems, []);
});

test('a file in another encoding is refused as a whole', () => {
  const swapped = Buffer.from(`\ufeff${URL_LINE}\n`, 'utf16le').swap16();
  for (const file of [
    bytes(`\ufeff${URL_LINE}\n`, 'utf16le'),
    swapped,
    bytes(`${URL_LINE}\n`, 'utf16le'),
    bytes('A=\u00fc', 'latin1'),
    bytes(`${URL_LINE}\0\n`),
  ]) {
    const { values, problems } = readEnvFile(file, () => true);
    assert.deepEqual(values, {});
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /UTF-8/);
  }
});

test('any values in single quotation marks are read back, whatever the other lines are', () => {
  const value = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll(/['\r\0]/g, ''));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), (values, end) => {
      const text = values
        .map((one, index) => `N${index}='${one.replaceAll('\n', end)}'${end}# x${end}`)
        .join('');
      const found = read(text);
      assert.deepEqual(found.problems, []);
      assert.deepEqual(Object.values(found.values), values);
    }),
  );
});
