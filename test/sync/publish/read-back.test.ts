// After a large publish, the worker reads the new rows once. So it notices at once when the database loses some at
// COMMIT.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { servedAccount } from '../../support/api/served-account.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const USERS = 1_200;

test('finds every row of a first load', async () => {
  await servedAccount(db.pool, USERS).succeed();
});

test('a row that is lost at COMMIT is STATE_BROKEN, for the snapshot that was just published', async () => {
  // As late in the transaction as possible: every statement has reported its rows by then.
  await db.pool.query(`
    create function public.lose_one() returns trigger language plpgsql as $$ begin
      delete from risk.user_activity where account_key = new.account_key and user_key = new.user_key;
      return null;
    end $$;
    create constraint trigger lose_one after insert on risk.user_activity deferrable initially deferred
      for each row when (new.user_key = 7) execute function public.lose_one()`);
  try {
    const { error, published } = await servedAccount(db.pool, USERS).sync();
    assert.deepEqual([error?.code, error?.exit], ['STATE_BROKEN', 1]);
    assert.match(error?.message ?? '', /1200, 1200, 1200, 1199 rows.*just published is not whole.*doctor/s);
    assert.notEqual(published?.snapshotId, null);
  } finally {
    await db.pool.query('drop trigger lose_one on risk.user_activity; drop function public.lose_one()');
  }
});
