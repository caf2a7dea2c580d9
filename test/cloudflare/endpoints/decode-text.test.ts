// Text that is not UTF-8: what is marked, and what happens to a record with such text, in a body of any size.
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeMarked, NOT_UTF8 } from '../../../src/cloudflare/endpoints/summary/decode-text.ts';
import { parseRecord } from '../../../src/cloudflare/endpoints/summary/record.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { ACCOUNT, harness, PAGE, RECORD, refusalOf, type Reply } from '../../support/api/api-server.ts';

/** Turns the text back into bytes: each mark becomes its byte. */
function encodeMarked(text: string): Buffer {
  const parts = text.split(/(\uFFFD[\uDC80-\uDCFF])/);
  return Buffer.concat(
    parts.map((part, n) => (n % 2 === 0 ? Buffer.from(part) : Buffer.of(part.charCodeAt(1) - 0xdc00))),
  );
}

describe('decodeMarked', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 4 }).map((text) => Buffer.from(text)),
    fc.constantFrom('\uFFFD', '\uFEFF', '\u0080', '\u{10FFFF}').map((text) => Buffer.from(text)),
    fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        [0xc0, 0x80],
        [0xed, 0xa0, 0xbd],
        [0xf5, 0x80, 0x80, 0x80],
        [0xe2, 0x82],
        [0xf0, 0x9f, 0x98],
      )
      .map((bytes) => Buffer.from(bytes)),
  );

  test('marks a text exactly if it is not UTF-8, loses no byte, and leaves UTF-8 as it is', () => {
    const seen = { marked: 0, plain: 0 };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const bytes = Buffer.concat(pieces);
        const text = decodeMarked(bytes);
        assert.equal(NOT_UTF8.test(text), !isUtf8(bytes));
        assert.equal(text.isWellFormed(), isUtf8(bytes));
        assert.deepEqual(encodeMarked(text), bytes);
        if (isUtf8(bytes)) assert.equal(text, bytes.toString());
        seen[isUtf8(bytes) ? 'plain' : 'marked']++;
      }),
      { numRuns: 5_000 },
    );
    assert.ok(seen.marked > 500 && seen.plain > 500, JSON.stringify(seen));
  });

  test('forms no pair with an escaped surrogate before the damaged byte', () => {
    const bytes = Buffer.from(JSON.stringify({ name: '#' }).replace('#', '\\ud83d\x80'), 'latin1');
    const { name } = JSON.parse(decodeMarked(bytes)) as { name: string };
    assert.ok(!name.isWellFormed());
  });
});

/** A page of these names, each as bytes; `_` stands for the damaged byte. */
function page(names: readonly string[], rest: object = {}): Buffer {
  const users = names.map((name, n) => ({ ...RECORD, user_id: RECORD.user_id.slice(0, -1) + n, name }));
  const json = JSON.stringify({ ...PAGE, ...rest, result: { users } });
  const parts = json.split('_damaged_').map((part) => Buffer.from(part));
  return Buffer.concat(parts.flatMap((part, n) => (n === 0 ? [part] : [Buffer.of(0xe9), part])));
}
const send =
  (body: Buffer, type = 'application/json'): Reply =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': type });
    response.end(body);
  };

describe('a record that is not UTF-8', () => {
  for (const [how, heldBytes] of [
    ['held', 4_000_000],
    ['streamed', 0],
  ] as const)
    test(`is rejected with its own reason, and the others are read, in a body that is ${how}`, async (t) => {
      const h = await harness(
        t,
        [
          send(page(['Ada', 'Ren_damaged_', 'R\uFFFD', '\uFEFFBOM', 'Zo\u00eb \u{1F469}'])),
          send(Buffer.concat([Buffer.from('\uFEFF'), page(['Ren_damaged_', 'Ada'])])),
        ],
        { bodyLimits: { heldBytes } },
      );
      const ask = () =>
        h.client.summaryPage({
          accountId: ACCOUNT,
          page: 1,
          perPage: 50,
          signal: new AbortController().signal,
          countUse: h.countUse,
          openReader: () => collectRecords(),
        });
      const parsed = (await ask()).content.map(parseRecord);
      assert.deepEqual(
        parsed.map((one) => (one.ok ? one.user.name : one.reason)),
        ['Ada', 'name: not UTF-8', 'R\uFFFD', '\uFEFFBOM', 'Zo\u00eb \u{1F469}'],
      );
      const [, rejected] = parsed;
      assert.ok(rejected?.ok === false && rejected.userId?.endsWith('1'));
      // The raw text still says which byte it was, and is still refused when it is judged again.
      assert.match(rejected.raw, /Ren\uFFFD\\udce9/);
      assert.equal(parseRecord(JSON.parse(rejected.raw)).ok, false);
      assert.deepEqual(
        (await ask()).content.map((one) => parseRecord(one).ok),
        [false, true],
      );
    });

  test('is rejected for any of its fields, unless this version does not store the field', () => {
    const damaged = 'a\uFFFD\uDCE9';
    for (const field of ['user_id', 'email', 'name', 'max_risk_level', 'last_event'])
      assert.equal(parseRecord({ ...RECORD, [field]: damaged }).ok, false, field);
    assert.ok(parseRecord({ ...RECORD, department: damaged }).ok);
  });
});

test('an answer that is not UTF-8 beside its records is BAD_ANSWER, whether it is held or streamed', async (t) => {
  for (const heldBytes of [4_000_000, 0]) {
    const h = await harness(t, [send(page(['Ada'], { messages: ['d_damaged_gat'] }))], {
      bodyLimits: { heldBytes },
    });
    assert.equal((await refusalOf(h.ask())).code, 'BAD_ANSWER');
  }
});

test("a user's own record that is not UTF-8 is not a record, so it clears no user", async (t) => {
  const reply = send(Buffer.from('{"success":true,"result":{"email":"ren\xe9@example.com"}}', 'latin1'));
  const h = await harness(t, [reply]);
  const asking = h.client.lookUpUser({
    accountId: ACCOUNT,
    userId: RECORD.user_id,
    signal: new AbortController().signal,
    countUse: h.countUse,
  });
  assert.equal((await refusalOf(asking)).code, 'BAD_ANSWER');
});
