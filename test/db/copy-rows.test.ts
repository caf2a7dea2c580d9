import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { integer, doublePrecision, pgSchema, text } from 'drizzle-orm/pg-core';
import { copyRows, type CopyValue } from '../../src/db/copy-rows.ts';
import type { PoolClient } from '../../src/db/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { testPool } from '../support/migrated-database.ts';

// Names that only work quoted.
const table = pgSchema('Odd schema').table('copy', {
  position: integer('position').notNull(),
  order: text('order'),
  label: text('label'),
  amount: doublePrecision('amount'),
});
const COLUMNS = ['position', 'order', 'label', 'amount'] as const;
type Row = [position: number, order: string | null, label: string | null, amount: number | null];

// What COPY's text format gives a meaning to, and what a byte-wise reader could take for one of these.
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
  fc.string({ unit: 'binary' }).map((word) => word.replaceAll('\0', '')),
);
const anyText = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.constantFrom('\\.', '\\N', '', '\n\\.\n', '\\', '\t', 'null', 'NULL'),
);
const anyRow: fc.Arbitrary<Row> = fc.tuple(
  fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  fc.option(anyText),
  fc.option(anyText),
  fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
);

describe('copyRows', () => {
  let database: TestDatabase;
  let pool: ReturnType<typeof testPool>;
  let client: PoolClient;
  before(async () => {
    database = await createTestDatabase();
    pool = testPool(database.url, 1);
    client = await pool.connect();
    await client.query(
      `create schema "Odd schema"; create table "Odd schema".copy (id serial, position integer not null, "order" text, label text, amount double precision)`,
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

  test('any text, null and number comes back as it went', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 20 }), async (rows) => {
        // Postgres knows -0, and JSON-like readers do not care.
        const expected = rows.map((row) => row.map((value) => (value === 0 ? 0 : value)));
        const actual = (await thereAndBack(rows)).map((row) => row.map((value) => (value === 0 ? 0 : value)));
        assert.deepEqual(actual, expected);
      }),
      { numRuns: 300 },
    );
  });

  test('an empty string is not null, and the text for null is not null either', async () => {
    const rows: Row[] = [
      [1, '', null, null],
      [2, '\\N', 'NULL', 0.1],
      [3, '\\.', '\\', 1e-300],
    ];
    assert.deepEqual(await thereAndBack(rows), rows);
  });

  test('no rows are no rows', async () => {
    assert.deepEqual(await thereAndBack([]), []);
  });

  test('rows of several chunks arrive whole and in order, from a generator that is read as it goes', async () => {
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

  test('a connection that goes silent in the middle is given up, though neither side says so', async (t) => {
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

  test('a row that the server refuses leaves none, and the connection is of use', async () => {
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

  test(
    'a source that fails on the way leaves none, and the connection is of use',
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
