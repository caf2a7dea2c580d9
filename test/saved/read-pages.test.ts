// Saved answers come in many forms. Whatever the form, the packing and the pieces in which a file arrives, the same
// records and totals come out.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { collectRecords } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { isOperatorError } from '../../src/errors.ts';
import { readSavedPages } from '../../src/saved/read-pages.ts';
import { envelope, recordOf, type SavedRecord } from '../support/world/saved-answers.ts';

type Read = { records: unknown[]; total: number | null; page: number | null };

async function readAll(bytes: Buffer, pieceBytes = 65_536): Promise<{ pages: Read[]; digest: string }> {
  async function* open() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const pages: Read[] = [];
  let digest = '';
  const read = readSavedPages(
    { name: 'some file', open },
    {
      openReader: () => collectRecords(),
      signal: new AbortController().signal,
      onDigest: (found) => (digest = found),
    },
  );
  for await (const { content, count, info } of read) {
    assert.equal(count, content.length);
    pages.push({ records: content, total: info.total_count ?? null, page: info.page ?? null });
  }
  return { pages, digest };
}

const record: fc.Arbitrary<SavedRecord> = fc
  .tuple(fc.nat(99), fc.jsonValue({ maxDepth: 3 }))
  .map(([n, more]) => ({
    ...recordOf(n),
    name: ']}"\\{[, ü€𝄞',
    more,
  }));
const pages = fc.array(fc.array(record, { maxLength: 5 }), { minLength: 1, maxLength: 4 });

const info = (number: number, total: number) => ({ page: number + 1, per_page: 5, total_count: total });
const totalOf = (all: SavedRecord[][]) => all.reduce((sum, page) => sum + page.length, 0);
const envelopes = (all: SavedRecord[][]) => all.map((page, n) => envelope(page, info(n, totalOf(all))));

/** `known`: whether the form keeps what the envelopes state. */
type Form = { name: string; known: boolean; write: (all: SavedRecord[][], indent: number) => string };
const FORMS: readonly Form[] = [
  {
    name: 'answers one after another',
    known: true,
    write: (all, indent) =>
      envelopes(all)
        .map((one) => JSON.stringify(one, null, indent))
        .join('\n'),
  },
  {
    name: 'an array of answers',
    known: true,
    write: (all, indent) => JSON.stringify(envelopes(all), null, indent),
  },
  {
    name: 'result and result_info alone',
    known: true,
    write: (all, indent) =>
      all
        .map((page, n) =>
          JSON.stringify({ result: { users: page }, result_info: info(n, totalOf(all)) }, null, indent),
        )
        .join(' '),
  },
  {
    name: 'results without envelopes',
    known: false,
    write: (all, indent) => all.map((users) => JSON.stringify({ users }, null, indent)).join(''),
  },
  {
    name: 'lists',
    known: false,
    write: (all, indent) => all.map((p) => JSON.stringify(p, null, indent)).join('\n'),
  },
];

const packed = {
  plain: (text: string) => Buffer.from(text),
  marked: (text: string) => Buffer.from(`\ufeff${text}`),
  utf16le: (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  utf16be: (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
  gzip: (text: string) => gzipSync(text),
  'gzip in two members': (text: string) => {
    const bytes = Buffer.from(text);
    const half = Math.floor(bytes.length / 2);
    return Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]);
  },
} as const;

