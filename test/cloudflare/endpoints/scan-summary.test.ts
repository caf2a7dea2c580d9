// A body that is read in pieces must give the same result as JSON.parse of the whole body, or be refused like it.
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BODY_LIMITS } from '../../../src/cloudflare/body-limits.ts';
import { parseJson } from '../../../src/cloudflare/responses.ts';
import { createSummaryScanner } from '../../../src/cloudflare/endpoints/summary/scan-summary.ts';
import { batchBytes, document, lengths, piece } from '../../support/api/odd-json.ts';
import { cut, streamed, whole } from '../../support/api/scanned-summary.ts';

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

test('refuses bytes that are not UTF-8 outside the records, even where they hide the records', () => {
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

test('an error thrown by the reader of the records reaches the caller', () => {
  const full = new Error('full');
  const scanner = createSummaryScanner(BODY_LIMITS, () => {
    throw full;
  });
  assert.throws(() => scanner.push(Buffer.from('{"result":{"users":[1]')), full);
});
