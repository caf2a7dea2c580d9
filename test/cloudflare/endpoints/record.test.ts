import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { TEXT_MAX_LENGTH } from '../../../src/cloudflare/endpoints/summary/check-record.ts';
import { isDateTime } from '../../../src/cloudflare/endpoints/summary/date-time.ts';
import { DeepRecord } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { parseRecord, RAW_MAX_LENGTH } from '../../../src/cloudflare/endpoints/summary/record.ts';
import { RECORD } from '../../support/api/api-server.ts';
import { anyText } from '../../support/world/any-text.ts';

const reasonOf = (raw: unknown) => {
  const parsed = parseRecord(raw);
  return parsed.ok ? null : parsed.reason;
};
const without = (field: keyof typeof RECORD) => {
  const { [field]: _, ...rest } = RECORD;
  return rest;
};

test('accepts a record as served, with the id in lower case and without unknown fields', () => {
  const raw = { ...RECORD, user_id: RECORD.user_id.toUpperCase(), risk_trend: { deep: [1] } };
  assert.deepEqual(parseRecord(raw), { ok: true, user: RECORD });
});

test('reads a missing or null email or name as null', () => {
  for (const raw of [without('email'), { ...RECORD, email: null }]) {
    assert.deepEqual(parseRecord(raw), { ok: true, user: { ...RECORD, email: null } });
  }
  for (const raw of [without('name'), { ...RECORD, name: null }]) {
    assert.deepEqual(parseRecord(raw), { ok: true, user: { ...RECORD, name: null } });
  }
});

test("names the rule that a record breaks, without the record's values", () => {
  const count = 'event_count: not a whole number from 0 to 2147483647';
  const date = 'last_event: not an RFC 3339 date-time from year 1 to 9999';
  const rows: [unknown, string][] = [
    [null, 'record: not an object'],
    ['text', 'record: not an object'],
    [[RECORD], 'record: not an object'],
    [without('user_id'), 'user_id: missing'],
    [{ ...RECORD, user_id: 7 }, 'user_id: not a uuid'],
    [{ ...RECORD, user_id: `${RECORD.user_id} ` }, 'user_id: not a uuid'],
    [{ ...RECORD, user_id: `{${RECORD.user_id}}` }, 'user_id: not a uuid'],
    [{ ...RECORD, user_id: RECORD.user_id.replaceAll('-', '') }, 'user_id: not a uuid'],
    [without('max_risk_level'), 'max_risk_level: missing'],
    [{ ...RECORD, max_risk_level: null }, 'max_risk_level: unknown level'],
    [{ ...RECORD, max_risk_level: 'critical' }, 'max_risk_level: unknown level'],
    [{ ...RECORD, max_risk_level: 'LOW' }, 'max_risk_level: unknown level'],
    [without('event_count'), 'event_count: missing'],
    [{ ...RECORD, event_count: '3' }, 'event_count: not a number'],
    [{ ...RECORD, event_count: null }, 'event_count: not a number'],
    [{ ...RECORD, event_count: -1 }, count],
    [{ ...RECORD, event_count: 1.5 }, count],
    [{ ...RECORD, event_count: 2 ** 31 }, count],
    [without('last_event'), 'last_event: missing'],
    [{ ...RECORD, last_event: 1_700_000_000 }, 'last_event: not a date-time'],
    [{ ...RECORD, last_event: '2026-02-30T00:00:00Z' }, date],
    [{ ...RECORD, email: 7 }, 'email: not text'],
    [
      { ...RECORD, email: 'x'.repeat(TEXT_MAX_LENGTH.email + 1) },
      `email: longer than ${TEXT_MAX_LENGTH.email} characters`,
    ],
    [{ ...RECORD, name: 'x'.repeat(1 << 20) }, `name: longer than ${TEXT_MAX_LENGTH.name} characters`],
    [{ ...RECORD, name: 'secret\0name' }, 'name: holds a NUL character'],
    [{ ...RECORD, name: 'secret\ud800name' }, 'name: holds a lone surrogate'],
    [{ ...RECORD, name: false, event_count: -1 }, `name: not text; ${count}`],
  ];
  for (const [raw, reason] of rows) assert.equal(reasonOf(raw), reason);
});