describe('saved answers', () => {
  test('are the same pages in every form, packing and cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        pages,
        fc.constantFrom(...FORMS),
        fc.constantFrom(...(Object.keys(packed) as (keyof typeof packed)[])),
        fc.constantFrom(0, 2),
        fc.integer({ min: 1, max: 200 }),
        async (all, { known, write }, how, indent, pieceBytes) => {
          const { pages: found } = await readAll(packed[how](write(all, indent)), pieceBytes);
          const total = totalOf(all);
          assert.deepEqual(
            found,
            all.map((records, n) => ({
              records: JSON.parse(JSON.stringify(records)) as unknown[],
              total: known ? total : null,
              page: known ? n + 1 : null,
            })),
          );
        },
      ),
    );
  });

  test('may be one record a line: all lines are one page', async () => {
    const records = [recordOf(1), recordOf(2), recordOf(3)];
    const { pages: found } = await readAll(
      Buffer.from(records.map((one) => JSON.stringify(one)).join('\r\n')),
      7,
    );
    assert.deepEqual(found, [{ records, total: null, page: null }]);
  });

  test('may be an array of lists, as jq -s makes it', async () => {
    const { pages: found } = await readAll(
      Buffer.from(JSON.stringify([[recordOf(1)], [], [recordOf(2)]])),
      9,
    );
    assert.deepEqual(
      found.map(({ records }) => records),
      [[recordOf(1)], [], [recordOf(2)]],
    );
  });

  test('of an account without users state a total of 0', async () => {
    for (const result of [{ users: null }, { users: [] }, {}, null]) {
      const text = JSON.stringify({ success: true, result, result_info: { total_count: 0 } });
      assert.deepEqual((await readAll(Buffer.from(text))).pages, [{ records: [], total: 0, page: null }]);
    }
  });

  test('have the same digest packed and unpacked', async () => {
    const text = JSON.stringify(envelope([recordOf(1)]));
    const [plain, gzip] = await Promise.all([readAll(packed.plain(text)), readAll(packed.gzip(text))]);
    assert.match(plain.digest, /^[0-9a-f]{64}$/);
    assert.equal(plain.digest, gzip.digest);
    assert.notEqual(plain.digest, (await readAll(packed.plain(`${text}\n`))).digest);
  });

  const good = JSON.stringify(envelope([recordOf(1), recordOf(2)], { total_count: 2 }));
  for (const [what, content, code, words] of [
    ['nothing', '', 'NOT_SUMMARY', /is empty/],
    ['blanks', ' \n', 'NOT_SUMMARY', /is empty/],
    ['a web page', '<!DOCTYPE html><html>', 'NOT_SUMMARY', /holds a web page/],
    ['text', 'Not found', 'NOT_SUMMARY', /no answer in JSON/],
    ['null', 'null\n', 'NOT_SUMMARY', /no answer in JSON/],
    ['half an answer', good.slice(0, -20), 'NOT_SUMMARY', /ends in the middle/],
    ['half an array', `[${good},`, 'NOT_SUMMARY', /ends in the middle/],
    ['an answer and then text', `${good} oops`, 'NOT_SUMMARY', /no answer in JSON/],
    ['an array without commas', `[${good}${good}]`, 'NOT_SUMMARY', /no answer in JSON/],
    ['brackets of two kinds', good.replace('"users":[', '"users":{'), 'NOT_SUMMARY', /no answer in JSON/],
    ['an unquoted key', '{users: []}', 'NOT_SUMMARY', /no answer in JSON/],
    [
      'an error of Cloudflare',
      '{"success":false,"errors":[{"code":10000,"message":"ada@example.com"}],"result":null}',
      'NOT_SUMMARY',
      /holds an error of Cloudflare \(10000\), and no users/,
    ],
    [
      'another endpoint',
      '{"success":true,"result":[{"id":"x"}]}',
      'NOT_SUMMARY',
      /no answer of the risk summary/,
    ],
    [
      'a token check',
      '{"result":{"id":"x","status":"active"},"success":true}',
      'NOT_SUMMARY',
      /no answer of the/,
    ],
    ['an empty object', '{}', 'NOT_SUMMARY', /no answer of the risk summary/],
    ['a list of numbers', '[1,2]', 'NOT_SUMMARY', /no answer of the risk summary/],
    ['an archive', Buffer.from('PK\u0003\u0004....'), 'NOT_SUMMARY', /ZIP archive/],
    ['half of a packed file', gzipSync(good).subarray(0, 40), 'UNREADABLE', /gzip data end in the middle/],
    [
      'a damaged packed file',
      Buffer.concat([gzipSync(good).subarray(0, 20), Buffer.alloc(30)]),
      'UNREADABLE',
      /gzip/,
    ],
    [
      'UTF-16 with half a character',
      Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x20, 0x00]),
      'NOT_SUMMARY',
      /UTF-16/,
    ],
  ] as const)
    test(`are refused if the file holds ${what}`, async () => {
      for (const pieceBytes of [1, 65_536]) {
        const error = await readAll(Buffer.from(content), pieceBytes).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        assert.ok(isOperatorError(error), String(error));
        assert.equal(error.code, `IMPORT_${code}`);
        assert.match(error.message, words);
        assert.doesNotMatch(error.message, /ada@example/);
      }
    });
});
