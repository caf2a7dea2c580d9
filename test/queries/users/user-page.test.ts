// Users in pages: whatever the order and the size of a page, the pages together are the list.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import fc from 'fast-check';
import { answerTo } from '../../../src/queries/question.ts';
import {
  keyOfUser,
  SORTS,
  STATES,
  userCounts,
  pageOfUsers,
  type UserPageKey,
  type UserRow,
} from '../../../src/queries/users/user-page.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { uuidOf } from '../../support/world/random-world.ts';

const ACCOUNTS = ['1'.repeat(32), '2'.repeat(32)];
const at = (hour: number) => `2026-01-0${1 + (hour % 3)}T0${hour % 10}:00:00.000${hour % 2}25Z`;
let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
  const history = sampleHistory(db.pool);
  for (const accountId of ACCOUNTS) {
    const account_key = await history.account(accountId);
    // Many ties, and cleared users among the others in every order.
    for (let n = 0; n < 24; n++) {
      const level = [null, 'low', 'medium', 'high'][n % 4]!;
      await history.user({
        account_key,
        user_id: uuidOf(`${accountId} ${n % 20} ${n}`),
        first_seen_at: at(n % 5),
        last_event: at(n % 3),
        event_count: n % 7,
        max_risk_level: level,
        level_since: level === null ? null : at(n % 6),
        cleared_at: level === null ? at(n % 4) : null,
        absent_since: level !== null && n % 5 === 0 ? at(n % 2) : null,
      });
    }
  }
});
after(() => db.close());

const ids = (rows: readonly UserRow[]) => rows.map((row) => `${row.account_id} ${row.user_id}`);

test('pages of any size and order together hold every user of the list once, in its order', async () => {
  const pool = drizzle(db.pool);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SORTS),
      fc.constantFrom('asc' as const, 'desc' as const),
      fc.constantFrom(...STATES),
      fc.boolean(),
      fc.constantFrom(null, [ACCOUNTS[1]!]),
      fc.integer({ min: 1, max: 20 }),
      async (sort, order, level, absent, accountIds, most) => {
        const filter = { level, absent, search: null };
        const page = (after: UserPageKey | null, rows: number) =>
          answerTo(pool, pageOfUsers(accountIds, filter, { sort, order }, after, rows));
        const whole = await page(null, 1_000);
        const read: UserRow[] = [];
        for (let last: UserPageKey | null = null; ; last = keyOfUser(sort)(read.at(-1)!)) {
          const rows = await page(last, most);
          read.push(...rows);
          if (rows.length < most) break;
        }
        assert.deepEqual(ids(read), ids(whole));
        const counts = new Map(
          (await answerTo(pool, userCounts(accountIds, filter))).map((row) => [row.level, row.user_count]),
        );
        const counted = [...counts].filter(
          ([one]) => level === 'all' || one === level || (level === 'present' && one !== 'cleared'),
        );
        assert.equal(
          whole.length,
          counted.reduce((sum, [, count]) => sum + count, 0),
        );
      },
    ),
    { numRuns: 120 },
  );
});

test('by level, cleared users stand below low ones', async () => {
  const question = pageOfUsers(
    [ACCOUNTS[0]!],
    { level: 'all', absent: false, search: null },
    { sort: 'level', order: 'desc' },
    null,
    100,
  );
  const levels = (await answerTo(drizzle(db.pool), question)).map((row) => row.max_risk_level);
  assert.deepEqual([...new Set(levels)], ['high', 'medium', 'low', null]);
  assert.equal(levels.length, 24);
});
