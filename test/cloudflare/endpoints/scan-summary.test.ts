// A body that is read in pieces must give the same result as JSON.parse of the whole body, or be refused like it.
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BODY_LIMITS } from '../../../src/cloudflare/body-limits.ts';
import { parseJson, readErrors, readSummary } from '../../../src/cloudflare/responses.ts';
import { DeepRecord } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { createSummaryScanner } from '../../../src/cloudflare/endpoints/summary/scan-summary.ts';
import { anyText } from '../../support/world/any-text.ts';

type Reading = { records: unknown[]; info: object; errors: unknown } | 'refused';

function judged(json: unknown, records?: unknown[]): Reading {
  const summary = readSummary(json);
  const errors = readErrors(json);
  if (summary === null && errors === null) return 'refused';
  return { records: summary === null ? [] : (records ?? summary.records), info: summary?.info ?? {}, errors };
}

function whole(bytes: Uint8Array): Reading {
  return judged(parseJson(new TextDecoder().decode(bytes)));
}

function streamed(pieces: Iterable<Uint8Array>, batchBytes = BODY_LIMITS.batchBytes): Reading {
  const records: unknown[] = [];
  const scanner = createSummaryScanner({ ...BODY_LIMITS, batchBytes }, (record) => records.push(record));
  try {
    for (const piece of pieces) scanner.push(piece);
    return judged(parseJson(scanner.end()), records);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'NOT_A_SUMMARY', String(error));
    return 'refused';
  }
}

function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = lengths.length === 0 ? bytes.length : lengths[n % lengths.length]!;
    // A fresh buffer for each piece: the scanner must not read earlier pieces again.
    const piece = Uint8Array.from(bytes.subarray(at, at + length));
    yield piece;
    piece.fill(0x7b);
    at += length;
  }
}

/** JSON with the entries in the given order, so that a key may appear twice. */
type Tree =
  | { kind: 'value'; value: unknown }
  | { kind: 'list'; items: Tree[] }
  | { kind: 'object'; entries: [string, Tree][] };

/** JSON written in unusual ways: white space anywhere, any character escaped. `odd` gives a number from 0 to 1. */
function write(tree: Tree, odd: () => number): string {
  const space = () => (odd() < 0.2 ? [' ', '\n', '\t', '\r\n '][Math.floor(odd() * 4)]! : '');
  const quoted = (text: string) => {
    let out = '"';
    for (let at = 0; at < text.length; at++) {
      const plain = JSON.stringify(text[at]).slice(1, -1);
      const escaped = `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
      out += odd() < 0.1 ? escaped : text[at] === '/' && odd() < 0.5 ? '\\/' : plain;
    }
    return `${out}"`;
  };
  const text = (node: Tree): string => {
    if (node.kind === 'list') return `[${space()}${node.items.map(text).join(',')}]`;
    if (node.kind === 'object') {
      const entries = node.entries.map(([key, value]) => `${space()}${quoted(key)}${space()}:${text(value)}`);
      return `{${entries.join(',')}${space()}}`;
    }
    return typeof node.value === 'string' ? quoted(node.value) : JSON.stringify(node.value);
  };
  const spaced = (node: Tree): string => `${space()}${text(node)}${space()}`;
  return spaced(tree);
}

function oddsFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d);
    state ^= state << 13;
    return (state >>> 0) / 2 ** 32;
  };
}

const value = (over: unknown): Tree => ({ kind: 'value', value: over });
const words = fc.oneof(
  fc.constantFrom(
    'users',
    'result',
    'success',
    'user_id',
    '',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\"',
  ),
  anyText({ maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const leaf = fc.oneof(words, fc.constantFrom(null, true, false, 0, -1.5e-7, 1e21), fc.integer()).map(value);
const anything: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    { weight: 4, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: fc.array(tie('tree'), { maxLength: 3 }).map((items): Tree => ({ kind: 'list', items })),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.tuple(words, tie('tree')), { maxLength: 3 })
        .map((entries): Tree => ({ kind: 'object', entries })),
    },
  ),
})).tree;
const user: fc.Arbitrary<Tree> = fc.tuple(fc.uuid(), words, anything).map(([id, name, more]) => ({
  kind: 'object',
  entries: [
    ['user_id', value(id)],
    ['name', value(name)],
    ['more', more],
  ],
}));
const list = (items: fc.Arbitrary<Tree>, maxLength: number) =>
  fc.array(items, { maxLength }).map((all): Tree => ({ kind: 'list', items: all }));
