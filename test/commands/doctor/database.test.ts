// `doctor` on a database, a history or runs with a defect: a real process, a real database.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { databaseUrl } from '../../../src/db/create-database.ts';
import { processIdentity } from '../../../src/host/process-identity.ts';
import { runCommand } from '../../support/run-command.ts';
import { createTestDatabase } from '../../support/database/test-database.ts';
import { ACCOUNT_CHECKS } from '../../../src/commands/doctor/lines.ts';
import { assertLine, assertOnly, troubles } from '../../support/world/doctor-findings.ts';
import { ACCOUNT, patient, type Patient } from '../../support/world/doctor-patient.ts';

describe('the database', () => {
  const databaseChecks = [
    'settings',
    'privileges',
    'migrations',
    'locks',
    'replication',
    'distribution',
    'shared_budget',
    'lease',
    'freshness',
    'last_run',
    'history',
    'counts',
    'retention',
    'identities',
    'absences',
    'rejected',
  ];

  test('that does not answer fails with exit 75, its checks are skipped, and Cloudflare is still checked', async (t) => {
    const p = await patient(t, { synced: false });
    const diagnosis = await p.doctor({ DATABASE_URL: 'postgres://u:hidden-word@127.0.0.1:1/x' });
    assertLine(diagnosis, {
      check: 'database',
      status: 'failed',
      code: 75,
      found: /DATABASE_UNAVAILABLE/,
      mend: /DATABASE_URL/,
    });
    assert.deepEqual(troubles(diagnosis), [
      'database failed',
      ...databaseChecks.map((check) => `${check} skipped`),
    ]);
    assert.equal(diagnosis.line('paging').status, 'ok');
    assert.ok(!`${diagnosis.stdout}${diagnosis.stderr}`.includes('hidden-word'));
  });

  test('that refuses the password fails with exit 78', async (t) => {
    const p = await patient(t, { synced: false });
    const url = new URL(p.databaseUrl);
    url.password = 'hidden-word';
    const diagnosis = await p.doctor({ DATABASE_URL: url.href });
    assertLine(diagnosis, { check: 'database', status: 'failed', code: 78, found: /DATABASE_REFUSED/ });
    assert.ok(!`${diagnosis.stdout}${diagnosis.stderr}`.includes('hidden-word'));
  });

  for (const [what, statement, found] of [
    [
      'behind',
      'delete from risk_internal.migrations where id = (select max(id) from risk_internal.migrations)',
      /DATABASE_BEHIND: 1 migration behind/,
    ],
    [
      'newer',
      "insert into risk_internal.migrations (hash, created_at) values ('later', 4102444800000)",
      /DATABASE_NEWER/,
    ],
    ['changed', "update risk_internal.migrations set hash = 'edited' where id = 2", /MIGRATION_CHANGED/],
  ] as const) {
    test(`whose schema is ${what} fails with exit 78, and its tables are not checked`, async (t) => {
      const p = await patient(t);
      await p.sql(statement);
      const diagnosis = await p.doctor();
      assertLine(diagnosis, { check: 'migrations', status: 'failed', code: 78, found, mend: /./ });
      assert.equal(diagnosis.line('history').status, 'skipped');
      assert.equal(diagnosis.line('privileges').status, 'ok');
    });
  }

  test('whose role has harmful settings is reported with these settings', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, 'superuser connection limit 4');
    const env = { DATABASE_URL: role.url };
    await p.sql(`alter role ${role.name} set synchronous_commit = off`);
    await p.sql(`alter role ${role.name} set statement_timeout = '2s'`);
    const warned = await p.doctor(env);
    const { status, found, mend = '' } = warned.line('settings');
    assert.equal(status, 'warning');
    assert.match(found, /synchronous_commit is off.*; 3 connections left of \d+.*; statement_timeout is 2 s/);
    assert.match(mend, /Set statement_timeout to 0 or at least 5 s/);
    assert.equal(warned.code, 0);
    await p.sql(`alter role ${role.name} set default_transaction_read_only = on`);
    assertLine(await p.doctor(env), {
      check: 'settings',
      status: 'failed',
      code: 75,
      found: /default_transaction_read_only is on/,
      mend: /primary/,
    });
  });

  test('with an encoding other than UTF8 fails with exit 78', async (t) => {
    const p = await patient(t, { synced: false });
    const latin = `${new URL(p.databaseUrl).pathname.slice(1)}_latin`;
    await p.sql(`create database ${latin} encoding 'LATIN1' template template0 locale 'C'`);
    t.after(async () => {
      const database = await createTestDatabase();
      const client = new Client({ connectionString: database.url });
      await client.connect();
      await client.query(`drop database ${latin} with (force)`);
      await client.end();
      await database.drop();
    });
    const diagnosis = await p.doctor({ DATABASE_URL: databaseUrl(p.databaseUrl, latin) });
    assertLine(diagnosis, {
      check: 'settings',
      status: 'failed',
      code: 78,
      found: /DATABASE_ENCODING: the encoding of the database is LATIN1/,
      mend: /createdb --template=template0 --encoding=UTF8/,
    });
  });

  test('that the role may only read through the contract is checked as far as possible; the other checks are named and skipped', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, '');
    await p.sql(
      `grant usage on schema risk to ${role.name}; grant select on all tables in schema risk to ${role.name}`,
    );
    const diagnosis = await p.doctor({ DATABASE_URL: role.url });
    assertLine(diagnosis, {
      check: 'privileges',
      status: 'failed',
      code: 77,
      found: /DATABASE_PERMISSION: the role may not write risk\.accounts/,
    });
    assert.deepEqual(troubles(diagnosis), [
      'privileges failed',
      'migrations skipped',
      'shared_budget skipped',
      'lease skipped',
      'identities skipped',
      'rejected skipped',
    ]);
    assert.match(diagnosis.line('lease').found, /may not read risk_internal\.leases/);
    assert.equal(diagnosis.line('history').status, 'ok');
  });

  test('that the role may not read at all skips every check of the account with this reason, and the others go on', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, '');
    const diagnosis = await p.doctor({ DATABASE_URL: role.url });
    for (const check of ACCOUNT_CHECKS) {
      assert.equal(diagnosis.line(check).status, 'skipped', check);
      assert.match(diagnosis.line(check).found, /may not read schema risk/, check);
    }
    assert.equal(diagnosis.line('account').status, 'ok');
    assert.equal(diagnosis.line('paging').status, 'ok');
  });

  test('with a role that may sync but not migrate is a warning, until there is a migration to apply', async (t) => {
    const p = await patient(t);
    const role = await roleOn(t, p, '');
    for (const schema of ['risk', 'risk_internal'])
      await p.sql(
        `grant usage on schema ${schema} to ${role.name}; grant all on all tables in schema ${schema} to ${role.name}`,
      );
    const env = { DATABASE_URL: role.url };
    assertOnly(await p.doctor(env), {
      check: 'privileges',
      status: 'warning',
      code: 0,
      found: /cannot migrate/,
      mend: /migrate/,
    });
    await p.sql(
      'delete from risk_internal.migrations where id = (select max(id) from risk_internal.migrations)',
    );
    assert.equal((await p.doctor(env)).line('privileges').status, 'failed');
  });

  test('with a locked table names who holds the lock, and the other checks go on', async (t) => {
    const p = await patient(t);
    const client = new Client({ connectionString: p.databaseUrl, application_name: 'a neighbour' });
    await client.connect();
    await client.query('begin; lock table risk.user_identities in access exclusive mode');
    const waiter = new Client({ connectionString: p.databaseUrl });
    await waiter.connect();
    const waiting = waiter.query('select from risk.user_identities');
    const waits = `select from pg_locks where not granted and relation = 'risk.user_identities'::regclass`;
    while ((await client.query(waits)).rowCount === 0);
    const diagnosis = await p.doctor();
    await client.end();
    await waiting;
    await waiter.end();
    assert.deepEqual(troubles(diagnosis), ['locks warning', 'history warning']);
    assertLine(diagnosis, {
      check: 'locks',
      status: 'warning',
      code: 0,
      found: /^process \d+ \(user \w+, application a neighbour, .*\) blocks 1 session$/,
      mend: /pg_terminate_backend/,
    });
    assertLine(diagnosis, {
      check: 'history',
      status: 'warning',
      code: 0,
      found:
        /not known: a lock is held by process \d+ \(user \w+, application a neighbour, in a transaction since 2.* UTC\)/,
      mend: /pg_terminate_backend/,
    });
  });
});

