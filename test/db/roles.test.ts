// Who may read what: the reader roles, on a separate server, because roles belong to the whole server.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { migrate, migrationsFolder } from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { createRoles, READER_SETTINGS } from '../../src/db/roles.ts';
import { OperatorError } from '../../src/errors.ts';
import { runCli } from '../support/cli.ts';
import { startScenario } from '../support/faults/fault-scenario.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { CITUS_URL } from '../support/database/distributed-database.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { startPostgresServer, type PostgresServer } from '../support/database/servers/postgres-server.ts';
import {
  ACCOUNTS,
  everyAnswer,
  everything,
  fill,
  isPersonal,
  takeAllLocks,
} from '../support/histories/personal-history.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  process.env['TEST_POSTGRES_URL'] = server.url;
});
after(() => server.stop());

/** A connection pool of another role on the same database. */
function as(url: string, user: string): Pool {
  const changed = new URL(url);
  changed.username = user;
  changed.password = 'a password';
  return testPool(changed.href);
}

async function login(pool: Pool, name: string, more: string): Promise<void> {
  await pool.query(`create role ${name} login password 'a password' ${more}`);
}

async function roleSettings(pool: Pool): Promise<(string[] | null)[]> {
  const { rows } = await pool.query<{ rolconfig: string[] | null }>(
    "select rolconfig from pg_roles where rolname in ('risk_reader', 'risk_pii_reader') order by rolname desc",
  );
  return rows.map(({ rolconfig }) => rolconfig);
}

