// Two rejected records may be equal in the part that is kept, and still belong to different users. Both users are met.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { runSyncOf } from '../../support/stage.ts';

const risk = { max_risk_level: 'low', event_count: 1, last_event: '2026-01-01T00:00:00Z' };
const good = (who: string) => ({ user_id: uuidOf(who), ...risk });
// The name alone is longer than the part that is kept, and the user id comes after the name.
const tooLong = (who: string) => ({ name: 'x'.repeat(10_001), user_id: uuidOf(who), ...risk });

test('counts two users as met when their rejected records are equal up to the point where they are cut', async (t) => {
  const database = await migratedDatabase();
  t.after(() => database.close());
  const sync = async (records: readonly unknown[]) => {
    const outcome = await runSyncOf('d'.repeat(32), {
      pool: database.pool,
      client: {
        summaryPage: ({ page, openReader }) =>
          serveRecords(page === 1 ? records : [], { total_count: records.length }, openReader),
        lookUpUser: async () => null,
      },
      settings: { perPage: 100, concurrency: 1 },
    });
    assert.equal(outcome.error, null);
    return outcome.published;
  };
  const others = [good('ada'), good('ivy'), good('kim')];
  await sync([...others, good('bob'), good('eve')]);
  const together = await sync([...others, tooLong('bob'), tooLong('eve')]);
  const alone = await sync([...others, good('bob'), tooLong('eve')]);
  assert.deepEqual([together?.verdict, together?.carried], ['complete', 2]);
  assert.deepEqual([alone?.verdict, alone?.carried], ['complete', 1]);
  const absent = await database.rows('select user_id from risk.users where absent_since is not null');
  assert.deepEqual(absent, []);
});