describe('a history', () => {
  const user = '(select min(user_key) from risk.users where max_risk_level is not null)';
  for (const [what, statement, found] of [
    [
      'level periods that overlap',
      `insert into risk.user_levels (account_key, user_key, valid_from, valid_to, max_risk_level, change, end_reason, snapshot_id)
       select account_key, user_key, valid_from - interval '1 day', valid_from + interval '1 minute', 'low', 'appeared', 'reset', snapshot_id
         from risk.user_levels where user_key = ${user}`,
      /^1 user with overlapping level periods \(user_key \d+\)$/,
    ],
    [
      'identities that overlap',
      `insert into risk.user_identities (account_key, user_key, valid_from, valid_to, email, name, snapshot_id)
       select account_key, user_key, valid_from - interval '1 day', valid_from + interval '1 minute', email, name, snapshot_id
         from risk.user_identities where user_key in (select user_key from risk.users order by 1 limit 5)`,
      /^5 users with overlapping identities \(user_key \d+, \d+, \d+, …\)$/,
    ],
    [
      'an identity that ends before it begins',
      `insert into risk.user_identities (account_key, user_key, valid_from, valid_to, email, name, snapshot_id)
       select account_key, user_key, valid_from - interval '1 day', valid_from - interval '2 days', email, name, snapshot_id
         from risk.user_identities where user_key = ${user}`,
      /^1 user with overlapping identities \(user_key \d+\)$/,
    ],
    [
      'a present user without an open period',
      `delete from risk.user_levels where user_key = ${user}`,
      /^1 user with a level period that contradicts the current state/,
    ],
    [
      'an open period that does not begin when the state says',
      `update risk.user_levels set valid_from = valid_from - interval '1 hour' where user_key = ${user}`,
      /^1 user with a level period that contradicts the current state/,
    ],
    [
      'a user without an identity',
      `delete from risk.user_identities where user_key = ${user}`,
      /^1 user with an identity that contradicts the current state/,
    ],
  ] as const) {
    test(`with ${what} fails with exit 1 and names keys`, async (t) => {
      const p = await patient(t);
      await p.sql(statement);
      assertOnly(await p.doctor(), { check: 'history', status: 'failed', code: 1, found, mend: /pg_dump/ });
    });
  }

  test('with counts of the newest snapshot that differ from a recount fails with exit 1', async (t) => {
    const p = await patient(t);
    await p.sql('update risk.snapshots set user_count = user_count + 1, met_count = met_count + 1');
    assertOnly(await p.doctor(), {
      check: 'counts',
      status: 'failed',
      code: 1,
      found: /^snapshot \d+: all levels: \d+ users recorded, \d+ counted$/,
      mend: /pg_dump/,
    });
    await p.sql('update risk.snapshots set user_count = user_count - 1, met_count = met_count - 1');
    await p.sql("update risk.snapshot_levels set event_count = event_count + 1 where max_risk_level = 'low'");
    assertOnly(await p.doctor(), {
      check: 'counts',
      status: 'failed',
      code: 1,
      found: /^snapshot \d+: low: [\d,]+ events recorded, \d+ counted$/,
      mend: /pg_dump/,
    });
  });
});

