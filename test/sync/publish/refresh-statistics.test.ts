// After a load of many users, the planner knows how many there are, before the first question.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refreshStatistics } from '../../../src/sync/publish/refresh-statistics.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { servedAccount } from '../../support/api/served-account.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const USERS = 1_200;
const TABLES = ['user_activity', 'user_identities', 'user_levels', 'users'];

const expectedRows = () =>
  db.rows<{ table: string; rows: number }>(
    `select relname as table, reltuples::integer as rows from pg_class
      where relnamespace = 'risk'::regnamespace and relname = any(array['${TABLES.join("','")}']) order by relname`,
  );

test('a first load leaves statistics of its own', async () => {
  await servedAccount(db.pool, USERS).succeed();
  assert.deepEqual(
    await expectedRows(),
    TABLES.map((table) => ({ table, rows: USERS })),
  );
});

test('only a load that changes what the planner expects refreshes them', async () => {
  const sums = (users: number) => {
    const none = { users: 0, events: 0 };
    return { low: { users, events: 0 }, medium: none, high: none };
  };
  for (const [appeared, users, isRefreshed] of [
    [999, 999, false],
    [1_000, 1_000, true],
    [1_000, 5_001, false],
    [2_000, 10_000, true],
    [0, 10_000, false],
  ] as const)
    assert.equal(await refreshStatistics(db.pool, { appeared, sums: sums(users) }), isRefreshed);
});
