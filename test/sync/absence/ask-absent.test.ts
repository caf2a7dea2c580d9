// Which users are asked, in which order, how many, and when the answers are believed. The runs and the database are
// real. The test says what the records of the API say.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OpenReader } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { UserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { runSyncOf } from '../../support/stage.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import {
  LEVEL,
  NO_LEVEL,
  RESET,
  user,
  UNREADABLE,
  range,
  problem,
  nobodyGone,
  goneFrom,
  evidenceOf,
  hangingAt,
  type Said,
  type Say,
  record,
  askedAccount,
} from '../../support/world/asked-account.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const createAccount = () => askedAccount(db);

test('no user is asked when every user was met', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const result = await sync(range(0, 12), nobodyGone);
  assert.deepEqual(result.asked, []);
  assert.equal(evidenceOf(result), undefined);
});

test('a control is asked first and once more at the end, and users without a level are cleared at once', async () => {
  const { sync, column } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const result = await sync(range(0, 8), goneFrom(8));
  assert.equal(result.published?.cleared, 2);
  assert.equal(result.asked.length, 4);
  const met = range(0, 8).map(user);
  assert.ok(met.includes(result.asked[0]!) && met.includes(result.asked[3]!));
  assert.deepEqual(result.asked.slice(1, 3).toSorted(), [user(8), user(9)].toSorted());
  assert.equal(result.facts.lookups, 2);
  const { state, asked, reset, waiting, missing } = evidenceOf(result);
  assert.deepEqual(
    { state, asked, reset, waiting, missing },
    {
      state: 'working',
      asked: 2,
      reset: 2,
      waiting: 0,
      missing: 2,
    },
  );
  assert.equal((await column('u.cleared_at is null')).filter(Boolean).length, 8);
});

test('a user whose record shows a level stays, and needs no second control', async () => {
  const { sync, column, accountId } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const result = await sync(range(0, 9), nobodyGone);
  assert.deepEqual([result.published?.cleared, result.published?.carried, result.asked.length], [0, 1, 2]);
  assert.equal((await column('u.absent_since is not null')).filter(Boolean).length, 1);
  const [answer] = await db.rows(
    `select outcome from risk_internal.lookups join risk.users using (account_key, user_key)
       join risk.accounts using (account_key) where account_id = $1 and user_id = $2`,
    [accountId, user(9)],
  );
  assert.deepEqual(answer, { outcome: 'level' });
});

test('a partial walk clears only the users whose own record shows no level', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  // The server states one user more than it shows.
  const result = await sync(range(0, 8), goneFrom(9), { total: 9 });
  assert.equal(result.published?.verdict, 'partial');
  assert.deepEqual([result.published?.cleared, result.published?.carried], [1, 1]);
});

describe('a record without a level and without a reset', () => {
  const hollow: Say = (userId) => (userId === user(9) ? NO_LEVEL : LEVEL);

  test('clears only with a second complete walk without the user', async () => {
    const { sync } = createAccount();
    await sync(range(0, 10), nobodyGone);
    const first = await sync(range(0, 9), hollow);
    assert.deepEqual([first.published?.cleared, evidenceOf(first)['no_level']], [0, 1]);
    // A partial walk in between does not count.
    assert.equal((await sync(range(0, 9), hollow, { total: 10 })).published?.cleared, 0);
    assert.equal((await sync(range(0, 9), hollow)).published?.cleared, 1);
  });

  test('does not count with a walk from before the record last showed a level', async () => {
    const { sync } = createAccount();
    await sync(range(0, 10), nobodyGone);
    for (let walk = 0; walk < 3; walk++) await sync(range(0, 9), nobodyGone);
    assert.equal((await sync(range(0, 9), hollow)).published?.cleared, 0);
    assert.equal((await sync(range(0, 9), hollow)).published?.cleared, 1);
  });

  test('clears when a person accepts it, but not after a partial walk', async () => {
    const { sync } = createAccount();
    await sync(range(0, 60), nobodyGone);
    const say: Say = (userId) => (range(0, 20).some((one) => user(one) === userId) ? LEVEL : NO_LEVEL);
    assert.equal((await sync(range(0, 20), say)).error?.code, 'MASS_CLEAR');
    const partial = await sync(range(0, 20), say, { accept: true, total: 21 });
    assert.deepEqual([partial.error?.code, partial.published?.cleared], ['CLEAR_PENDING', 0]);
    assert.match(partial.error?.message ?? '', /the lookups of 40 gave no certain answer/);
    const complete = await sync(range(0, 20), say, { accept: true });
    assert.deepEqual([complete.error, complete.published?.cleared], [null, 40]);
  });
});

