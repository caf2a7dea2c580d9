// The fast check and the schema must accept the same records, and read the same user from each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkRecord } from '../../../src/cloudflare/endpoints/summary/check-record.ts';
import { isDateTime } from '../../../src/cloudflare/endpoints/summary/date-time.ts';
import { parseBySchema, parseRecord } from '../../../src/cloudflare/endpoints/summary/record.ts';
import { RECORD } from '../../support/api/api-server.ts';
import { anyText } from '../../support/world/any-text.ts';

function assertAgree(raw: unknown): boolean {
  const bySchema = parseBySchema(raw);
  assert.deepStrictEqual(checkRecord(raw), bySchema.ok ? bySchema.user : null);
  assert.deepStrictEqual(parseRecord(raw), bySchema);
  return bySchema.ok;
}

const two = (n: number) => String(n).padStart(2, '0');
const pick = (...values: number[]) => fc.constantFrom(...values);
const dateTime = fc
  .tuple(
    fc.oneof(pick(0, 1, 2, 4, 1900, 2000, 2023, 2024, 9998, 9999), fc.integer({ min: 0, max: 9999 })),
    fc.oneof(pick(0, 1, 2, 4, 12, 13), fc.integer({ min: 1, max: 12 })),
    fc.oneof(pick(0, 1, 28, 29, 30, 31, 32), fc.integer({ min: 1, max: 28 })),
    pick(0, 8, 15, 23, 24),
    pick(0, 30, 59, 60),
    pick(0, 30, 58, 59, 60),
    fc.oneof(
      fc.constantFrom('', '.', ',5', `.${'9'.repeat(98)}`, `.${'9'.repeat(99)}`),
      fc.stringMatching(/^\.\d{1,9}$/),
    ),
    fc.oneof(
      fc.constantFrom(
        'Z',
        'z',
        '',
        '+00:00',
        '-00:00',
        '+15:59',
        '-15:59',
        '+16:00',
        '+0100',
        '+01:60',
        'Z\n',
      ),
      fc.stringMatching(/^[+-][01]\d:[0-5]\d$/),
    ),
    fc.constantFrom('T', 'T', 't', ' ', '_'),
  )
  .map(
    ([year, month, day, hour, minute, second, fraction, zone, between]) =>
      `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}${between}${two(hour)}:${two(minute)}:${two(second)}${fraction}${zone}`,
  );

/** One character is replaced, missing or doubled. */
function garbled(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(
      texts,
      fc.nat(),
      fc.constantFrom(0, 1),
      fc.oneof(anyText({ maxLength: 1 }), fc.constantFrom('٣', '-', ':', '/', ';', 'g', '`')),
    )
    .map(([text, where, cut, other]) => {
      const at = where % (text.length + 1);
      return text.slice(0, at) + other + text.slice(at + cut);
    });
}

const filler = fc.constantFrom('x', 'é', '\u2028', '😀', '\ud83d', '\ude00', '\0', 'a😀');
/** Lengths around a limit, in code points or in UTF-16 units. */
const longText = (limit: number) =>
  fc
    .tuple(
      filler,
      fc.integer({ min: -2, max: 2 }),
      fc.constantFrom(1, 2),
      fc.constantFrom('', '\0', '\udc00'),
    )
    .map(([unit, more, half, end]) => unit.repeat(Math.max(0, Math.ceil(limit / half) + more)) + end);
const uuid = fc.tuple(fc.uuid(), fc.boolean()).map(([id, isUpper]) => (isUpper ? id.toUpperCase() : id));
const count = fc.oneof(
  fc.constantFrom(0, -0, 1e3, 1.0, 0.5, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 5e-324, NaN, Infinity),
  fc.integer(),
  fc.double(),
);
const wild = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, '', 0, '7', [], {}, ['low'], { toString: 'low' }),
  fc.jsonValue(),
  fc.anything(),
);
/** Nearly always valid, otherwise completely wrong. */
const field = <T>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 12, arbitrary: good }, { weight: 2, arbitrary: odd }, { weight: 1, arbitrary: wild });
const optional = (limit: number) =>
  field(
    fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(null, undefined, '')),
    fc.oneof(longText(limit), anyText()),
  );
