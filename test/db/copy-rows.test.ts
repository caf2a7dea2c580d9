import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  jsonb,
  pgSchema,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { copyRows, type CopyValue } from '../../src/db/copy-rows.ts';
import type { PoolClient } from '../../src/db/pool.ts';
import type { PostgresInstant } from '../../src/db/postgres-instant.ts';
import { createTestDatabase, type TestDatabase } from '../support/database/test-database.ts';
import { startFaultProxy } from '../support/faults/fault-proxy.ts';
import { testPool } from '../support/database/migrated-database.ts';
import { anyText } from '../support/world/any-text.ts';

// Names that only work in quotes.
const table = pgSchema('Odd schema').table('copy', {
  position: integer('position').notNull(),
  order: text('order'),
  label: text('label'),
  amount: doublePrecision('amount'),
  large: bigint('large', { mode: 'number' }),
  flag: boolean('flag'),
  who: uuid('who'),
  at: timestamp('at', { withTimezone: true, mode: 'string' }),
  more: jsonb('more'),
});
const COLUMNS = ['position', 'order', 'label', 'amount'] as const;
const ALL = [...COLUMNS, 'large', 'flag', 'who', 'at'] as const;
type Row = [position: number, order: string | null, label: string | null, amount: number | null];
type WholeRow = [
  ...Row,
  large: number | null,
  flag: boolean | null,
  who: string | null,
  at: PostgresInstant | null,
];

// Characters with a meaning in COPY's text format, which was used before, and characters that a byte-wise reader could
// mistake for them.
const piece = fc.oneof(
  fc.constantFrom(
    '\\',
    '\t',
    '\n',
    '\r',
    '\\.',
    '\\N',
    '\\n',
    '\\t',
    '\r\n',
    '\b',
    '\f',
    '\v',
    '"',
    "'",
    '',
    ' ',
  ),
  fc.constantFrom(
    '\\x41',
    '\\101',
    '\u0085',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\u{1f600}',
    '\u00a0',
    '\uffff',
    '\x7f',
    '\x01',
  ),
  anyText().map((word) => word.replaceAll('\0', '')),
);
const anyCell = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.constantFrom('\\.', '\\N', '', '\n\\.\n', '\\', '\t', 'null', 'NULL'),
);
// From 4713 BC to the year 294276: the range of timestamptz.
const anyInstant: fc.Arbitrary<PostgresInstant> = fc.oneof(
  { weight: 8, arbitrary: instantIn(-210_866_803_200, 9_224_318_015_999) },
  { weight: 4, arbitrary: instantIn(946_684_790, 946_684_810) },
  fc.constantFrom({ seconds: Infinity, micros: 0 }, { seconds: -Infinity, micros: 0 }),
);
const anyRow: fc.Arbitrary<WholeRow> = fc.tuple(
  fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  fc.option(anyCell),
  fc.option(anyCell),
  fc.option(fc.double({ noNaN: true })),
  fc.option(fc.maxSafeInteger()),
  fc.option(fc.boolean()),
  fc.option(fc.uuid()),
  fc.option(anyInstant),
);

function instantIn(min: number, max: number): fc.Arbitrary<PostgresInstant> {
  return fc.record({ seconds: fc.integer({ min, max }), micros: fc.nat(999_999) });
}

/** As the server writes it. As a single number, times in the far future would be rounded. */
function inWords(instant: PostgresInstant | null): string | null {
  if (instant === null) return null;
  const { seconds, micros } = instant;
  if (!Number.isFinite(seconds)) return seconds > 0 ? 'infinity' : '-infinity';
  return `${seconds} s ${micros} µs`;
}