test('the budget limits the lookups, and users who have been absent longest come first', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  await sync(range(0, 9), nobodyGone, { confirmLookups: 0 });
  await sync(range(0, 8), nobodyGone, { confirmLookups: 0 });
  const result = await sync(range(0, 6), goneFrom(6), { confirmLookups: 2 });
  assert.deepEqual(result.asked.slice(1, 3), [user(9), user(8)]);
  assert.equal(result.published?.cleared, 2);
  assert.equal(evidenceOf(result)['waiting'], 2);
  const rest = await sync(range(0, 6), goneFrom(6), { confirmLookups: 100 });
  assert.equal(rest.published?.cleared, 2);
});

test('records that insist on a level do not use up the budget for other users', async () => {
  const { sync } = createAccount();
  const insists: Say = (userId) => (userId === user(10) || userId === user(11) ? RESET : LEVEL);
  await sync(range(0, 12), nobodyGone);
  let cleared = 0;
  for (let run = 0; run < 2; run++)
    cleared += (await sync(range(0, 8), insists, { confirmLookups: 2 })).published?.cleared ?? 0;
  assert.equal(cleared, 2);
});

test('a record that insists on a level through five complete walks is a warning, and changes nothing', async () => {
  const { sync, logs } = createAccount();
  await sync(range(0, 10), nobodyGone);
  for (let walk = 1; walk <= 6; walk++) {
    const result = await sync(range(0, 9), nobodyGone);
    assert.equal(evidenceOf(result)['insisting'], walk >= 5 ? 1 : 0, `walk ${walk}`);
    assert.equal(result.published?.users, 10);
  }
  assert.equal(logs.filter((line) => line.includes('insist on a level')).length, 2);
  assert.ok(!logs.join('').includes(user(9)));
});

test('an answer from something in front of the API is not a refusal of lookups: the next run asks again', async () => {
  for (const code of ['CHALLENGED', 'BLOCKED', 'ADDRESS_REFUSED'] as const) {
    const { sync } = createAccount();
    await sync(range(0, 10), nobodyGone);
    for (let turn = 1; turn <= 3; turn++) {
      const ran = await sync(range(0, 9), () => problem(code));
      assert.deepEqual([ran.published?.cleared, evidenceOf(ran)['state']], [0, 'unanswered'], code);
    }
  }
});

describe('a second complete walk decides when records cannot be asked:', () => {
  const reasons: [title: string, say: Say, state: string][] = [
    ['lookups are refused', () => problem('LOOKUPS_REFUSED'), 'refused'],
    ['no user has a level, not even users who were met', () => NO_LEVEL, 'control_failed'],
    ['no user is known', () => null, 'control_failed'],
    // This may be permanent: a form that this version does not know, or a page from something in between.
    ['the answer is not a record', () => problem('BAD_ANSWER'), 'control_failed'],
    ['the answer is too long to be read', () => problem('BODY_TOO_LARGE'), 'control_failed'],
    ['the answer redirects', () => problem('REDIRECTED'), 'control_failed'],
  ];
  for (const [title, say, state] of reasons) {
    test(title, async () => {
      const { sync } = createAccount();
      await sync(range(0, 10), nobodyGone);
      const first = await sync(range(0, 9), say);
      assert.deepEqual([first.published?.cleared, evidenceOf(first)['state']], [0, state]);
      // A partial walk in between does not count as the second one.
      assert.equal((await sync(range(0, 9), say, { total: 10 })).published?.cleared, 0);
      assert.equal((await sync(range(0, 9), say)).published?.cleared, 1);
    });
  }

  test('lookups are switched off', async () => {
    const { sync } = createAccount();
    await sync(range(0, 10), nobodyGone);
    const first = await sync(range(0, 9), nobodyGone, { confirm: 'walks' });
    assert.deepEqual([first.asked.length, first.published?.cleared], [0, 0]);
    assert.equal(evidenceOf(first)['state'], 'off');
    // Met again in between: the absence starts anew.
    await sync(range(0, 10), nobodyGone, { confirm: 'walks' });
    assert.equal((await sync(range(0, 9), nobodyGone, { confirm: 'walks' })).published?.cleared, 0);
    assert.equal((await sync(range(0, 9), nobodyGone, { confirm: 'walks' })).published?.cleared, 1);
  });
});