const record = fc
  .record(
    {
      user_id: field(uuid, garbled(uuid)),
      email: optional(320),
      name: optional(10_000),
      max_risk_level: field(
        fc.constantFrom('low', 'medium', 'high'),
        fc.constantFrom('LOW', 'none', '', 'low ', 'constructor'),
      ),
      event_count: field(fc.nat(), count),
      last_event: field(dateTime.filter(isDateTime), fc.oneof(dateTime, garbled(dateTime))),
      risk_trend: wild,
      __proto__: wild,
    },
    { requiredKeys: ['user_id', 'max_risk_level', 'event_count', 'last_event'] },
  )
  .chain((fields) =>
    fc.oneof(
      { weight: 8, arbitrary: fc.constant(fields) },
      // One of the fields is missing.
      {
        weight: 1,
        arbitrary: fc
          .constantFrom(...Object.keys(fields))
          .map((name) => Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))),
      },
    ),
  );
/** The same fields in something that is not a plain object. */
const clothed = fc
  .tuple(record, fc.constantFrom('plain', 'null', 'inherited', 'array', 'map', 'date', 'instance', 'nested'))
  .map(([fields, how]): unknown => {
    if (how === 'plain') return fields;
    if (how === 'null') return Object.assign(Object.create(null), fields);
    if (how === 'inherited') return Object.create(fields);
    if (how === 'array') return Object.assign([], fields);
    if (how === 'map') return Object.assign(new Map(), fields);
    if (how === 'date') return Object.assign(new Date(0), fields);
    if (how === 'instance') return Object.assign(new URL('http://user'), fields);
    return [fields];
  });

test('the fast check and the schema agree on every record', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 20, arbitrary: clothed }, { weight: 1, arbitrary: wild }), (raw) => {
      if (assertAgree(raw)) accepted++;
      else refused++;
    }),
    { numRuns: 6_000 },
  );
  assert.ok(accepted > 500 && refused > 500, `${accepted} accepted, ${refused} refused`);
});

test('the fast check and the schema agree when one field of a valid record is replaced with anything', () => {
  const wilds: [string, fc.Arbitrary<unknown>][] = [
    ['user_id', fc.oneof(uuid, garbled(uuid), wild)],
    ['email', fc.oneof(longText(320), longText(640), anyText(), wild)],
    ['name', fc.oneof(longText(10_000), anyText({ maxLength: 50 }), wild)],
    ['max_risk_level', fc.oneof(fc.constantFrom('low', 'medium', 'high', 'Low', 'toString'), wild)],
    ['event_count', fc.oneof(count, wild)],
    ['last_event', fc.oneof(dateTime, garbled(dateTime), wild)],
  ];
  for (const [name, values] of wilds) {
    fc.assert(
      fc.property(values, (value) => void assertAgree({ ...RECORD, [name]: value })),
      { numRuns: 1_500 },
    );
  }
});

test('the fast check and the schema agree on what JSON.parse returns for unusual texts', () => {
  const text = JSON.stringify(RECORD);
  const texts = [
    text.replace('3', '-0'),
    text.replace('3', '3.0'),
    text.replace('3', '3e0'),
    text.replace('3', '1e400'),
    text.replace('{', '{"__proto__":{"user_id":7},'),
    text.replace('{', '{"user_id":7,'),
    text.replace('"Ada Lovelace"', '"\\ud800"'),
    text.replace('"Ada Lovelace"', '"\\u0000"'),
    text.replace('"Ada Lovelace"', '"\\ud83d\\ude00"'),
    `{"__proto__":${text}}`,
  ];
  const answers = texts.map((one) => assertAgree(JSON.parse(one)));
  assert.deepEqual(answers, [true, true, true, false, true, true, false, false, true, false]);
});

/** The rule as it was first written: a second way to read the same texts. */
function isDateTimeByPattern(text: string): boolean {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,98}))?(?:Z|([+-])(\d\d):(\d\d))$/i.exec(text);
  if (match === null) return false;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const [hours, minutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  // Postgres has no year 0, whatever the year in UTC is.
  if (year! < 1 || hour! > 23 || minute! > 59 || second! > 59 || hours > 15 || minutes > 59) return false;
  const local = new Date(0);
  local.setUTCFullYear(year!, month! - 1, day);
  if (local.getUTCMonth() !== month! - 1 || local.getUTCDate() !== day) return false;
  local.setUTCHours(hour!, minute, second);
  const utc = local.getTime() - (hours * 60 + minutes) * (match[8] === '-' ? -60_000 : 60_000);
  return utc >= Date.parse('0001-01-01T00:00:00Z') && utc < Date.parse('9999-12-31T23:59:59Z');
}

test('the check of single characters accepts exactly the date-times that a pattern and the calendar accept', () => {
  let good = 0;
  fc.assert(
    fc.property(fc.oneof(dateTime, garbled(dateTime)), (text) => {
      assert.equal(isDateTime(text), isDateTimeByPattern(text), text);
      if (isDateTime(text)) good++;
    }),
    { numRuns: 10_000 },
  );
  assert.ok(good > 200, `${good} good ones`);
});
