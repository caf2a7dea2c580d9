// A question that people see is the one that was asked, and they can run it unchanged.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import fc from 'fast-check';
import { answerTo, runnable } from '../../src/queries/question.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

test('the text of a question answers like the question, whatever its values', async () => {
  const texts = fc.string({ unit: fc.constantFrom('a', "'", '\\', '$1', '"', ';', '-', '{', '}', 'é') });
  await fc.assert(
    fc.asyncProperty(
      fc.option(texts),
      fc.integer({ min: -5, max: 2 ** 31 - 1 }),
      fc.boolean(),
      async (text, number, flag) => {
        const question = {
          statement: sql`select ${text}::text as a, 1 -${number}::int as b, ${flag}::boolean as c`,
        };
        assert.deepEqual(await db.rows(runnable(question)), await answerTo(drizzle(db.pool), question));
      },
    ),
    { numRuns: 60 },
  );
});

test('the text of a question begins at its first word, and keeps the steps between its other lines', () => {
  const statement = sql`
      select account_id

        from risk_bi.accounts
       where account_id = ${'x'}
    `;
  assert.equal(
    runnable({ statement }),
    "select account_id\n\n from risk_bi.accounts\nwhere account_id = 'x';",
  );
  assert.equal(runnable({ statement: sql`select ${null}` }), 'select null;');
});

test('instants are ISO 8601 with all their digits, and what is missing stays missing', async () => {
  const statement = sql`
    select '2026-03-01T09:00:00.000025Z'::timestamptz as at, null::timestamptz as never, '2026-03-01'::text as day`;
  assert.deepEqual(await answerTo(drizzle(db.pool), { statement }), [
    { at: '2026-03-01T09:00:00.000025Z', never: null, day: '2026-03-01' },
  ]);
});
