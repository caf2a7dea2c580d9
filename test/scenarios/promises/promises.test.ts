// The checks after every fault can fail: a history is damaged on purpose, and the right promise must report it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startScenario, TOKEN, type Scenario } from '../../support/faults/fault-scenario.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url, users: 30 });
});
after(async () => {
  await scenario.close();
  await db.close();
});

const KEY = '(select account_key from risk.accounts where account_id = $1)';
const NEWEST = `(select max(snapshot_id) from risk.snapshots where account_key = ${KEY})`;
const SOMEBODY = `(select min(user_key) from risk.users where account_key = ${KEY} and max_risk_level is not null)`;

/** Statements, each with the account's id as $1, and the lines that the report must contain. */
const DAMAGES: Record<string, { statements: string[]; says: RegExp[] }> = {
  'a count by level is lost': {
    statements: [`delete from risk.snapshot_levels where account_key = ${KEY} and max_risk_level = 'high'`],
    says: [/^P1: counts of snapshot \d+ do not add up$/m],
  },
  'a count by level is wrong': {
    statements: [
      `update risk.snapshot_levels set user_count = user_count + case max_risk_level when 'low' then -1 else 1 end
        where account_key = ${KEY} and max_risk_level in ('low', 'high')`,
    ],
    says: [/^P1: snapshot \d+ rebuilt has other counts than its levels say/m],
  },
  'a run is lost': {
    statements: [`delete from risk.sync_runs where account_key = ${KEY} and snapshot_id = ${NEWEST}`],
    says: [/^P1: snapshot \d+ has 0 runs$/m],
  },
  'a snapshot is lost': {
    statements: [
      `delete from risk.snapshot_levels where account_key = ${KEY} and snapshot_id < ${NEWEST}`,
      `delete from risk.snapshots where account_key = ${KEY} and snapshot_id < ${NEWEST}`,
    ],
    says: [/^P1: run \d+ speaks of a snapshot that is not there$/m, /^P3: snapshot \d+ is gone$/m],
  },
  'half a publish is visible': {
    statements: [
      `update risk.users set event_count = event_count + 1 where account_key = ${KEY} and user_key = ${SOMEBODY}`,
    ],
    says: [/^P1: the current state is not the newest snapshot rebuilt$/m],
  },
  'two periods overlap': {
    statements: [
      `insert into risk.user_levels select account_key, user_key, valid_from + interval '1 microsecond', valid_from + interval '2 microseconds',
         max_risk_level, null, 'returned', 'absent', valid_from, null, snapshot_id
         from risk.user_levels where account_key = ${KEY} and user_key = ${SOMEBODY} and valid_to is null`,
    ],
    says: [/^P1: two level periods of a user overlap$/m],
  },
  'a present user is cleared': {
    statements: [
      `update risk.user_levels l set valid_to = s.observed_at, end_reason = 'absent', absent_since = s.observed_at, snapshot_id = s.snapshot_id
         from risk.snapshots s where s.account_key = ${KEY} and s.snapshot_id = ${NEWEST}
          and l.account_key = s.account_key and l.user_key = ${SOMEBODY} and l.valid_to is null`,
      `update risk.users u set max_risk_level = null, level_since = null, absent_since = null, cleared_at = s.observed_at, snapshot_id = s.snapshot_id
         from risk.snapshots s where s.account_key = ${KEY} and s.snapshot_id = ${NEWEST}
          and u.account_key = s.account_key and u.user_key = ${SOMEBODY}`,
    ],
    says: [
      /^P2: user [0-9a-f-]{36} was cleared by snapshot \d+ without having gone$/m,
      /^P3: .* for 1 users/m,
    ],
  },
  'an old name is changed': {
    statements: [
      `update risk.user_identities set name = 'Somebody Else' where account_key = ${KEY} and user_key = ${SOMEBODY}`,
    ],
    says: [/^P3: snapshot \d+ rebuilt is not the truth for 1 users/m],
  },
  'an old counter is changed': {
    statements: [
      `update risk.user_activity set last_event = last_event - interval '1 microsecond' where account_key = ${KEY}
          and user_key = ${SOMEBODY}`,
    ],
    says: [/^P3: snapshot \d+ rebuilt is not the truth for 1 users/m],
  },
  'a user is published who was never served': {
    statements: [
      `insert into risk.users (account_key, user_key, user_id, event_count, last_event, max_risk_level, level_since, identity_since, first_seen_at, snapshot_id)
         select ${KEY}, 1000, gen_random_uuid(), 1, now(), 'low', now(), now(), now(), ${NEWEST}`,
    ],
    says: [/^P1: a user without exactly one open identity$/m],
  },
  'instants are swapped': {
    statements: [
      `update risk.snapshots set observed_at = observed_at + interval '1 hour' where account_key = ${KEY} and snapshot_id < ${NEWEST}`,
    ],
    says: [/^P4: snapshot ids do not rise with observed_at$/m],
  },
  'a row is changed without a feed value': {
    statements: [
      `update risk.user_activity set event_count = event_count + 1 where account_key = ${KEY} and user_key = ${SOMEBODY}`,
    ],
    says: [/^P4: a reader by watermark has missed something in user_activity$/m],
  },
  'a row is written that has not changed': {
    statements: [
      `update risk.users set event_count = event_count where account_key = ${KEY} and user_key = ${SOMEBODY}`,
    ],
    says: [/^P5: one more sync of the same world touches users$/m],
  },
  'a key is skipped': {
    statements: [
      `update risk_internal.account_writers set last_user_key = last_user_key + 1 where account_key = ${KEY}`,
    ],
    says: [/^P5: one more sync of the same world touches user keys$/m],
  },
  'a lease is left over': {
    statements: [
      `insert into risk_internal.leases (account_key, run_id, owner, trigger, started_at, heartbeat_at, host, process)
         select ${KEY}, 1, gen_random_uuid(), 'cli', now(), now(), 'h', ''`,
    ],
    says: [/^P6: a lease is left over$/m],
  },
  'staged changes are left over': {
    statements: [
      `insert into risk_internal.staged_changes (account_key, user_key, user_id, is_new, is_missing, identity_changed, activity_changed)
         select ${KEY}, 1, gen_random_uuid(), false, false, false, false`,
    ],
    says: [/^P6: staged changes are left over$/m, /^P9: 1 rows have gathered in staging$/m],
  },
  'a slot has succeeded twice': {
    statements: [
      // The database would refuse it.
      'drop index if exists risk.sync_runs_slot',
      `update risk.sync_runs set scheduled_for = '2026-01-01' where account_key = ${KEY} and status = 'succeeded'`,
    ],
    says: [/^P6: slot 2026-01-01 \S+ succeeded 4 times$/m],
  },
  'an email is in a recorded error': {
    statements: [
      `update risk.sync_runs r set evidence = jsonb_build_object('who', i.email) from risk.user_identities i
        where r.account_key = ${KEY} and i.account_key = r.account_key and i.user_key = ${SOMEBODY}`,
    ],
    says: [/^P8: an email is in a log or an error$/m],
  },
};