test('a user who may not create roles gets the SQL for an administrator, and it works', async () => {
  const { url } = await createTestDatabase();
  const admin = testPool(url);
  await login(admin, 'worker', '');
  await admin.query(`alter database "${new URL(url).pathname.slice(1)}" owner to worker`);
  const worker = as(url, 'worker');
  try {
    await migrate(worker);
    const refusal = await createRoles(worker).catch((error: unknown) => error);
    assert.ok(refusal instanceof OperatorError, String(refusal));
    assert.deepEqual([refusal.code, refusal.exit], ['ROLES_DENIED', 77]);
    const [, statements] = /`(create role [^`]+)`/.exec(refusal.todo) ?? [];
    assert.equal(
      statements,
      'create role risk_reader nologin; create role risk_pii_reader nologin; grant risk_reader to risk_pii_reader; grant risk_reader, risk_pii_reader to worker;',
    );
    await admin.query(statements);
    await createRoles(worker);
    await takesBothRoles(worker);
    // The roles belong to another user: it grants to them, and leaves their settings alone.
    assert.deepEqual(await roleSettings(admin), [null, null]);
    await login(admin, 'reader', 'in role risk_reader');
    const reader = as(url, 'reader');
    await reader.query('select from risk_bi.users');
    await reader.end();
    // Half of the setup is there: it asks for the rest.
    await admin.query('revoke risk_reader from risk_pii_reader');
    await assert.rejects(createRoles(worker), /`grant risk_reader to risk_pii_reader;`/);
  } finally {
    await worker.end();
    await admin.query('drop owned by risk_reader, risk_pii_reader cascade');
    await admin.query('drop role reader, risk_reader, risk_pii_reader');
    await admin.end();
  }
});

test('an owner who may create roles, and a superuser, may take the roles that they make', async () => {
  for (const rights of ['createrole', 'superuser']) {
    const { url, drop } = await createTestDatabase();
    const admin = testPool(url);
    await login(admin, 'maker', rights);
    await admin.query(`alter database "${new URL(url).pathname.slice(1)}" owner to maker`);
    const maker = as(url, 'maker');
    try {
      await migrate(maker);
      await createRoles(maker);
      await takesBothRoles(maker);
      // Again, as every start of serve on the embedded server does.
      await createRoles(maker);
      await takesBothRoles(maker);
    } finally {
      await maker.end();
      await admin.query('drop owned by risk_reader, risk_pii_reader, maker cascade');
      await admin.query('drop role risk_reader, risk_pii_reader');
      await admin.query('reassign owned by maker to current_user; drop role maker');
      await admin.end();
      await drop();
    }
  }
});

/** As pages and the API do, for one transaction. */
async function takesBothRoles(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    for (const role of ['risk_reader', 'risk_pii_reader']) {
      await client.query(`begin; set local role ${role}; select from risk_bi.users`);
      const identities = client.query('select from risk_bi.user_identities');
      if (role === 'risk_reader') await assert.rejects(identities, { code: '42501' });
      else await identities;
      await client.query('rollback');
    }
  } finally {
    client.release();
  }
}

test('twenty callers on two databases create the roles at once', async () => {
  const databases = [await migratedDatabase(), await migratedDatabase()];
  try {
    for (const { pool } of databases) await pool.query('select 1');
    await Promise.all(Array.from({ length: 20 }, (_, n) => createRoles(databases[n % 2]!.pool)));
    await createRoles(databases[0]!.pool);
    // The nodes of a distributed history connect to each other as the reader.
    const isLogin = CITUS_URL !== '';
    assert.deepEqual(
      await databases[0]!.rows(
        `select rolname, rolcanlogin, pg_has_role(oid, 'risk_reader', 'usage') as reads from pg_roles where rolname like 'risk%' order by 1 desc`,
      ),
      [
        { rolname: 'risk_reader', rolcanlogin: isLogin, reads: true },
        { rolname: 'risk_pii_reader', rolcanlogin: isLogin, reads: true },
      ],
    );
    const settings = READER_SETTINGS.map((setting) => setting.replaceAll(/[ ']/g, ''));
    assert.deepEqual(await roleSettings(databases[0]!.pool), [settings, settings]);
    // A setting that an administrator chose stays.
    await databases[0]!.pool.query("alter role risk_reader set statement_timeout = '7s'");
    await createRoles(databases[1]!.pool);
    const chosen = settings.map((setting) => setting.replace('timeout=30s', 'timeout=7s'));
    assert.deepEqual(await roleSettings(databases[0]!.pool), [chosen, settings]);
  } finally {
    for (const database of databases) await database.close();
  }
});

/** Nodes of Citus look at the tables behind the views of the clock, by the rights of the reader. */
const BESIDE_THE_CLOCK =
  CITUS_URL === ''
    ? []
    : ['epochs', 'feed_clock', 'feed_clock_key', 'history_place'].map((name) => `risk_internal.${name}`);

describe('a reader', () => {
  let db: MigratedDatabase;
  let reader: Pool;
  let piiReader: Pool;
  before(async () => {
    db = await migratedDatabase();
    await createRoles(db.pool);
    await login(db.pool, 'plain_reader', 'in role risk_reader');
    await login(db.pool, 'pii_reader', 'in role risk_pii_reader');
    await login(db.pool, 'one_account', 'in role risk_pii_reader');
    await fill(db.pool);
    reader = as(db.url, 'plain_reader');
    piiReader = as(db.url, 'pii_reader');
  });
  after(async () => {
    await reader.end();
    await piiReader.end();
    await db.close();
  });

  test('without the grant for personal data cannot reach an email or a name', async () => {
    const readable = await everyAnswer(db, reader);
    for (const [what, answer] of readable) assert.ok(!isPersonal(answer), `${what}: ${answer}`);
    const personal = ['risk.user_identities', 'risk_bi.snapshot_users', 'risk_bi.user_identities'];
    const all = (await everything(db)).map(({ name }) => name);
    const kept = all.filter((name) => !name.startsWith('risk_internal.') && !personal.includes(name));
    assert.ok(kept.length > 25);
    assert.deepEqual([...readable.keys()].toSorted(), [...kept, ...BESIDE_THE_CLOCK].toSorted());
    for (const [what, answer] of readable)
      // No epoch began here.
      if (what !== 'risk_internal.epochs')
        assert.notEqual(answer, '[]', `${what} is empty: that proves nothing`);

    const { rows } = await reader.query<{ tablename: string }>(
      "select * from pg_stats where schemaname like 'risk%'",
    );
    assert.ok(!isPersonal(JSON.stringify(rows)));
    assert.deepEqual(
      rows.filter(({ tablename }) => tablename === 'user_identities'),
      [],
    );
  });

  test('with the grant reads emails and names in their places, and nothing internal', async () => {
    const readable = await everyAnswer(db, piiReader);
    assert.deepEqual(
      [...readable]
        .filter(([, answer]) => isPersonal(answer))
        .map(([what]) => what)
        .toSorted(),
      ['risk.user_identities', 'risk_bi.snapshot_users', 'risk_bi.user_identities'],
    );
    assert.deepEqual(
      [...readable.keys()].filter((name) => name.startsWith('risk_internal.')).toSorted(),
      BESIDE_THE_CLOCK,
    );
  });

  test('may not write, not even to the tables that it may read', async () => {
    for (const statement of [
      'delete from risk.snapshots',
      'update risk.users set event_count = 0',
      "insert into risk.accounts (account_key, account_id, feed_id) values (9, 'c', 1)",
      'create table risk_bi.mine (n integer)',
    ])
      await assert.rejects(piiReader.query(statement), { code: '42501' }, statement);
  });

  test('inherits grants but no settings from its group; the printed settings work', async () => {
    await db.pool.query("alter role risk_reader set statement_timeout = '7s'");
    const timeout = async (pool: Pool) =>
      (await pool.query<{ statement_timeout: string }>('show statement_timeout')).rows[0]?.statement_timeout;
    const unset = as(db.url, 'plain_reader');
    assert.equal(await timeout(unset), '0');
    await unset.end();
    for (const setting of READER_SETTINGS) await db.pool.query(`alter role plain_reader set ${setting}`);
    const set = as(db.url, 'plain_reader');
    try {
      assert.equal(await timeout(set), '30s');
      await set.query('select from risk_bi.users');
      await assert.rejects(set.query('create temporary table t (n integer)'), { code: '25006' });
    } finally {
      await set.end();
      await db.pool.query('alter role risk_reader reset all');
    }
  });

  test('of one account sees only that account, by the recipe of docs/reporting.md, and other readers see no less', async () => {
    const page = await readFile(path.resolve(import.meta.dirname, '../../docs/reporting.md'), 'utf8');
    for (const setting of READER_SETTINGS)
      assert.ok(page.includes(`alter role grafana set ${setting};`), setting);
    const [, section = ''] = page.split('\n## One reader per account\n');
    const blocks = [...section.matchAll(/```sql\n(do \$\$\n[\s\S]*?)```/g)].map((match) => match[1]!);
    assert.equal(blocks.length, 2);
    const [every, each] = blocks as [string, string];
    const before = await everyAnswer(db, piiReader);
    for (let turn = 0; turn < 2; turn++) {
      await db.pool.query(every);
      await db.pool.query(each.replace('the_reader', 'one_account').replace('the account id', ACCOUNTS[1]));
    }
    const one = as(db.url, 'one_account');
    try {
      const { rows } = await db.pool.query<{ key: number }>(
        'select account_key as key from risk.accounts where account_id = $1',
        [ACCOUNTS[1]],
      );
      let rowsSeen = 0;
      for (const [what, answer] of await everyAnswer(db, one)) {
        for (const row of JSON.parse(answer) as Record<string, unknown>[]) {
          // The clock of all accounts belongs to no single account.
          if (/feed_(clock|epochs)$/.test(what) && row['account_id'] === null) continue;
          if ('account_id' in row) assert.equal(row['account_id'], ACCOUNTS[1], what);
          if ('account_key' in row) assert.equal(row['account_key'], rows[0]?.key, what);
          if ('account_id' in row || 'account_key' in row) rowsSeen++;
        }
      }
      assert.ok(rowsSeen > 30, `${rowsSeen} rows`);
      const asOf = 'select * from risk_bi.users_as_of($1, now())';
      assert.equal((await one.query(asOf, [ACCOUNTS[1]])).rowCount, 1);
      assert.equal((await one.query(asOf, [ACCOUNTS[0]])).rowCount, 0);
      assert.equal((await one.query('select * from risk_bi.snapshot_users(1)')).rowCount, 0);
      assert.deepEqual(
        [...(await everyAnswer(db, piiReader)).keys()].toSorted(),
        [...before.keys()].toSorted(),
      );
      assert.equal((await piiReader.query(asOf, [ACCOUNTS[0]])).rowCount, 1);
      // The owner, which is the worker's role, is not restricted by the policy.
      assert.equal((await db.pool.query('update risk.users set event_count = event_count')).rowCount, 2);
    } finally {
      await one.end();
    }
  });

  test('blocks no run with the locks that it may take, and may take no other lock', async (t) => {
    const scenario = await startScenario({ databaseUrl: db.url });
    const locked = as(db.url, 'plain_reader');
    t.after(async () => {
      await locked.end();
      await scenario.close();
    });
    const account = scenario.account();
    await account.succeed();
    const client = await takeAllLocks(locked);
    scenario.later();
    await account.succeed();
    await createRoles(db.pool);
    await client.query('rollback');
    for (const refused of [
      'lock table risk.users in row share mode',
      'select from risk.users where account_key = 1 for key share',
      'select from risk_bi.users for share',
      'lock table risk_internal.migrations in access share mode',
      'lock table risk_internal.leases in access share mode',
      ...(CITUS_URL === '' ? ['lock table risk_internal.feed_clock in access share mode'] : []),
      'select from risk_internal.feed_clock where account_key = 1 for share',
      "select nextval('risk_internal.run_ids')",
      'create schema risk_later',
      'create table risk_bi.risk_later ()',
      'create index on risk.users (user_id)',
      'comment on table risk.users is null',
    ])
      await assert.rejects(
        client.query(`do $do$ begin execute $$${refused}$$; end $do$`),
        { code: '42501' },
        refused,
      );
    client.release(true);
    // A role that may read all data can lock more tables, in the weakest mode alone.
    await db.pool.query('grant pg_read_all_data to plain_reader');
    t.after(() => db.pool.query('revoke pg_read_all_data from plain_reader'));
    const again = await takeAllLocks(locked);
    scenario.later();
    await account.succeed();
    await createRoles(db.pool);
    again.release(true);
  });

  test('gets the grants of later migrations, except on emails and names', async (t) => {
    const client = await takeAllLocks(reader);
    t.after(() => client.release(true));
    const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-migrations-'));
    t.after(() => rm(folder, { recursive: true }));
    await cp(migrationsFolder(), folder, { recursive: true });
    const file = path.join(folder, 'meta/_journal.json');
    const journal = JSON.parse(await readFile(file, 'utf8')) as { entries: { idx: number; when: number }[] };
    const last = journal.entries.at(-1)!;
    const entry = { ...last, idx: last.idx + 1, when: last.when + 1, tag: '9999_later' };
    await writeFile(file, JSON.stringify({ ...journal, entries: [...journal.entries, entry] }));
    await writeFile(
      path.join(folder, '9999_later.sql'),
      `create table risk.later (account_key integer primary key);
       create table risk.later_person (account_key integer primary key, email text);
       create view risk_bi.later_person with (security_invoker = true) as select email from risk.later_person;
       create function risk_bi.later_find(email text) returns integer language sql as 'select 1';`,
    );
    await migrate(db.pool, folder);
    const may = async (role: string) =>
      (
        await db.rows(
          `select has_table_privilege($1, 'risk.later', 'select') as later,
                  has_table_privilege($1, 'risk.later_person', 'select') as person,
                  has_table_privilege($1, 'risk_bi.later_person', 'select') as view,
                  has_function_privilege($1, 'risk_bi.later_find(text)', 'execute') as function`,
          [role],
        )
      )[0];
    assert.deepEqual(await may('risk_reader'), { later: true, person: false, view: false, function: false });
    assert.deepEqual(await may('risk_pii_reader'), { later: true, person: true, view: true, function: true });
  });
});

test('a database that was never set up for readers grants nothing when it is migrated', async () => {
  const { url, pool, close } = await migratedDatabase();
  try {
    const may = "select has_schema_privilege('risk_reader', 'risk_bi', 'usage') as may";
    assert.deepEqual((await pool.query(may)).rows, [{ may: false }]);
    const env = { DATABASE_URL: url };
    const { code, stdout } = await runCli(['migrate', '--roles'], env);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^up to date\nthe roles exist, with their grants: risk_reader .*\n[\s\S]*alter role <login> set statement_timeout = '30s';\n/,
    );
    assert.deepEqual((await pool.query(may)).rows, [{ may: true }]);
    assert.equal((await runCli(['migrate', '--roles', '--check'], env)).code, 64);
  } finally {
    await close();
  }
});