const users = fc.oneof(
  { weight: 8, arbitrary: list(user, 8) },
  { weight: 2, arbitrary: list(anything, 4) },
  { weight: 1, arbitrary: anything },
);
/** In any order, with some of them left out. */
const entriesOf = (parts: [string, fc.Arbitrary<Tree>][], extra: number) =>
  fc
    .tuple(
      fc.tuple(
        ...parts.map(([key, tree]) => fc.tuple(fc.constant(key), tree, fc.integer({ min: 0, max: 9 }))),
      ),
      fc.array(fc.tuple(words, anything, fc.integer({ min: 0, max: 9 })), { maxLength: extra }),
    )
    .map(([known, others]) =>
      [...known, ...others]
        .filter(([, , place]) => place > 0)
        .toSorted((a, b) => a[2] - b[2])
        .map(([key, tree]): [string, Tree] => [key, tree]),
    );
const object = (entries: fc.Arbitrary<[string, Tree][]>) =>
  entries.map((all): Tree => ({ kind: 'object', entries: all }));
const result = fc.oneof(
  { weight: 8, arbitrary: object(entriesOf([['users', users]], 2)) },
  { weight: 1, arbitrary: anything },
);
const envelope = fc.oneof(
  {
    weight: 12,
    arbitrary: object(
      entriesOf(
        [
          ['success', fc.constantFrom(true, true, true, false, null).map(value)],
          ['errors', list(anything, 2)],
          ['result', result],
          [
            'result_info',
            fc.oneof(
              fc.nat().map((total): Tree => ({ kind: 'object', entries: [['total_count', value(total)]] })),
              anything,
            ),
          ],
        ],
        2,
      ),
    ),
  },
  { weight: 1, arbitrary: list(result, 2) },
  { weight: 1, arbitrary: anything },
);

/** `result`, or `users` in it, appears twice: JSON.parse takes the last one, the scanner refuses both. */
function isDoubled(tree: Tree): boolean {
  if (tree.kind !== 'object') return false;
  const results = tree.entries.filter(([key]) => key === 'result');
  const inner = results[0]?.[1];
  return (
    results.length > 1 ||
    (inner?.kind === 'object' && inner.entries.filter(([key]) => key === 'users').length > 1)
  );
}

const document = fc.tuple(envelope, fc.integer()).map(([tree, seed]) => ({
  bytes: Buffer.from(write(tree, oddsFrom(seed))),
  doubled: isDoubled(tree),
}));
const lengths = fc.oneof(
  fc.constantFrom([], [1]),
  fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
);
const batchBytes = fc.constantFrom(1, 20, 200, BODY_LIMITS.batchBytes);
const piece = fc.oneof(
  fc.constantFrom(...'{}[],:"\\ x0-u').map((char) => Buffer.from(char)),
  fc
    .constantFrom('null', '[]', '{}', ',,', '"users":[', '"result":{', '\ufeff', 'é')
    .map((text) => Buffer.from(text)),
  fc
    .constantFrom([0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xff], [0])
    .map((bytes) => Buffer.from(bytes)),
);

describe('a body read in pieces, compared with JSON.parse of the whole body', () => {
  test('gives the same result for valid JSON of any shape, cut anywhere', () => {
    const seen = { records: 0, refused: 0, doubled: 0 };
    fc.assert(
      fc.property(document, lengths, batchBytes, ({ bytes, doubled }, cuts, batch) => {
        const expected = whole(bytes);
        const actual = streamed(cut(bytes, cuts), batch);
        if (doubled) seen.doubled++;
        else if (expected === 'refused') seen.refused++;
        else seen.records += expected.records.length;
        assert.deepStrictEqual(actual, doubled ? 'refused' : expected, bytes.toString());
      }),
      { numRuns: 6_000 },
    );
    assert.ok(seen.records > 2_000 && seen.refused > 100 && seen.doubled > 20, JSON.stringify(seen));
  });

  test('gives the same result for JSON with a piece missing, added or changed, or both refuse it', () => {
    const seen = { valid: 0, refused: 0, marked: 0 };
    fc.assert(
      fc.property(
        document,
        lengths,
        batchBytes,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 2 }), fc.option(piece)), {
          minLength: 1,
          maxLength: 3,
        }),
        ({ bytes, doubled }, cuts, batch, changes) => {
          fc.pre(!doubled);
          let text: Buffer = bytes;
          for (const [where, gone, put] of changes) {
            const at = where % (text.length + 1);
            text = Buffer.concat([text.subarray(0, at), put ?? Buffer.alloc(0), text.subarray(at + gone)]);
          }
          const expected = whole(text);
          const actual = streamed(cut(text, cuts), batch);
          if (expected === 'refused') seen.refused++;
          else seen.valid++;
          if (!isUtf8(text)) {
            // The damage is marked in records, and refused anywhere else: U+FFFD never stands for it.
            if (actual === 'refused') return;
            assert.ok(expected !== 'refused');
            assert.deepEqual([actual.records.length, actual.info], [expected.records.length, expected.info]);
            seen.marked++;
            return;
          }
          // The inserted text may have doubled a key.
          if (actual === 'refused' && expected !== 'refused' && hasDoubledKeys(text)) return;
          assert.deepStrictEqual(actual, expected, text.toString());
        },
      ),
      { numRuns: 10_000 },
    );
    assert.ok(seen.valid > 300 && seen.refused > 1_000 && seen.marked > 5, JSON.stringify(seen));
  });
});

