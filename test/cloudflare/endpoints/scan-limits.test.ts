// How long and how deep a record, and the text around the records, may be.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DeepRecord } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { createSummaryScanner } from '../../../src/cloudflare/endpoints/summary/scan-summary.ts';
import { BODY_LIMITS } from '../../../src/cloudflare/body-limits.ts';
import { cut } from '../../support/api/scanned-summary.ts';

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