describe('a failed control proves nothing, so up to three are asked:', () => {
  const slips: [title: string, said: Said][] = [
    ['the control may have been reset meanwhile', NO_LEVEL],
    ['the control’s record may be broken', problem('BAD_ANSWER')],
    ['the control’s record may be too long', problem('BODY_TOO_LARGE')],
    ['the control’s record may always fail', problem('CLOUDFLARE_UNAVAILABLE')],
    ['something in between may refuse this address', problem('LOOKUPS_REFUSED')],
  ];
  for (const [title, said] of slips) {
    test(title, async () => {
      const { sync } = createAccount();
      await sync(range(0, 10), nobodyGone);
      const result = await sync(range(0, 9), (userId, nth) =>
        nth <= 2 ? said : userId === user(9) ? RESET : LEVEL,
      );
      assert.deepEqual([evidenceOf(result)['state'], result.published?.cleared], ['working', 1]);
    });
  }
});

test('walks from before a record last showed a level do not outweigh that record', async () => {
  const { sync } = createAccount();
  const refused: Say = () => problem('LOOKUPS_REFUSED');
  await sync(range(0, 10), nobodyGone);
  for (let walk = 0; walk < 3; walk++) await sync(range(0, 9), nobodyGone);
  const first = await sync(range(0, 9), refused);
  assert.deepEqual([evidenceOf(first)['state'], first.published?.cleared], ['refused', 0]);
  await sync(range(0, 9), nobodyGone);
  // Refused twice more. Now two complete walks miss the user, and no record has shown a level since.
  assert.equal((await sync(range(0, 9), refused)).published?.cleared, 0);
  assert.equal((await sync(range(0, 9), refused)).published?.cleared, 1);
});

test('answers are not believed when the control after them fails, and no user is cleared', async () => {
  const { sync, logs } = createAccount();
  await sync(range(0, 10), nobodyGone);
  await sync(range(0, 9), nobodyGone);
  // From the second lookup on, the endpoint knows no user.
  const result = await sync(range(0, 9), (_, nth) => (nth === 1 ? LEVEL : null));
  assert.equal(result.published?.cleared, 0);
  assert.equal(evidenceOf(result)['state'], 'unanswered');
  assert.match(logs.join(''), /not believed/);
  assert.equal((await sync(range(0, 9), goneFrom(9))).published?.cleared, 1);
});

describe('an outage is not a refusal, and leaves everything to the next run, however often users were absent:', () => {
  for (const code of ['CLOUDFLARE_UNAVAILABLE', 'NETWORK', 'RATE_LIMITED'] as const) {
    test(code, async () => {
      const { sync } = createAccount();
      await sync(range(0, 10), nobodyGone);
      for (let run = 0; run < 3; run++) {
        const result = await sync(range(0, 9), () => problem(code));
        assert.equal(result.error, null);
        assert.deepEqual(
          [evidenceOf(result)['state'], result.published?.cleared, result.asked.length],
          ['unanswered', 0, 3],
        );
      }
    });
  }
});

test('an outage during the lookups keeps the answers before the last control that passed', async () => {
  const { sync } = createAccount();
  await sync(range(0, 500), nobodyGone);
  // A control, 200 lookups, the control again, 20 more lookups, then no answer.
  const result = await sync(
    range(0, 260),
    (userId, nth) => (nth > 222 ? problem('NETWORK') : goneFrom(260)(userId, nth)),
    { confirmLookups: 400 },
  );
  assert.equal(result.published?.cleared, 200);
  const { state, reset, asked, waiting } = evidenceOf(result);
  assert.deepEqual(
    { state, reset, asked, waiting },
    { state: 'working', reset: 200, asked: 221, waiting: 40 },
  );
  assert.equal((await sync(range(0, 260), goneFrom(260))).published?.cleared, 40);
});

describe('an answer that fails for one user alone stops no other lookup:', () => {
  for (const code of [
    'BAD_ANSWER',
    'BODY_TOO_LARGE',
    'CLOUDFLARE_UNAVAILABLE',
    'NETWORK',
    'LOOKUPS_REFUSED',
  ] as const) {
    test(code, async () => {
      const { sync, column } = createAccount();
      await sync(range(0, 20), nobodyGone);
      // More than one run can ask, and all of them absent longest.
      const broken = range(14, 20).map(user);
      const say: Say = (userId, nth) => (broken.includes(userId) ? problem(code) : goneFrom(10)(userId, nth));
      await sync(range(0, 14), say, { confirmLookups: 0 });
      const cleared: unknown[] = [];
      const unreadable: unknown[] = [];
      for (let run = 0; run < 4; run++) {
        const result = await sync(range(0, 10), say, { confirmLookups: 4, concurrency: 2 });
        cleared.push(result.published?.cleared);
        unreadable.push(evidenceOf(result)['unreadable']);
      }
      assert.deepEqual(
        [cleared, unreadable],
        [
          [0, 2, 2, 0],
          [4, 2, 2, 4],
        ],
      );
      assert.equal((await column('u.max_risk_level')).filter((level) => level === null).length, 4);
    });
  }
});