test('accepts the extreme values that are allowed', () => {
  for (const raw of [
    { ...RECORD, event_count: 2 ** 31 - 1 },
    { ...RECORD, event_count: 0 },
    { ...RECORD, email: 'x'.repeat(TEXT_MAX_LENGTH.email) },
    { ...RECORD, name: '😀'.repeat(TEXT_MAX_LENGTH.name) },
    { ...RECORD, name: '=cmd|"/c calc"!A1 <script>\u202e\u001b[31m' },
    { ...RECORD, name: '', email: '' },
    { ...RECORD, user_id: '00000000-0000-0000-0000-000000000000' },
  ]) {
    assert.deepEqual(parseRecord(raw), { ok: true, user: raw });
  }
  const zero = parseRecord({ ...RECORD, event_count: -0 });
  assert.ok(zero.ok && Object.is(zero.user.event_count, 0));
});

test('names the user of a rejected record if the uuid can be read', () => {
  const parsed = parseRecord({ ...RECORD, user_id: RECORD.user_id.toUpperCase(), max_risk_level: 'none' });
  assert.ok(!parsed.ok);
  assert.equal(parsed.userId, RECORD.user_id);
  for (const raw of [null, 7, [], {}, { user_id: null }, { user_id: 'x' }]) {
    const rejected = parseRecord(raw);
    assert.ok(!rejected.ok && rejected.userId === null);
  }
});

test('keeps the raw text of a rejected record short and safe for Postgres', () => {
  const raws: unknown[] = [
    { name: '\0\ud800' },
    { name: '😀'.repeat(5000) },
    { name: `x${'😀'.repeat(5000)}` },
    'a'.repeat(9000),
    undefined,
    nested(100_000),
  ];
  for (const raw of raws) {
    const parsed = parseRecord(raw);
    assert.ok(!parsed.ok);
    assert.ok(parsed.raw.length > 0 && parsed.raw.length <= RAW_MAX_LENGTH);
    assert.ok(parsed.raw.isWellFormed() && !parsed.raw.includes('\0'));
  }
});

test('accepts and refuses the same date-times as RFC 3339 and Postgres', () => {
  const good = [
    '2019-12-27T18:11:19.117Z',
    '2019-12-27t18:11:19z',
    '2024-02-29T00:00:00Z',
    '2000-02-29T23:59:59.999999999999+15:59',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:58.999999Z',
    '2019-12-27T18:11:19-00:00',
    '2019-12-27T18:11:19-15:59',
    `2019-12-27T18:11:19.${'1'.repeat(98)}Z`,
  ];
  const bad = [
    '',
    '2019-12-27',
    '2019-12-27 18:11:19Z',
    '2019-12-27T18:11:19',
    '2019-12-27T18:11Z',
    '2019-12-27T18:11:19.Z',
    '2019-12-27T18:11:19,1Z',
    '2019-12-27T18:11:19Z\n',
    '2019-12-27T18:11:60Z',
    '2016-12-31T23:59:60Z',
    '2019-12-27T24:00:00Z',
    '2019-12-27T18:60:00Z',
    '2019-13-01T00:00:00Z',
    '2019-00-01T00:00:00Z',
    '2019-01-00T00:00:00Z',
    '2019-04-31T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '+02019-01-01T00:00:00Z',
    '-0044-03-15T00:00:00Z',
    '12019-01-01T00:00:00Z',
    '2019-12-27T18:11:19+16:00',
    '2019-12-27T18:11:19+01:60',
    '2019-12-27T18:11:19+0100',
    '2019-12-27T18:11:19 Europe/Berlin',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:00-00:01',
    '9999-12-31T23:59:59.9999999Z',
    `2019-12-27T18:11:19.${'1'.repeat(99)}Z`,
    '٢٠١٩-12-27T18:11:19Z',
    'infinity',
    'now',
  ];
  for (const text of good) assert.ok(isDateTime(text), text);
  for (const text of bad) assert.ok(!isDateTime(text), text);
});

