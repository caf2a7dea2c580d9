import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { isDateTime } from '../../src/cloudflare/endpoints/summary/date-time.ts';
import {
  decodeInstant,
  encodeInstant,
  readInstant,
  type PostgresInstant,
} from '../../src/db/postgres-instant.ts';
import { createTestDatabase, type TestDatabase } from '../support/database/test-database.ts';
import { testPool } from '../support/database/migrated-database.ts';

const two = (value: number) => String(value).padStart(2, '0');
const six = (value: number) => String(value).padStart(6, '0');

const digits = (minLength: number, maxLength: number) =>
  fc.array(fc.nat(9), { minLength, maxLength }).map((list) => list.join(''));
// Exactly half a microsecond, slightly less, and slightly more.
const tie = fc
  .tuple(
    digits(6, 6),
    fc.oneof(
      fc.nat(91).map((zeros) => `5${'0'.repeat(zeros)}`),
      fc.nat(90).map((zeros) => `5${'0'.repeat(zeros)}1`),
      fc.integer({ min: 1, max: 91 }).map((nines) => `4${'9'.repeat(nines)}`),
      digits(0, 89).map((rest) => `499${rest}`),
      digits(0, 89).map((rest) => `500${rest}`),
    ),
  )
  .map((parts) => parts.join(''));
// Rounds up into the next second, or nearly does.
const carry = fc.oneof(
  fc.integer({ min: 1, max: 98 }).map((nines) => '9'.repeat(nines)),
  fc.constantFrom('9999994', '9999995', '99999949', '999999499999999999999999', '9999995000', '999998500001'),
);
const anyFraction = fc
  .oneof({ weight: 3, arbitrary: tie }, { weight: 3, arbitrary: digits(1, 98) }, carry)
  .map((fraction) => `.${fraction}`);
