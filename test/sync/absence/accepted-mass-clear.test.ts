// Many users are missing at once: what is asked before they are cleared, and how the run ends once a person has
// accepted it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EXIT } from '../../../src/errors.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import {
  LEVEL,
  user,
  UNREADABLE,
  range,
  problem,
  nobodyGone,
  goneFrom,
  hangingAt,
  type Say,
  askedAccount,
} from '../../support/world/asked-account.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const createAccount = () => askedAccount(db);

test('the lookups of a mass clear keep to the budget, and one run clears all users once it is accepted', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const refused = await sync(range(0, 20), goneFrom(20), { confirmLookups: 5 });
  assert.equal(refused.error?.code, 'MASS_CLEAR');
  assert.deepEqual(
    [refused.published?.cleared, refused.published?.verdict, refused.asked.length],
    [0, 'partial', 7],
  );
  const accepted = await sync(range(0, 20), goneFrom(20), { confirmLookups: 5, accept: true });
  assert.equal(accepted.error, null);
  assert.equal(accepted.published?.cleared, 40);
});

test('an accepted mass clear that runs out of time clears the users who were asked, says so, and the next run continues', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const first = await sync(range(0, 20), hangingAt(27, goneFrom(20)), { timeBudgetMs: 1_500, accept: true });
  assert.deepEqual([first.error?.code, first.error?.exit], ['CLEAR_PENDING', EXIT.tryLater]);
  assert.match(first.error?.message ?? '', /Of the 40 .* 15 could not be looked up/);
  assert.deepEqual([first.published?.verdict, first.published?.cleared], ['complete', 25]);
  const [run] = await db.rows(
    'select status, verdict, error_code from risk.sync_runs where snapshot_id = $1',
    [first.published?.snapshotId],
  );
  assert.deepEqual(run, { status: 'failed', verdict: 'complete', error_code: 'CLEAR_PENDING' });
  const second = await sync(range(0, 20), goneFrom(20), { accept: true });
  assert.deepEqual([second.error, second.published?.cleared, second.published?.carried], [null, 15, 0]);
});

test('an accepted mass clear during an outage clears no user, and says so', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const result = await sync(range(0, 20), () => problem('NETWORK'), { accept: true });
  assert.deepEqual([result.error?.code, result.published?.cleared], ['CLEAR_PENDING', 0]);
});

test('an accepted mass clear is unfinished while a record gives no readable answer, and two walks can settle it', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const say: Say = (userId, nth) => (userId === user(59) ? problem('BAD_ANSWER') : goneFrom(20)(userId, nth));
  const result = await sync(range(0, 20), say, { accept: true });
  assert.deepEqual(
    [result.error?.code, result.published?.cleared, result.published?.carried],
    ['CLEAR_PENDING', 39, 1],
  );
  assert.match(result.error?.message ?? '', /did not meet, the lookups of 1 gave .*SYNC_CONFIRM=walks/);
  const walks = await sync(range(0, 20), say, { confirm: 'walks' });
  assert.deepEqual([walks.error, walks.published?.cleared], [null, 1]);
});

test('an accepted mass clear in which some lookups fail for a moment is finished by the next run', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const say: Say = (userId, nth) => (nth === 5 || nth === 7 ? problem('NETWORK') : goneFrom(20)(userId, nth));
  const first = await sync(range(0, 20), say, { accept: true });
  assert.deepEqual([first.error?.code, first.published?.cleared], ['CLEAR_PENDING', 38]);
  const second = await sync(range(0, 20), goneFrom(20), { accept: true });
  assert.deepEqual([second.error, second.published?.cleared], [null, 2]);
});

test('a mass clear of users whose records give no readable answer can be finished', async () => {
  const { sync } = createAccount();
  await sync(range(0, 100), nobodyGone);
  const say: Say = (userId) =>
    range(0, 40).some((one) => user(one) === userId) ? LEVEL : problem('BAD_ANSWER');
  assert.equal((await sync(range(0, 40), say)).error?.code, 'MASS_CLEAR');
  const accepted = await sync(range(0, 40), say, { accept: true });
  assert.deepEqual([accepted.error?.code, accepted.published?.cleared], ['CLEAR_PENDING', 0]);
  assert.match(
    accepted.error?.message ?? '',
    /57 could not be looked up, and the lookups of 3 gave .*SYNC_CONFIRM=walks/,
  );
  const walks = await sync(range(0, 40), say, { accept: true, confirm: 'walks' });
  assert.deepEqual([walks.error, walks.published?.cleared], [null, 60]);
  assert.equal((await sync(range(0, 40), say)).error, null);
});

describe('an accepted mass clear that is unfinished says why, and what will finish it, after', () => {
  const shown = range(0, 20);
  const refused: Say = () => problem('LOOKUPS_REFUSED');
  const cases: [title: string, run: Parameters<ReturnType<typeof createAccount>['sync']>, says: RegExp][] = [
    [
      'a record without a readable user',
      [[...shown, UNREADABLE], goneFrom(20), {}],
      /none can be cleared: 1 of the records .* readable user id.*the met users are published.*rejected list/,
    ],
    [
      'a partial walk without lookups',
      [shown, nobodyGone, { confirm: 'walks', total: 21 }],
      /the walk is partial.*the met users are published.*complete walk/,
    ],
    [
      'a partial walk with refused lookups',
      [shown, refused, { total: 21 }],
      /the walk is partial.*the met users are published.*complete walk/,
    ],
    [
      'an outage',
      [shown, () => problem('NETWORK'), {}],
      /40 could not be looked up\. .*again; it looks up the waiting users/,
    ],
    [
      'a dry run, which publishes nothing',
      [shown, (id, nth) => (nth === 5 ? problem('NETWORK') : goneFrom(20)(id, nth)), { dryRun: true }],
      /The 39 .* would be cleared.*a dry run publishes nothing/,
    ],
  ];
  for (const [title, [users, say, over], says] of cases) {
    test(title, async () => {
      const { sync } = createAccount();
      await sync(range(0, 60), nobodyGone);
      const { error } = await sync(users, say, { ...over, accept: true });
      assert.equal(error?.code, 'CLEAR_PENDING');
      assert.match(error?.message ?? '', says);
    });
  }
});