const dateTimeLike = fc
  .tuple(
    fc.integer({ min: 0, max: 9999 }),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 32 }),
    fc.integer({ min: 0, max: 24 }),
    fc.integer({ min: 0, max: 60 }),
    fc.integer({ min: 0, max: 60 }),
    fc.stringMatching(/^(\.\d{1,9})?$/),
    fc.oneof(fc.constant('Z'), fc.stringMatching(/^[+-][01]\d:[0-6]\d$/)),
  )
  .map(([year, month, day, hour, minute, second, fraction, zone]) => {
    const two = (n: number) => String(n).padStart(2, '0');
    return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}${fraction}${zone}`;
  });

test('every accepted date-time means the same to an independent reader', () => {
  fc.assert(
    fc.property(dateTimeLike, (text) => {
      if (!isDateTime(text)) return;
      const [, local, zone] = /^(.{19})(?:\.\d+)?(.*)$/.exec(text)!;
      const instant = new Date(`${local}${zone}`);
      assert.ok(!Number.isNaN(instant.getTime()), text);
      assert.ok(instant.getUTCFullYear() >= 1 && instant.getUTCFullYear() <= 9999, text);
      // V8 silently turns 30 February into a day of March: compare the local clock.
      const back = new Date(new Date(`${local}Z`).getTime()).toISOString();
      assert.equal(back.slice(0, 19), local);
    }),
    { numRuns: 5000 },
  );
});

test('never throws, never quotes a value, and accepts again what it has accepted', () => {
  const field = <T>(good: fc.Arbitrary<T>) => fc.oneof(good, fc.anything(), fc.constant(undefined));
  const recordLike = fc.record(
    {
      user_id: field(fc.uuid()),
      email: field(anyText()),
      name: field(anyText({ maxLength: 200 })),
      max_risk_level: field(fc.constantFrom('low', 'medium', 'high')),
      event_count: field(fc.integer()),
      last_event: field(dateTimeLike),
    },
    { requiredKeys: [] },
  );
  const known =
    /^(?:(?:record|user_id|email|name|max_risk_level|event_count|last_event): [A-Za-z0-9 -]+(?:; |$))+$/;
  fc.assert(
    fc.property(fc.oneof(recordLike, fc.anything(), fc.jsonValue()), (raw) => {
      const parsed = parseRecord(raw);
      if (parsed.ok) {
        assert.deepEqual(parseRecord(parsed.user), parsed);
        for (const text of [parsed.user.email, parsed.user.name]) {
          assert.ok(text === null || (text.isWellFormed() && !text.includes('\0')));
        }
      } else {
        assert.match(parsed.reason, known);
        assert.ok(
          parsed.raw.isWellFormed() && !parsed.raw.includes('\0') && parsed.raw.length <= RAW_MAX_LENGTH,
        );
      }
    }),
    { numRuns: 3000 },
  );
});

function nested(depth: number): unknown {
  return JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;
}

test('a record that nests too deeply is rejected with its user, and its text is not treated as JSON', () => {
  const parsed = parseRecord(new DeepRecord({ ...RECORD, list: [0] }));
  assert.ok(!parsed.ok);
  assert.deepEqual([parsed.userId, parsed.reason], [RECORD.user_id, 'record: nested too deeply']);
  assert.throws(() => JSON.parse(parsed.raw));
  const other = parseRecord(new DeepRecord([[0]]));
  assert.ok(!other.ok && other.userId === null);
});

test('the kept text of a large record does not keep the whole record in memory', () => {
  v8.setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const kept: unknown[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100; n++) kept.push(parseRecord({ note: `${n}${'x'.repeat(400_000)}` }));
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 5_000_000, `${grown} bytes for ${kept.length} texts`);
});