const anyYear = fc.oneof(
  fc.integer({ min: 1, max: 9999 }),
  fc.constantFrom(
    1,
    2,
    4,
    99,
    100,
    400,
    1600,
    1900,
    1969,
    1970,
    1999,
    2000,
    2001,
    2024,
    2026,
    9996,
    9998,
    9999,
  ),
);
const anyDay = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 31 })),
  fc.constantFrom<[number, number][]>([1, 1], [12, 31], [2, 28], [2, 29], [3, 1], [6, 30]),
);
const anyTime = fc.oneof(
  fc.tuple(fc.nat(23), fc.nat(59), fc.nat(59)),
  fc.constantFrom<[number, number, number][]>([0, 0, 0], [23, 59, 59], [12, 59, 59], [0, 0, 59]),
);
const anyOffset = fc.oneof(
  fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+15:59', '-15:59', '+05:45', '-00:01', '+00:01'),
  fc
    .tuple(fc.constantFrom('+', '-'), fc.nat(15), fc.nat(59))
    .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`),
);
const anyDateTime = fc
  .tuple(anyYear, anyDay, fc.constantFrom('T', 't'), anyTime, fc.option(anyFraction, { nil: '' }), anyOffset)
  .map(
    ([year, day, t, time, fraction, offset]) =>
      `${String(year).padStart(4, '0')}-${day.map(two).join('-')}${t}${time.map(two).join(':')}${fraction}${offset}`,
  )
  .filter(isDateTime);

function read(text: string): PostgresInstant {
  const instant = { seconds: NaN, micros: NaN };
  readInstant(text, instant);
  return instant;
}

function decode(bytes: Buffer): PostgresInstant {
  const instant = { seconds: NaN, micros: NaN };
  decodeInstant(bytes, 0, instant);
  return instant;
}

function encode(instant: PostgresInstant): Buffer {
  const bytes = Buffer.alloc(8);
  encodeInstant(instant, bytes, 0);
  return bytes;
}

describe('readInstant compared with PostgreSQL', () => {
  let database: TestDatabase;
  let pool: ReturnType<typeof testPool>;
  before(async () => {
    database = await createTestDatabase();
    pool = testPool(database.url, 1);
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  type Row = { sent: Buffer; epoch: string };

  async function ask(texts: readonly string[]): Promise<Row[]> {
    const { rows } = await pool.query<Row>(
      `select timestamptz_send(at) as sent, extract(epoch from at)::text as epoch
       from unnest($1::text[]) with ordinality as given (given, position), cast(given as timestamptz) as at
       order by position`,
      [texts],
    );
    assert.equal(rows.length, texts.length);
    return rows;
  }

  async function readsLikePostgres(texts: readonly string[]): Promise<void> {
    const rows = await ask(texts);
    for (const [index, text] of texts.entries()) {
      assert.ok(isDateTime(text), text);
      const { sent, epoch } = rows[index]!;
      const instant = read(text);
      assert.deepEqual(instant, decode(sent), text);
      assert.equal(microseconds(instant), microsecondsOf(epoch), text);
      assert.deepEqual(encode(instant), sent, text);
    }
  }

  test('reads 20,000 date-times of every kind as the database does', async () => {
    await readsLikePostgres(fc.sample(anyDateTime, 20_000));
  });

  test('rounds 100,000 ties as the database does', async () => {
    for (let from = 0; from < 1_000_000; from += 200_000) {
      const texts = Array.from(
        { length: 20_000 },
        (_, index) => `2026-11-28T09:15:30.${six(from + index * 10 + (index % 10))}5Z`,
      );
      await readsLikePostgres(texts);
    }
  });

  test('decides a tie by the double, not by the decimal text', async () => {
    const atFraction = (fraction: string) => `2026-11-28T09:15:30.${fraction}Z`;
    // One in 87 of all ties with seven digits goes to the odd neighbour. These do.
    const odd: [fraction: string, micros: number][] = [
      ['0001255', 125],
      ['1269175', 126_917],
      ['2618265', 261_827],
      ['5236665', 523_667],
    ];
    // A double cannot hold this last digit, so the tie stays a tie.
    const blurred = `0000005${'0'.repeat(90)}1`;
    await readsLikePostgres([...odd.map(([fraction]) => fraction), blurred].map(atFraction));
    for (const [fraction, micros] of odd) assert.equal(read(atFraction(fraction)).micros, micros);
    assert.equal(read(atFraction(blurred)).micros, 0);
  });

  test('carries a fraction that rounds up into the second, minute, hour, day, month and year', async () => {
    const texts = [
      '2026-11-28T09:15:30.9999995Z',
      '2026-11-28T09:15:59.9999999Z',
      '2026-11-28T09:59:59.9999999Z',
      '2026-11-28T23:59:59.9999999+00:00',
      '2024-02-28T23:59:59.9999999Z',
      '2024-02-29T23:59:59.9999999Z',
      '2023-02-28T23:59:59.9999999Z',
      '1999-12-31T23:59:59.9999999Z',
      '1969-12-31T23:59:59.9999999Z',
      '2026-12-31T23:59:59.9999999-15:59',
      '2027-01-01T15:58:59.9999999+15:59',
    ];
    await readsLikePostgres(texts);
    for (const text of texts) assert.equal(read(text).micros, 0, text);
  });

  test('reads the first and last instants of the calendar as the database does', async () => {
    const rest = '0'.repeat(97);
    await readsLikePostgres([
      '0001-01-01T00:00:00Z',
      '0001-01-01T00:00:00.0000005Z',
      `0001-01-01T00:00:00.${rest}1Z`,
      '0001-01-01T15:59:00+15:59',
      '9999-12-31T23:59:58.9999999Z',
      '9999-12-31T23:59:58.9999994z',
      '9999-12-31t08:00:58.9999999-15:59',
      '1970-01-01T00:00:00Z',
      '2000-01-01T00:00:00Z',
      '1999-12-31T23:59:59.999999Z',
    ]);
  });

  test('decodes times far outside the years of a date-time, and encodes them again', async () => {
    // In the database's last thirty years, extract() loses everything below a millisecond.
    const rows = await ask([
      '4714-11-24 00:00:00+00 BC',
      '4714-11-24 00:00:00.000001+00 BC',
      '0001-12-31 23:59:59.999999+00 BC',
      '294246-12-31 23:59:59.999999+00',
      '10000-01-01 00:00:00+00',
    ]);
    for (const { sent, epoch } of rows) {
      const instant = decode(sent);
      assert.equal(microseconds(instant), microsecondsOf(epoch));
      assert.deepEqual(encode(instant), sent);
    }
  });

  test('decodes the infinities and encodes them again, and they equal no date-time', async () => {
    const [plus, minus] = (await ask(['infinity', '-infinity'])).map((row) => row.sent) as [Buffer, Buffer];
    assert.deepEqual(decode(plus), { seconds: Infinity, micros: 0 });
    assert.deepEqual(decode(minus), { seconds: -Infinity, micros: 0 });
    assert.deepEqual(encode(decode(plus)), plus);
    assert.deepEqual(encode(decode(minus)), minus);
    fc.assert(fc.property(anyDateTime, (text) => Number.isSafeInteger(read(text).seconds)));
  });
});

describe('readInstant', () => {
  test('rounds a fraction near a tie to the correct side', () => {
    assert.equal(read('2026-11-28T09:15:30.4999994999+01:00').micros, 499_999);
    assert.equal(read('2026-11-28T09:15:30.4999995001-01:00').micros, 500_000);
    assert.equal(read('2026-11-28T09:15:30.4999994z').micros, 499_999);
    assert.equal(read('2026-11-28T09:15:30.4999996z').micros, 500_000);
  });

  test('does not take digits of the offset for digits of the fraction', () => {
    assert.deepEqual(read('1970-01-01T12:34:00.5+12:34'), { seconds: 0, micros: 500_000 });
    assert.deepEqual(read('1970-01-01T00:00:00.123456-01:00'), { seconds: 3_600, micros: 123_456 });
  });

  test('begins and ends every month of every year on the right day', () => {
    for (let year = 1; year <= 9999; year++) {
      for (let month = 1; month <= 12; month++) {
        for (const day of [1, new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()]) {
          const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T00:00:00Z`;
          if (read(text).seconds * 1_000 !== Date.parse(text)) assert.fail(text);
        }
      }
    }
  });
});