for (const [what, { statements, says }] of Object.entries(DAMAGES)) {
  test(`assertPromises notices when ${what}`, async () => {
    const account = scenario.account();
    await account.succeed();
    scenario.later();
    await account.succeed();
    let syncs = 0;
    const broken = account.assertPromises({
      async failpoint(name) {
        // After the last sync has published, nothing can repair the damage.
        if (name !== 'published' || ++syncs < 2) return;
        for (const text of statements) await db.pool.query(text, text.includes('$1') ? [account.id] : []);
      },
    });
    const message = await said(broken);
    for (const line of says) assert.match(message, line);
    await forget(account.id);
  });
}

test('assertPromises notices when the next sync fails', async () => {
  const account = scenario.account();
  await account.succeed();
  const message = await said(account.assertPromises({ baseUrl: new URL('http://127.0.0.1:9/client/v4') }));
  assert.match(message, /^P7: the next sync fails: NETWORK$/m);
});

test('assertPromises notices when a log holds a token, an email or a name', async () => {
  const account = scenario.account();
  await account.succeed();
  const [user] = scenario.world();
  for (const [what, text] of [
    ['a secret', TOKEN],
    ['an email', user?.email],
    ['a name', user?.name],
  ] as const) {
    const logged = scenario.logs.length;
    scenario.logs.push(`{"message":"${text}"}`);
    assert.equal(await said(account.assertPromises()), `P8: ${what} is in a log or an error`);
    scenario.logs.length = logged;
  }
});

test('assertPromises notices when a connection is not given back', async () => {
  const account = scenario.account();
  await account.succeed();
  const kept = await scenario.pool.connect();
  try {
    assert.equal(await said(account.assertPromises()), 'P9: connections were not given back to the pool');
  } finally {
    kept.release();
  }
});

test('assertPromises accepts an undamaged account, and can be called again', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  await account.succeed();
  await account.assertPromises();
  scenario.later();
  await account.succeed();
  await account.assertPromises();
});

async function said(assertion: Promise<void>): Promise<string> {
  return assertion.then(
    () => assert.fail('nothing was noticed'),
    (error: unknown) => {
      assert.ok(error instanceof assert.AssertionError, String(error));
      return error.message;
    },
  );
}

/** What a damaged account has left must not be found with the next account. */
async function forget(accountId: string): Promise<void> {
  await db.pool.query(`delete from risk_internal.staged_changes where account_key = ${KEY}`, [accountId]);
}