describe('copyRows', () => {
  let database: TestDatabase;
  let pool: ReturnType<typeof testPool>;
  let client: PoolClient;
  before(async () => {
    database = await createTestDatabase();
    pool = testPool(database.url, 1);
    client = await pool.connect();
    await client.query(
      `create schema "Odd schema"; create table "Odd schema".copy (id serial, position integer not null, "order" text, label text, amount double precision,
         large bigint, flag boolean, who uuid, at timestamptz, more jsonb)`,
    );
  });
  after(async () => {
    client.release();
    await pool.end();
    await database.drop();
  });

  async function thereAndBack(rows: Iterable<readonly CopyValue[]>): Promise<unknown[][]> {
    await client.query('truncate "Odd schema".copy restart identity');
    await copyRows(client, table, COLUMNS, rows);
    const result = await client.query<unknown[]>({
      text: 'select position, "order", label, amount from "Odd schema".copy order by id',
      rowMode: 'array',
    });
    return result.rows;
  }

  /** Every column as the server writes it. */
  async function allThereAndBack(rows: Iterable<readonly CopyValue[]>): Promise<unknown[][]> {
    await client.query('truncate "Odd schema".copy restart identity');
    await copyRows(client, table, ALL, rows);
    const result = await client.query<unknown[]>({
      text: `select position, "order", label, amount, large::text, flag, who::text,
                    case when isfinite(at) then trunc(extract(epoch from date_trunc('second', at)))::text || ' s '
                      || extract(microseconds from at)::bigint % 1000000 || ' µs' else at::text end
               from "Odd schema".copy order by id`,
      rowMode: 'array',
    });
    return result.rows;
  }
  const asSaid = ([position, order, label, amount, large, flag, who, at]: WholeRow) => [
    position,
    order,
    label,
    amount,
    large === null ? null : String(large),
    flag,
    who,
    inWords(at),
  ];
  // Postgres has -0; most readers treat it as 0.
  const withoutMinusZero = (rows: unknown[][]) =>
    rows.map((row) => row.map((value) => (value === 0 ? 0 : value)));

  test('any value of every type with an encoder, and null, comes back unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 20 }), async (rows) => {
        assert.deepEqual(withoutMinusZero(await allThereAndBack(rows)), withoutMinusZero(rows.map(asSaid)));
      }),
      { numRuns: 300 },
    );
  });

  test('bytes and the text they stand for copy alike, and so do one reused array and many arrays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 10 }), async (rows) => {
        const filled: CopyValue[] = [];
        const id = new Uint8Array(16);
        function* inBytes(): Generator<readonly CopyValue[]> {
          for (const row of rows) {
            filled.splice(0, filled.length, ...row);
            for (const column of [1, 2]) {
              const said = row[column] as string | null;
              filled[column] = said === null ? null : Buffer.from(said);
            }
            if (row[6] !== null) {
              id.set(Buffer.from(row[6].replaceAll('-', ''), 'hex'));
              filled[6] = id;
            }
            yield filled;
          }
        }
        assert.deepEqual(
          withoutMinusZero(await allThereAndBack(inBytes())),
          withoutMinusZero(rows.map(asSaid)),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('infinities, the limits of each type, and ids in upper case come back right', async () => {
    const first: WholeRow = [
      -2_147_483_648,
      null,
      null,
      -Infinity,
      Number.MIN_SAFE_INTEGER,
      false,
      'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
      { seconds: -Infinity, micros: 0 },
    ];
    const last: WholeRow = [
      2_147_483_647,
      null,
      null,
      Infinity,
      Number.MAX_SAFE_INTEGER,
      true,
      '00000000-0000-0000-0000-000000000000',
      { seconds: Infinity, micros: 0 },
    ];
    const said = [first, last].map(asSaid);
    said[0]![6] = String(said[0]![6]).toLowerCase();
    assert.deepEqual(await allThereAndBack([first, last]), said);
  });

  test('a missing column, and a column whose type has no encoder, are defects, and nothing is sent', async () => {
    await assert.rejects(
      copyRows(client, table, ['position', 'nowhere' as 'label'], [[1, 'a']]),
      /no column nowhere/,
    );
    await assert.rejects(copyRows(client, table, ['position', 'more'], [[1, '{}']]), /no encoder .* jsonb/);
    assert.deepEqual(await thereAndBack([[1, 'a', null, null]]), [[1, 'a', null, null]]);
  });

  test('an empty string is not null, and neither is the text that stands for null', async () => {
    const rows: Row[] = [
      [1, '', null, null],
      [2, '\\N', 'NULL', 0.1],
      [3, '\\.', '\\', 1e-300],
    ];
    assert.deepEqual(await thereAndBack(rows), rows);
  });

  test('no rows copy nothing', async () => {
    assert.deepEqual(await thereAndBack([]), []);
  });

  test('rows of several chunks arrive complete and in order, from a generator that is read step by step', async () => {
    const long = '\u{1f600}\t'.repeat(10_000);
    let made = 0;
    function* rows(): Generator<Row> {
      for (let position = 0; position < 60; position++) {
        made++;
        yield [position, long, String(position), null];
      }
    }
    const actual = await thereAndBack(rows());
    assert.equal(made, 60);
    assert.deepEqual(
      actual.map((row) => row[0]),
      Array.from({ length: 60 }, (_, position) => position),
    );
    assert.ok(actual.every((row) => row[1] === long));
  });

  test('a row of any length is copied correctly at the end of a chunk', async () => {
    // A chunk is 256 kB; one more ordinary row fits into the last one.
    const lengths = Array.from({ length: 60 }, (_, n) => 256 * 1024 - 1_500 + 37 * n);
    const actual = await thereAndBack(lengths.map((length, n) => [n, 'x'.repeat(length), `row ${n}`, n]));
    assert.deepEqual(
      actual.map(([position, order, label, amount]) => [position, String(order).length, label, amount]),
      lengths.map((length, n) => [n, length, `row ${n}`, n]),
    );
  });

  test('a connection that goes silent during COPY is closed, although neither side reports an error', async (t) => {
    const proxy = await startFaultProxy(database.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const client = await pool.connect();
    function* rows(): Generator<readonly CopyValue[]> {
      proxy.stall();
      for (let n = 0; n < 10; n++) yield [n, null, null, null];
    }
    await assert.rejects(copyRows(client, table, COLUMNS, rows(), { timeoutMs: 200 }), /Query read timeout/);
    client.release(true);
  });

  test('a row that the server refuses leaves no row behind, and the connection stays usable', async () => {
    await client.query('truncate "Odd schema".copy');
    const rows = [
      [1, 'a', 'a', 1],
      [null, 'b', 'b', 2],
    ] satisfies CopyValue[][];
    await assert.rejects(copyRows(client, table, COLUMNS, rows), { code: '23502' });
    const { rows: left } = await client.query('select 1 from "Odd schema".copy');
    assert.equal(left.length, 0);
    assert.deepEqual(await thereAndBack([[1, 'a', null, null]]), [[1, 'a', null, null]]);
  });

  test('text that is not UTF-8 is refused by the server', async () => {
    await client.query('truncate "Odd schema".copy');
    await assert.rejects(copyRows(client, table, COLUMNS, [[1, new Uint8Array([0x61, 0xff]), null, null]]), {
      code: '22021',
    });
    assert.deepEqual(await thereAndBack([[1, 'a', null, null]]), [[1, 'a', null, null]]);
  });

  test(
    'a source that fails during COPY leaves no row behind, and the connection stays usable',
    { timeout: 10_000 },
    async () => {
      await client.query('truncate "Odd schema".copy');
      function* rows(): Generator<Row> {
        yield [1, 'x'.repeat(300_000), null, null];
        throw new Error('the source is gone');
      }
      await assert.rejects(copyRows(client, table, COLUMNS, rows()), /the source is gone/);
      const { rows: left } = await client.query('select 1 from "Odd schema".copy');
      assert.equal(left.length, 0);
    },
  );
});