/** Whether one of the two keys is written more than once anywhere. */
function hasDoubledKeys(text: Buffer): boolean {
  return ['result', 'users'].some(
    (key) =>
      [...text.toString().matchAll(/"(?:[^"\\]|\\.)*"(?=\s*:)/gs)].filter(
        ([quoted]) => parseJson(quoted) === key,
      ).length > 1,
  );
}

const A = { user_id: 'a' };

test('finds the users before or after everything else, under an escaped key, and nowhere else', () => {
  const decoy = '"other":{"users":[1,2],"result":{"users":[3]}},"list":[{"users":[4]}]';
  for (const text of [
    '{"success":true,"result":{"users":[{"user_id":"a"}]}}',
    '{"result":{"users":[{"user_id":"a"}]},"success":true}',
    '{"success":true,"\\u0072esult":{"\\u0075sers":[{"user_id":"a"}]}}',
    '{"success":true,"result":{"\\u0075\\u0073\\u0065\\u0072\\u0073":[{"user_id":"a"}]}}',
    `{${decoy},"success":true,"result":{${decoy},"users":[{"user_id":"a"}]},"users":[5]}`,
    '{"a":"result","success":true,"result":{"a":"users","users":[{"user_id":"a"}]}}',
    '\ufeff {"success":true,"result":{"users":[ {"user_id":"a"} ] } } \n',
  ]) {
    for (const cuts of [[], [1], [7]]) {
      assert.deepEqual(
        streamed(cut(Buffer.from(text), cuts), 1),
        { records: [A], info: {}, errors: null },
        text,
      );
    }
  }
});

test('reads no records from a list that is missing, null or empty', () => {
  for (const rest of [
    '"result":null',
    '"result":{}',
    '"result":{"users":null}',
    '"result":{"users":[ ]}',
    '"x":1',
  ]) {
    const text = `{"success":true,${rest}}`;
    assert.deepEqual(streamed([Buffer.from(text)]), { records: [], info: {}, errors: null }, text);
  }
});

test('refuses lists with wrong commas and brackets, in batches of any size', () => {
  const lists = [
    ',',
    '1,',
    ',1',
    '1,,2',
    '1 2',
    '1',
    '{}',
    '{]',
    '}',
    '1}',
    '{"a":1,}',
    '[1,]',
    '1],[2',
    '"a',
    '{"a":1',
  ];
  for (const text of lists.map((one) => `{"success":true,"result":{"users":[${one}]}}`)) {
    for (const batch of [1, 2, 1_000]) {
      assert.deepEqual(streamed([Buffer.from(text)], batch), whole(Buffer.from(text)), text);
    }
  }
});

test('refuses text after the end, a missing end, and a key that appears twice', () => {
  for (const text of [
    '{"success":true,"result":{"users":[1]}} x',
    '{"success":true,"result":{"users":[1]}}{}',
    '{"success":true,"result":{"users":[1]}',
    '{"success":true,"result":{"users":[1',
    '{"success":true,"result":{"users":[1]]}',
    '{"success":true,"result":{"users":[1],"users":[2]}}',
    '{"success":true,"result":{"users":[1]},"result":{"users":[2]}}',
    '{"success":true,"result":{"users":[1]},"r\\u0065sult":null}',
    '',
    '}',
  ]) {
    assert.equal(streamed([Buffer.from(text)], 1), 'refused', text);
  }
});

test('refuses bytes that are not UTF-8 anywhere but in the records, also where they hide the records', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1');
  const list = '"users":[{"user_id":"a"}]';
  for (const text of [
    `{"success":true,"messages":["\xe9"],"result":{${list}}}`,
    `{"success":true,"result":{${list}},"result_info":{"\xff":1}}`,
    `{"success":true,"r\xe9sult":{${list}}}`,
    `{"success":true,"result":{"us\xffers":[{"user_id":"a"}]}}`,
    `{"success":true,"result":{${list}},"name":"\xed\xa0\x80"}`,
    `{"success":true,"result":{${list}}}\xff`,
  ])
    for (const cuts of [[], [1]]) assert.equal(streamed(cut(bytes(text), cuts)), 'refused', text);
  const marked = streamed([bytes('{"success":true,"result":{"users":[{"user_id":"\xe9\xef\xbf\xbd"}]}}')]);
  assert.deepEqual(marked, { records: [{ user_id: '\ufffd\udce9\ufffd' }], info: {}, errors: null });
});

