// Records that cannot be accepted, and unknown fields: line 11 of the faults in docs/reliability.md.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { UserRisk } from '../../../src/user-risk.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import { records, type Fields } from '../../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url });
});
after(async () => {
  await scenario.close();
  await db.close();
});

const without = (field: string) => (record: Fields) =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== field));
const having = (field: string, value: unknown) => (record: Fields) => ({ ...record, [field]: value });

/** How a record is spoiled, and the reason that is kept with it. */
const SPOILED: readonly [string, (record: Fields) => unknown][] = [
  ['max_risk_level: missing', without('max_risk_level')],
  ['max_risk_level: unknown level', having('max_risk_level', null)],
  ['max_risk_level: unknown level', having('max_risk_level', 'critical')],
  ['event_count: missing', without('event_count')],
  ['event_count: not a whole number from 0 to 2147483647', having('event_count', 2 ** 31)],
  ['event_count: not a whole number from 0 to 2147483647', having('event_count', -1)],
  ['last_event: missing', without('last_event')],
  ['last_event: not an RFC 3339 date-time from year 1 to 9999', having('last_event', '0000-06-01T00:00:00Z')],
  ['name: holds a NUL character', having('name', 'A\0da')],
  ['name: holds a lone surrogate', having('name', 'A\ud800da')],
  ['name: longer than 10000 characters', having('name', 'x'.repeat(1_000_000))],
  ['email: not text', having('email', 17)],
];

test('records with a missing field, null, an unknown level, NUL, year 0, a number too large, a name of 1 MB: each is quarantined, and its user keeps the last good state, run after run', async () => {
  const account = scenario.account();
  await account.succeed();
  const yesterday = new Map(scenario.world().map((user) => [user.user_id, user]));
  scenario.later();
  const today = scenario.world();
  // Some known users who have changed since, some new users, and some others.
  const changed = today.filter(
    (user) => JSON.stringify(user) !== JSON.stringify(yesterday.get(user.user_id)),
  );
  const victims = [...new Set([...changed.slice(0, 8), ...today])].slice(0, SPOILED.length);
  const spoilOf = new Map(victims.map((user, index) => [user.user_id, SPOILED[index]!]));
  const state = today.flatMap((user): UserRisk[] => {
    if (!spoilOf.has(user.user_id)) return [user];
    const known = yesterday.get(user.user_id);
    return known === undefined ? [] : [known];
  });
  assert.ok(victims.some((user) => yesterday.has(user.user_id) && changed.includes(user)));

  const fault = records((record) => spoilOf.get(String(record['user_id']))?.[1](record) ?? record);
  scenario.api.script([{ fault }]);
  for (let turn = 1; turn <= 3; turn++) {
    const ran = await account.succeed({ state });
    assert.equal(ran.facts?.rejected, SPOILED.length);
  }
  const rows = await db.rows<{ user_id: string; reason: string; length: number; runs: number }>(
    `select user_id, reason, length(raw) as length, (last_run_id - first_run_id)::integer as runs
       from risk_internal.rejected_records join risk.accounts using (account_key) where account_id = $1`,
    [account.id],
  );
  assert.deepEqual(
    new Map(rows.map(({ user_id, reason }) => [user_id, reason])),
    new Map([...spoilOf].map(([id, [reason]]) => [id, reason])),
  );
  assert.equal(rows.length, SPOILED.length, 'one row per record, however many runs met it');
  assert.ok(rows.every(({ length, runs }) => length <= 4_096 && runs >= 2));
  await account.assertPromises();
});

test('records without a readable user: the walk is partial, and no user is cleared', async () => {
  const account = scenario.account();
  await account.succeed();
  const [a, b, c, d, e] = scenario.world().map((user) => user.user_id);
  const spoils = new Map<unknown, (record: Fields) => unknown>([
    [a, without('user_id')],
    [b, having('user_id', null)],
    [c, having('user_id', 'nobody')],
    [d, () => null],
    [e, () => 'a string'],
  ]);
  scenario.api.script([
    { fault: records((record) => (spoils.get(record['user_id']) ?? ((r) => r))(record)) },
  ]);
  for (let turn = 1; turn <= 2; turn++) {
    const { published, error } = await account.sync();
    assert.equal(error, null);
    assert.equal(published?.verdict, 'partial');
    assert.deepEqual([published?.cleared, published?.carried], [0, spoils.size]);
  }
  await account.assertPromises();
});

test('too many records that cannot be accepted: exit 1, and nothing is published', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  scenario.api.script([{ fault: records(having('max_risk_level', 'severe')) }]);
  await account.fail('TOO_MANY_REJECTED', 1);
  await account.assertPromises();
});

test('unknown fields do no harm, and are noted once', async () => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  scenario.api.script([
    { fault: records((record) => ({ ...record, department: 'Sales', tags: [{ a: 1 }] })) },
  ]);
  const ran = await account.succeed();
  assert.equal(ran.facts?.rejected, 0);
  assert.deepEqual(ran.facts?.evidence.unknown_fields, ['department', 'tags']);
  assert.ok(!JSON.stringify(ran.facts).includes('Sales'));
  await account.assertPromises();
});