describe('the runs', () => {
  const lease = (silent: string, process: string) =>
    `insert into risk_internal.leases (account_key, run_id, owner, trigger, started_at, heartbeat_at, host, process)
     select account_key, 41, gen_random_uuid(), 'cli', now() - interval '10 minutes', now() - interval '${silent}', 'elsewhere', '${process}'
       from risk.accounts`;

  test('a live lease is named; a silent lease, or a lease whose process has died on this host, is a warning', async (t) => {
    const p = await patient(t);
    await p.sql(lease('3 seconds', ''));
    const live = await p.doctor();
    assert.deepEqual(troubles(live), []);
    assert.match(live.line('lease').found, /run 41 since .* on host elsewhere, last heartbeat \d/);
    await p.sql("update risk_internal.leases set heartbeat_at = now() - interval '1 minute'");
    assertOnly(await p.doctor(), {
      check: 'lease',
      status: 'warning',
      code: 0,
      found: /run 41 .*no heartbeat for 1 min/,
      mend: /next run takes over/,
    });
    const [boot, namespace] = processIdentity().process.split('/');
    // Only Linux knows whether the process is dead.
    if (namespace === undefined) return;
    await p.sql('delete from risk_internal.leases');
    await p.sql(lease('1 second', `${boot}/${namespace}/999999999/1`));
    assertOnly(await p.doctor(), {
      check: 'lease',
      status: 'warning',
      code: 0,
      found: /its process has died/,
      mend: /at once/,
    });
  });

  test('an old snapshot is a warning', async (t) => {
    const p = await patient(t);
    await p.sql("update risk.snapshots set observed_at = observed_at - interval '3 hours'");
    assertOnly(await p.doctor(), {
      check: 'freshness',
      status: 'warning',
      code: 0,
      found: /newest snapshot \(\d+\) 3 h old: more than twice the schedule's interval \(1 h\)/,
      mend: /zt-risk-sync sync/,
    });
    assert.deepEqual(troubles(await p.doctor({ SYNC_SCHEDULE: '0 */2 * * *' })), []);
  });

  test('failed runs are a warning, with the code and what to do', async (t) => {
    const p = await patient(t);
    p.simulator.setFaults(['forbidden']);
    for (let turn = 0; turn < 2; turn++) assert.equal((await runCommand(['sync'], p.env, p.folder)).code, 77);
    p.simulator.setFaults([]);
    assertOnly(await p.doctor(), {
      check: 'last_run',
      status: 'warning',
      code: 0,
      found: /^failed \(run 3, .* ago\): PERMISSION_DENIED; 2 failed runs in a row$/,
      mend: /Zero Trust: PII Read/,
    });
  });

  test('a retired account fails with exit 78', async (t) => {
    const p = await patient(t);
    assert.equal((await runCommand(['accounts', 'retire', ACCOUNT], p.env, p.folder)).code, 0);
    assertOnly(await p.doctor(), {
      check: 'freshness',
      status: 'failed',
      code: 78,
      found: /ACCOUNT_RETIRED/,
      mend: /accounts restore/,
    });
  });

  test('another PII_MODE or PII_KEY than the recorded one fails with exit 78, as a run would', async (t) => {
    const p = await patient(t);
    assert.equal((await p.doctor()).line('identities').found, 'emails and names are kept as served');
    const key = randomBytes(32).toString('base64');
    const hashed = { PII_MODE: 'pseudonymous', PII_KEY: key };
    const mode = /IDENTITY_MODE: .* PII_MODE=full, and PII_MODE is now pseudonymous/;
    const mend = /privacy apply/;
    const found = { check: 'identities', status: 'failed', code: 78, mend } as const;
    assertOnly(await p.doctor(hashed), { ...found, found: mode });
    assert.equal((await runCommand(['privacy', 'apply'], { ...p.env, ...hashed }, p.folder)).code, 0);
    assert.match((await p.doctor(hashed)).line('identities').found, /^emails and names .* key [0-9a-f]{8}$/);
    const other = randomBytes(32).toString('base64');
    assertOnly(await p.doctor({ ...hashed, PII_KEY: other }), { ...found, found: /hashed with the key/ });
    const keyless = await p.doctor({ PII_MODE: 'pseudonymous' });
    assertLine(keyless, {
      check: 'configuration',
      status: 'failed',
      code: 78,
      found: /PII_KEY: must be set/,
      mend: /./,
    });
    assert.equal(keyless.line('identities').status, 'skipped');
  });

  test('waiting rejected records are a warning', async (t) => {
    const p = await patient(t, { synced: false });
    p.simulator.setFaults(['bad-record']);
    await p.sync();
    p.simulator.setFaults([]);
    assertOnly(await p.doctor(), {
      check: 'rejected',
      status: 'warning',
      code: 0,
      found: /1 rejected record waiting/,
      mend: /rejected list/,
    });
  });

  test('records that insist on a level, and users who could not be asked about, are a warning', async (t) => {
    const p = await patient(t);
    const evidence = (lookups: object) =>
      p.sql("update risk.sync_runs set evidence = evidence || jsonb_build_object('lookups', $1::jsonb)", [
        JSON.stringify(lookups),
      ]);
    await evidence({ state: 'working', waiting: 0, insisting: 2 });
    assertOnly(await p.doctor(), {
      check: 'absences',
      status: 'warning',
      code: 0,
      found: /records of 2 users still show a level/,
      mend: /stay present/,
    });
    await evidence({ state: 'refused', waiting: 1, insisting: 0 });
    await p.sql(
      'update risk.users set absent_since = now() where user_key = (select min(user_key) from risk.users where max_risk_level is not null)',
    );
    assertOnly(await p.doctor(), {
      check: 'absences',
      status: 'warning',
      code: 0,
      found: /1 user absent, 1 waiting to be asked about; run 1 could not ask about absent users \(refused\)/,
      mend: /lookups/,
    });
  });
});

/** A role for this test alone, on the patient's database. */
async function roleOn(
  t: TestContext,
  p: Patient,
  attributes: string,
): Promise<{ name: string; url: string }> {
  const name = `role_${new URL(p.databaseUrl).pathname.slice(1)}`;
  await p.sql(`create role ${name} login ${attributes} password 'hidden-word'`);
  t.after(async () => {
    const database = await createTestDatabase();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`drop role ${name}`);
    await client.end();
    await database.drop();
  });
  const url = new URL(p.databaseUrl);
  url.username = name;
  url.password = 'hidden-word';
  return { name, url: url.href };
}