describe('limits of the scanner', () => {
  const limits = { ...BODY_LIMITS, batchBytes: 64, recordBytes: 100, envelopeBytes: 200, depth: 10 };
  const codeOf = (text: string, cuts: number[] = []): string | null => {
    const scanner = createSummaryScanner(limits, () => {});
    try {
      for (const part of cut(Buffer.from(text), cuts)) scanner.push(part);
      scanner.end();
      return null;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const page = (list: string) => `{"success":true,"result":{"users":[${list}]}}`;

  test('a record above the limit is refused wherever it is, and a shorter one is accepted', () => {
    const long = JSON.stringify('x'.repeat(110));
    const short = JSON.stringify('x'.repeat(90));
    for (const cuts of [[], [1], [33]]) {
      assert.equal(codeOf(page([short, short, short].join(',')), cuts), null);
      for (const records of [[long], [short, long], [long, short], [short, long, short], [`[${long}]`]]) {
        assert.equal(codeOf(page(records.join(',')), cuts), 'RECORD_TOO_LARGE');
      }
      assert.equal(codeOf(page(' '.repeat(150)), cuts), 'RECORD_TOO_LARGE');
    }
  });

  test('more text outside the records than the limit is refused, before and after the records', () => {
    const filler = `"x":${JSON.stringify('x'.repeat(210))}`;
    for (const cuts of [[], [1], [33]]) {
      assert.equal(codeOf(`{${filler},"result":{"users":[1]}}`, cuts), 'ENVELOPE_TOO_LARGE');
      assert.equal(codeOf(`{"result":{"users":[1]},${filler}}`, cuts), 'ENVELOPE_TOO_LARGE');
      assert.equal(codeOf(`{"result":{"users":[1],${filler}}}`, cuts), 'ENVELOPE_TOO_LARGE');
    }
  });

  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  test('a record that nests deeper than the limit is marked, and the others are read', () => {
    const [first, last] = [{ user_id: 'first' }, { user_id: 'last', list: [[[1]]] }];
    const deep = (value: string) => `{"user_id":"deep","x":${value},"y":[1,{"z":"]"}]}`;
    const tooDeep = [
      nested(10),
      `[${nested(12)},"]}",2]`,
      nested(100_000),
      '{"a":'.repeat(50) + '1' + '}'.repeat(50),
    ];
    for (const value of tooDeep)
      for (const cuts of [[], [1], [7]]) {
        const records: unknown[] = [];
        const scanner = createSummaryScanner(limits, (record) => records.push(record));
        const list = [JSON.stringify(first), deep(value), JSON.stringify(last), deep(value)].join(',');
        for (const part of cut(Buffer.from(page(list)), value.length > 1_000 ? [1_009] : cuts))
          scanner.push(part);
        assert.deepEqual(JSON.parse(scanner.end()), { success: true, result: { users: [] } });
        const [one, two, three, four] = records;
        assert.deepEqual([one, three], [first, last]);
        for (const marked of [two, four]) {
          assert.ok(marked instanceof DeepRecord);
          const { user_id, y } = marked.rest as { user_id: string; y: unknown };
          assert.deepEqual([user_id, y], ['deep', [1, { z: ']' }]]);
        }
      }
    const shallow = codeOf(page(deep(nested(9))));
    assert.equal(shallow, null);
  });

  test('an answer that ends within a record that nests too deeply is refused', () => {
    assert.equal(codeOf(`{"result":{"users":[${'['.repeat(1_000)}`), 'NOT_A_SUMMARY');
    assert.equal(codeOf(`{"result":{"users":[${'{"a":'.repeat(1_000)}`), 'NOT_A_SUMMARY');
  });

  test('brackets nested deeper than the limit are refused outside the records', () => {
    assert.equal(codeOf(nested(10)), null);
    assert.equal(codeOf(`{"result":{"users":[1]},"result_info":${nested(11)}}`), 'NOT_A_SUMMARY');
    assert.equal(codeOf(nested(11)), 'NOT_A_SUMMARY');
  });
});

test('an error thrown by the reader of the records reaches the caller', () => {
  const full = new Error('full');
  const scanner = createSummaryScanner(BODY_LIMITS, () => {
    throw full;
  });
  assert.throws(() => scanner.push(Buffer.from('{"result":{"users":[1]')), full);
});
