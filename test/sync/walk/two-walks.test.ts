// A case that two complete walks cannot see. In every pass, a user who has been read is reset, and the first user of
// the next page moves to the page before it, unread. See docs/reliability.md, "Two complete walks".
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createLivingAccount, type Happening, type RunScript } from '../../support/api/living-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { runSyncOf } from '../../support/stage.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const STILL: RunScript = { during: [], downFrom: null, lookups: null, refused: null, total: 0 };
/** The user who has been present longest. */
const resetFirst: Happening = { kind: 'reset', who: 0 };
/** Pages of two, A B · C D · X. Pass 1: A is reset once C and D are read. Pass 2: B and C are, once they are read. */
const SLIPS: RunScript = {
  ...STILL,
  during: [
    { before: 3, what: resetFirst },
    { before: 6, what: resetFirst },
    { before: 6, what: resetFirst },
  ],
};

async function twoWalks(confirm: 'lookup' | 'walks') {
  const accountId = randomBytes(16).toString('hex');
  const account = createLivingAccount(accountId, 'no_level');
  const newestFirst = () => {
    for (const who of [3, 2, 1, 0]) account.happen({ kind: 'act', who, level: 'low' });
  };
  const sync = async (script: RunScript) => {
    account.begin(script);
    const outcome = await runSyncOf(accountId, {
      pool: db.pool,
      client: account.client,
      settings: { perPage: 2, concurrency: 1, confirm },
    });
    assert.equal(outcome.error, null);
    return outcome.published?.verdict;
  };
  for (let person = 0; person < 5; person++) account.happen({ kind: 'arrive', level: 'low' });
  newestFirst();
  assert.equal(await sync(STILL), 'complete');
  const since = account.now();
  const verdicts = [await sync(SLIPS)];
  newestFirst();
  verdicts.push(await sync(SLIPS));
  const x = [...account.truth().keys()].find(
    (userId) => !account.wasWithout(userId, since, account.now()) && !account.served().has(userId),
  );
  assert.ok(x !== undefined, 'a user was present all the time and was never read');
  const [row] = await db.rows<{ max_risk_level: string | null }>(
    'select max_risk_level from risk.users join risk.accounts using (account_key) where account_id = $1 and user_id = $2',
    [accountId, x],
  );
  return { verdicts, level: row?.max_risk_level };
}

test('two complete walks in a row can miss the same user, who is then wrongly cleared: walks alone cannot know', async () => {
  assert.deepEqual(await twoWalks('walks'), { verdicts: ['complete', 'complete'], level: null });
});

test("with lookups, the same user stays, because the user's own record still shows a level", async () => {
  assert.deepEqual(await twoWalks('lookup'), { verdicts: ['complete', 'complete'], level: 'low' });
});
