// Statements with values written into them mean the same as with parameters.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import fc from 'fast-check';
import { syncRuns } from '../../../src/db/schema.ts';
import { writtenOut } from '../../../src/db/sql/inline-sql.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

// Quotes, backslashes, comments and ends of statements more often than chance would bring them.
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom("'", "''", '\\', '"', '$1', '$$', '--', '/*', ';', '\n', '\r', 'E', '%', '💥'),
    fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((one) => one !== '\0' && one.isWellFormed()),
  ),
  maxLength: 12,
});

describe('writtenOut', () => {
  test('writes any text, number and null so that it means what a parameter would, next to other statements', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(text, fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), fc.maxSafeInteger()),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        async (rows) => {
          const statements = rows.map(([word, real, whole]) =>
            writtenOut(
              sql`select ${word}::text as word, ${real}::float8 as real, ${whole}::bigint::text as whole, 1 -${whole < 0 ? whole : -whole}::bigint > 0 as positive`,
            ),
          );
          const found = await inTransaction(db.pool, DEFAULT_LIMITS, (tx) =>
            tx.execute(sql.raw(statements.join('; '))),
          );
          assert.deepEqual(
            [found].flat().map((one) => one.rows[0]),
            rows.map(([word, real, whole]) => ({
              word,
              real: real === 0 ? 0 : real,
              whole: String(whole),
              positive: true,
            })),
          );
        },
      ),
      { numRuns: 15 },
    );
  });

  test('writes documents and times as the column does', () => {
    const record = drizzle
      .mock()
      .insert(syncRuns)
      .values({
        account_key: 1,
        run_id: 2,
        trigger: 'cli',
        status: 'failed',
        started_at: '2026-01-01T00:00:00.000Z',
        finished_at: sql`clock_timestamp()`,
        host: "o'brien",
        evidence: { reasons: ["it's\\"] } as never,
        feed_id: 3,
      });
    const written = writtenOut(record);
    assert.match(written, /'2026-01-01T00:00:00\.000Z', clock_timestamp\(\), 'o''brien'/);
    assert.match(written, /'\{"reasons":\["it''s\\\\"\]\}'/);
  });

  test('refuses NUL, at which a message of statements would end', () => {
    assert.throws(() => writtenOut(sql`select ${'a\0b'}`), /NUL/);
  });
});
