// Erasing a person in whole runs: what is deleted, what stays, and what happens when the API serves the person again.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { eraseOf, everythingIn, rarePerson } from '../../support/histories/erased-history.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

/** The clock that serves the account: in a distributed history, its own. */
const CLOCK = `select feed_id as at from risk_bi.feed_clock where coalesce(account_id, $1) = $1`;

describe('an erased person', { concurrency: false }, () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const stateOf = (account: ServedAccount, userId: string) =>
    db.rows<Record<string, unknown>>(
      `select u.user_key, u.max_risk_level, u.event_count, u.absent_since, u.cleared_at, u.erased_at is not null as erased,
              (select jsonb_agg(jsonb_build_array(email, name)) from risk.user_identities i
                where i.account_key = u.account_key and i.user_key = u.user_key) as identities
         from risk.users u join risk.accounts a using (account_key) where a.account_id = $1 and u.user_id = $2`,
      [account.id, userId],
    );

  test('is nowhere in the database, and levels, counts and trends are as before', async () => {
    const [one, two] = [servedAccount(db.pool, 40), servedAccount(db.pool, 5)];
    const person = rarePerson();
    one.people.push(person);
    two.people.push(person);
    await one.succeed();
    one.people[40] = { ...person, email: person.email!.replace('@', '.old@'), max_risk_level: 'high' };
    await one.sync({
      beside: [
        { ...person, event_count: -1 },
        { email: person.email, name: 'x' },
      ],
    });
    one.people[40] = { ...person, event_count: 9 };
    await one.succeed();
    await two.succeed();
    await two.sync({ beside: [{ user_id: 'none', about: `see ${person.name}` }] });
    const levels = await db.rows('select * from risk_bi.risk_level_by_snapshot order by 1, 2, 4');
    const before = await everythingIn(db);
    assert.ok(before.includes(person.user_id) && before.includes(person.email!.toLowerCase()));

    const { person: erased } = await eraseOf(db, person.user_id);
    const found = await everythingIn(db);
    for (const text of person.texts) assert.ok(!found.includes(text), text);
    assert.deepEqual(await db.rows('select * from risk_bi.risk_level_by_snapshot order by 1, 2, 4'), levels);
    assert.deepEqual(
      [erased.mode, erased.account_count, erased.identity_count, erased.rejected_count],
      ['forget', 2, 4, 3],
    );
    assert.ok(erased.finished_at !== null);
    const [now] = await stateOf(one, erased.user_id);
    assert.deepEqual(
      [now?.['max_risk_level'], now?.['event_count'], now?.['erased']],
      [person.max_risk_level, 9, true],
    );
  });

  test('stays forgotten when served again: with new values, by a rejected record, and in a new account', async () => {
    const one = servedAccount(db.pool, 30);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    const { person: erased } = await eraseOf(db, person.user_id);
    const standIn = { ...person, user_id: erased.user_id, email: null, name: null };

    // An unchanged walk touches nothing.
    const before = await db.rows(
      `select u.xmin, u.* from risk.users u join risk.accounts a using (account_key) where account_id = $1 order by 3`,
      [one.id],
    );
    const { published } = await one.sync();
    assert.deepEqual(
      [published?.verdict, published?.users, published?.met, published?.appeared, published?.renamed],
      ['complete', 31, 31, 0, 0],
    );
    assert.deepEqual(
      await db.rows(
        `select u.xmin, u.* from risk.users u join risk.accounts a using (account_key) where account_id = $1 order by 3`,
        [one.id],
      ),
      before,
    );

    one.people[30] = { ...person, max_risk_level: 'high', event_count: 77, name: 'Another Zzyzx' };
    assert.equal((await one.sync()).published?.activityChanged, 1);
    const [raised] = await stateOf(one, standIn.user_id);
    assert.deepEqual([raised?.['max_risk_level'], raised?.['event_count']], ['high', 77]);
    assert.deepEqual(raised?.['identities'], [[null, null]]);

    one.people.pop();
    const spoilt = { ...person, max_risk_level: 'critical' };
    const beside = [spoilt, { email: person.email, name: person.name }];
    const { facts } = await one.sync({ beside });
    assert.equal(facts.rejected, 2);
    const kept = await db.rows<{ user_id: string | null; raw: string }>(
      `select user_id, raw from risk_internal.rejected_records join risk.accounts using (account_key)
        where account_id = $1 order by user_id`,
      [one.id],
    );
    assert.deepEqual(kept, [
      { user_id: erased.user_id, raw: '[not kept: the person was forgotten]' },
      {
        user_id: null,
        raw: `{"email":"[${person.email!.length} characters]","name":"[${person.name!.length} characters]"}`,
      },
    ]);

    const other = servedAccount(db.pool, 3);
    other.people.push(person);
    await other.sync();
    const [there] = await stateOf(other, erased.user_id);
    assert.deepEqual([there?.['erased'], there?.['identities']], [true, [[null, null]]]);
    const found = await everythingIn(db);
    for (const text of [...person.texts, 'zzyzx']) assert.ok(!found.includes(text), text);
  });

  test('is never looked up: two complete walks clear a forgotten one, who returns under the same id', async () => {
    const one = servedAccount(db.pool, 30);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    const { person: erased } = await eraseOf(db, person.user_id);
    one.people.pop();
    const first = await one.sync();
    assert.deepEqual([first.published?.cleared, first.facts.lookups], [0, 0]);
    const [absent] = await stateOf(one, erased.user_id);
    assert.ok(absent?.['absent_since'] !== null);
    const second = await one.sync();
    assert.deepEqual([second.published?.cleared, second.facts.lookups], [1, 0]);
    one.people.push(person);
    const third = await one.sync();
    assert.deepEqual([third.published?.returned, third.published?.appeared], [1, 0]);
    assert.equal((await stateOf(one, erased.user_id)).length, 1);
    assert.equal((await stateOf(one, person.user_id)).length, 0);
  });

  test('who was erased with mode once is a new user when served again, and the next walk clears the old user', async () => {
    const one = servedAccount(db.pool, 30);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    const { person: erased } = await eraseOf(db, person.user_id, { mode: 'once' });
    assert.equal(erased.user_hash, null);
    const { appeared, cleared, users } = await one.succeed();
    assert.deepEqual([appeared, cleared, users], [1, 1, 31]);
    const [old] = await stateOf(one, erased.user_id);
    assert.ok(old?.['cleared_at'] !== null);
    const [now] = await stateOf(one, person.user_id);
    assert.deepEqual(now?.['identities'], [[person.email, person.name]]);
    // The same person may be erased again, and for ever.
    const again = await eraseOf(db, person.user_id);
    assert.notEqual(again.person.user_id, erased.user_id);
    await one.sync();
    const found = await everythingIn(db);
    for (const text of person.texts) assert.ok(!found.includes(text), text);
  });

  test('is erased after the run that works on the account, and a run that sleeps past its lease brings nothing back', async () => {
    const one = servedAccount(db.pool, 20);
    const person = rarePerson();
    await one.succeed();
    one.people.push(person);
    const busy: number[] = [];
    let erasing: Promise<unknown> = Promise.resolve();
    await one.sync({
      failpoint: async (name) => {
        if (name !== 'walked') return;
        erasing = eraseOf(db, person.user_id, { onBusy: (key) => busy.push(key) });
        while (busy.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    });
    await erasing;
    let found = await everythingIn(db);
    for (const text of person.texts) assert.ok(!found.includes(text), text);

    const second = rarePerson();
    one.people.push(second);
    const beside = [{ ...second, event_count: -1 }];
    const { error } = await one.sync({
      beside,
      // A heartbeat on a slow machine would end the run before it has read a record.
      timing: { ...LEASE_TIMING, heartbeatMs: 3_600_000 },
      onPage: async ({ page }) => {
        if (page > 1) return;
        await db.rows(
          `update risk_internal.leases set heartbeat_at = now() - interval '1 hour' where account_key =
            (select account_key from risk.accounts where account_id = $1)`,
          [one.id],
        );
        await eraseOf(db, second.user_id);
      },
    });
    assert.equal(error?.code, 'LEASE_LOST');
    found = await everythingIn(db);
    for (const text of second.texts) assert.ok(!found.includes(text), text);
    assert.equal((await one.sync({ beside })).error, null);
    found = await everythingIn(db);
    for (const text of [...person.texts, ...second.texts]) assert.ok(!found.includes(text), text);
  });

  test('is also erased from a retired account, and the lease of a dead run does not stop the erasure', async () => {
    const one = servedAccount(db.pool, 3);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    await db.rows(`update risk.accounts set retired_at = now() where account_id = $1`, [one.id]);
    const other = servedAccount(db.pool, 3);
    await other.succeed();
    const claim = await claimLease(db.pool, {
      accountId: other.id,
      owner: randomUUID(),
      trigger: 'cli',
      scheduledFor: null,
      identity: { host: 'elsewhere', process: '' },
      timing: LEASE_TIMING,
    });
    assert.equal(claim.kind, 'claimed');
    await db.rows(`update risk_internal.leases set heartbeat_at = now() - interval '1 hour'`);
    await eraseOf(db, person.user_id);
    const found = await everythingIn(db);
    for (const text of person.texts) assert.ok(!found.includes(text), text);
    assert.equal((await db.rows('select 1 from risk_internal.leases')).length, 0);
  });

  test('is removed from texts of runs, which readers get again unless the run has published', async () => {
    const one = servedAccount(db.pool, 3);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    await one.fail('EMPTY_ANSWER', 1, { total: () => 0, pageLimit: 0 });
    const ofAccount = `account_key = (select account_key from risk.accounts where account_id = $1)`;
    await db.rows(
      `update risk.sync_runs set evidence = evidence || jsonb_build_object('unknown_fields', jsonb_build_array($2::text)),
              error_message = case when status = 'failed' then 'Page of ' || $3 || ' broke' end where ${ofAccount}`,
      [one.id, person.email, person.name],
    );
    const [clock] = await db.rows<{ at: string }>(CLOCK, [one.id]);
    const { person: erased } = await eraseOf(db, person.user_id);
    assert.equal(erased.run_count, 2);
    const runs = await db.rows<{ evidence: { unknown_fields: string[] } } & Record<string, unknown>>(
      `select status, error_message, evidence, feed_id > $2 as is_new from risk.sync_runs where ${ofAccount} order by run_id`,
      [one.id, clock?.at],
    );
    assert.deepEqual(
      runs.map((run) => [run['status'], run['error_message'], run.evidence.unknown_fields, run['is_new']]),
      [
        ['succeeded', null, ['[erased]'], false],
        ['failed', 'Page of [erased] broke', ['[erased]'], true],
      ],
    );
  });

  test('is overwritten in every copy that reads by feed value', async () => {
    const one = servedAccount(db.pool, 10);
    const person = rarePerson();
    one.people.push(person);
    await one.succeed();
    const [seen] = await db.rows<{ at: string }>(CLOCK, [one.id]);
    await eraseOf(db, person.user_id);
    for (const table of ['users', 'user_identities'] as const) {
      const rows = await db.rows<{ user_key: number }>(
        `select user_key from risk.${table} join risk.accounts using (account_key) where snapshot_id > $1 and account_id = $2`,
        [seen?.at, one.id],
      );
      assert.equal(rows.length, 1, table);
    }
  });
});