test('while a record without a readable user is there, every user stays, and no lookups are made', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  for (let run = 0; run < 2; run++) {
    const result = await sync([...range(0, 8), UNREADABLE], goneFrom(8));
    assert.deepEqual([result.published?.verdict, result.published?.cleared], ['partial', 0]);
    assert.deepEqual(result.asked, []);
  }
});

test('the time budget ends the lookups in time for the control, and their answers are published', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const result = await sync(range(0, 6), hangingAt(4, goneFrom(6)), { timeBudgetMs: 1_500 });
  assert.equal(result.error, null);
  assert.deepEqual([result.published?.verdict, result.published?.cleared], ['complete', 2]);
  const { state, asked, waiting } = evidenceOf(result);
  assert.deepEqual({ state, asked, waiting }, { state: 'working', asked: 3, waiting: 2 });
});

test('a control that does not answer in time confirms no clear, but levels that were shown are kept', async () => {
  const { sync } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const say: Say = (userId) => (userId === user(6) ? RESET : LEVEL);
  const result = await sync(range(0, 6), hangingAt(6, say), { timeBudgetMs: 1_000 });
  assert.deepEqual([result.error, result.published?.cleared], [null, 0]);
  const { level, reset, waiting } = evidenceOf(result);
  assert.deepEqual({ level, reset, waiting }, { level: 3, reset: 0, waiting: 1 });
  // The waiting user comes first.
  const next = await sync(range(0, 6), say, { confirmLookups: 1 });
  assert.deepEqual([next.asked[1], next.published?.cleared], [user(6), 1]);
});

test('a defect in a lookup fails the run, and no other answer is published', async () => {
  const { sync, column } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const result = await sync(range(0, 6), (userId, nth) => {
    if (nth === 3) throw new TypeError('a defect');
    return goneFrom(6)(userId, nth);
  });
  assert.deepEqual([result.error?.code, result.published], ['UNEXPECTED', null]);
  assert.equal((await column('u.cleared_at is null')).filter(Boolean).length, 10);
});

test('a signal that arrives with the last answer still stops the run before it publishes', async () => {
  const { sync, accountId, column } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const stop = new AbortController();
  let asked = 0;
  const client = {
    summaryPage: ({ openReader }: { openReader: OpenReader<unknown> }) =>
      serveRecords(range(0, 8).map(record), { total_count: 8 }, openReader),
    lookUpUser: async ({ userId }: { userId: string }) => {
      asked += 1;
      // A control, the two users, and the control again.
      if (asked === 4) stop.abort(problem('INTERRUPTED'));
      return (await goneFrom(8)(userId, asked)) as UserRecord;
    },
  };
  const result = await runSyncOf(
    accountId,
    { pool: db.pool, client: client as never, settings: { perPage: 1_000, concurrency: 1 } },
    { signal: stop.signal },
  );
  assert.equal(asked, 4);
  assert.deepEqual([result.error?.code, result.published], ['INTERRUPTED', null]);
  assert.equal((await column('u.cleared_at is null')).filter(Boolean).length, 10);
});

test('a dry run that meets a mass clear does not claim that anything was published', async () => {
  const { sync } = createAccount();
  await sync(range(0, 60), nobodyGone);
  const { error } = await sync(range(0, 20), goneFrom(20), { dryRun: true });
  assert.equal(error?.code, 'MASS_CLEAR');
  assert.match(error?.message ?? '', /nobody would be cleared; a dry run publishes nothing/);
});

test('a dry run asks, names how many it would clear, and keeps nothing', async () => {
  const { sync, column, accountId } = createAccount();
  await sync(range(0, 10), nobodyGone);
  const kept = async () => [
    await rowsOfHistory(db.pool, accountId),
    await db.rows('select last_snapshot_id from risk_internal.feed_clock'),
    await db.rows('select account_key, run_id from risk_internal.lookups order by 1, 2'),
  ];
  const before = await kept();
  const dry = await sync(range(0, 9), goneFrom(9), { dryRun: true });
  assert.deepEqual(await kept(), before);
  assert.deepEqual([dry.published?.cleared, dry.published?.snapshotId], [1, null]);
  assert.equal((await column('u.max_risk_level')).filter((level) => level === 'low').length, 10);
  assert.deepEqual(await db.rows('select 1 from risk_internal.staged_changes'), []);
});