describe('decodeInstant and encodeInstant', () => {
  const LEAST = -(2n ** 63n);
  const MOST = 2n ** 63n - 1n;
  const finite = fc.oneof(
    fc.bigInt({ min: LEAST + 1n, max: MOST - 1n }),
    fc.integer({ min: -2_000_000, max: 2_000_000 }).map(BigInt),
    // Around every value at which a double or a 32-bit word overflows.
    fc
      .tuple(fc.constantFrom(1n, -1n), fc.integer({ min: 30, max: 62 }), fc.integer({ min: -2, max: 2 }))
      .map(([sign, power, by]) => sign * 2n ** BigInt(power) + BigInt(by)),
  );

  test('turn any 64 bits into whole microseconds, and back into the same bits', () => {
    fc.assert(
      fc.property(finite, (sinceMillennium) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64BE(sinceMillennium);
        const instant = decode(bytes);
        assert.equal(microseconds(instant), sinceMillennium + 946_684_800_000_000n);
        assert.ok(instant.micros >= 0 && instant.micros <= 999_999);
        assert.deepEqual(encode(instant), bytes);
      }),
      { numRuns: 20_000 },
    );
  });

  test('work at an offset, and leave the surrounding bytes alone', () => {
    const bytes = Buffer.alloc(24, 0xaa);
    encodeInstant({ seconds: 1_764_321_330, micros: 123_456 }, bytes, 9);
    const instant = { seconds: 0, micros: 0 };
    decodeInstant(bytes, 9, instant);
    assert.deepEqual(instant, { seconds: 1_764_321_330, micros: 123_456 });
    assert.ok(bytes.subarray(0, 9).every((byte) => byte === 0xaa));
    assert.ok(bytes.subarray(17).every((byte) => byte === 0xaa));
  });
});

function microseconds({ seconds, micros }: PostgresInstant): bigint {
  return BigInt(seconds) * 1_000_000n + BigInt(micros);
}

/** From `extract(epoch …)`, which is numeric with six decimals. */
function microsecondsOf(epoch: string): bigint {
  assert.match(epoch, /^-?\d+\.\d{6}$/);
  return BigInt(epoch.replace('.', ''));
}
