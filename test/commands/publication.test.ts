// `publication`, and what `doctor` and a scrape say about its readers: on a server that can replicate, and on one that
// cannot.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { judgeReplication } from '../../src/commands/doctor/replication.ts';
import type { ReplicationSlot } from '../../src/queries/replication/replication-slots.ts';
import { publicationStatements } from '../../src/upkeep/publication.ts';
import { startApp } from '../support/api/http-app.ts';
import { parseScrape } from '../support/api/scrape.ts';
import { startLogicalServer, type LogicalServer } from '../support/database/servers/logical-server.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { runCommand } from '../support/run-command.ts';

const TABLES = [
  'accounts',
  'retention',
  'snapshot_levels',
  'snapshots',
  'sync_runs',
  'user_activity',
  'user_levels',
  'users',
];
const ALL = [...TABLES, 'user_identities'].toSorted();

let server: LogicalServer;
let db: MigratedDatabase;
before(async () => {
  server = await startLogicalServer({ max_slot_wal_keep_size: '64MB', max_wal_size: '64MB' });
  db = await server.database();
});
after(async () => {
  await db.close();
  await server.stop();
});
afterEach(() =>
  db.rows(`drop publication if exists zt_risk_sync;
    select pg_drop_replication_slot(slot_name) from pg_replication_slots`),
);

const publication = (...args: string[]) => runCommand(['publication', ...args], { DATABASE_URL: db.url });

async function published(name = 'zt_risk_sync'): Promise<string[]> {
  const rows = await db.rows<{ tablename: string }>(
    'select tablename from pg_publication_tables where pubname = $1 order by 1',
    [name],
  );
  return rows.map(({ tablename }) => tablename);
}

const slotOf = (name: string) => db.rows(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);

type Answer = {
  exists: boolean;
  is_foreign: boolean;
  identities: boolean;
  wal_level: string;
  tables: { table: string; identity: string }[];
  slots: ReplicationSlot[];
};
const statusOf = async () => JSON.parse((await publication('status', '--json')).stdout) as Answer;

describe('publication create', () => {
  test('publishes every table except emails and names, says what to type next, and does nothing the second time', async () => {
    const first = await publication('create');
    assert.deepEqual([first.code, first.stderr], [0, '']);
    assert.match(first.stdout, /^publication zt_risk_sync: made, with 8 tables of schema risk\n/);
    assert.match(first.stdout, /^emails and names: not published/m);
    assert.match(first.stdout, /in role risk_reader;$/m);
    assert.match(first.stdout, /^ {2}publication\.autocreate\.mode=disabled$/m);
    for (const line of first.stdout.split('\n')) assert.ok(line.length <= 80, line);
    assert.deepEqual(await published(), TABLES);
    const again = await publication('create');
    assert.match(again.stdout, /^publication zt_risk_sync: up to date, with 8 tables/);
    assert.equal(again.code, 0);
  });

  test('adds emails and names when asked, and never removes them again', async () => {
    await publication('create');
    const added = await publication('create', '--identities');
    assert.match(added.stdout, /^publication zt_risk_sync: added user_identities: now 9 tables/);
    assert.match(added.stdout, /in role risk_pii_reader;$/m);
    assert.match(added.stdout, /^ {2}alter subscription zt_risk_sync refresh publication;$/m);
    assert.match(
      (await publication('create')).stdout,
      /up to date, with 9 tables.*\nemails and names: published/,
    );
    assert.deepEqual(await published(), ALL);
  });

  test('adds a table of a later version, and fixes a table without a replica identity, so that syncs go on', async () => {
    await publication('create');
    await db.rows('create table risk.later (id integer primary key)');
    await db.rows('alter table risk.users replica identity nothing');
    await seedAccount(db.pool, await claimAccount(db.pool), { keys: 3 });
    await assert.rejects(db.rows('update risk.users set event_count = 9'), { code: '55000' });
    const status = await publication('status');
    assert.match(status.stdout, /^not published: later\. Add with: publication create$/m);
    assert.match(status.stdout, /^without a replica identity, so that syncs fail: users\. /m);
    assert.match((await publication('create')).stdout, /added later: now 9 tables/);
    await db.rows('update risk.users set event_count = 9');
    assert.ok((await statusOf()).tables.every(({ identity }) => identity === 'primary key'));
    await db.rows('drop table risk.later');
  });

  test('leaves a publication of another kind alone, whatever it holds', async () => {
    await db.rows('create table public.other (id integer primary key)');
    for (const other of [
      'for all tables',
      'for tables in schema risk',
      'for table public.other',
      'for table risk.users (account_key, user_key)',
      'for table risk.users where (account_key > 1)',
      "for table risk.users with (publish = 'insert')",
    ]) {
      await db.rows(`create publication zt_risk_sync ${other}`);
      for (const verb of ['create', 'drop']) {
        const { code, stderr, stdout } = await publication(verb);
        assert.match(stderr, /^error PUBLICATION_TAKEN: /, other);
        assert.deepEqual([code, stdout], [1, '']);
      }
      assert.match(
        (await publication('status')).stdout,
        /^publication zt_risk_sync: not one of this program/m,
      );
      await db.rows('drop publication zt_risk_sync');
    }
    const named = await publication('create', '--name', 'another');
    assert.equal(named.code, 0);
    assert.deepEqual(await published('another'), TABLES);
    await publication('drop', '--name', 'another');
  });

  test('by a role without the rights ends with exit 77 and the SQL for an administrator', async (t) => {
    const role = 'reader';
    await server.admin.query(`create role ${role} login password 'a'`);
    t.after(() => server.admin.query(`drop owned by ${role}; drop role ${role}`).catch(() => undefined));
    await db.rows(`grant usage on schema risk, risk_internal to ${role};
      grant select, update on all tables in schema risk_internal to ${role}`);
    const url = new URL(db.url);
    Object.assign(url, { username: role, password: 'a' });
    const { code, stderr } = await runCommand(['publication', 'create'], { DATABASE_URL: url.href });
    assert.equal(code, 77);
    assert.match(
      stderr,
      /^error PUBLICATION_DENIED: .*\n.*\n.*`create publication zt_risk_sync for table risk\.accounts, /,
    );
    const read = await runCommand(['publication', 'status'], { DATABASE_URL: url.href });
    assert.deepEqual([read.code, read.stderr], [0, '']);
    await db.rows(`drop owned by ${role}`);
  });

  test('refuses a name that needs quotes, with exit 64', async () => {
    for (const name of ['Capital', '1st', 'a b', "a'; drop", '', 'x'.repeat(64)]) {
      const { code, stderr } = await publication('create', '--name', name);
      assert.equal(code, 64, name);
      assert.match(stderr, /must have small letters/);
    }
  });
});

describe('publication status', () => {
  test('shows how far behind each reader is, in words and as JSON', async () => {
    assert.match(
      (await publication('status')).stdout,
      /there is none\. Make it with: publication create\n.*none, so nobody reads it/,
    );
    assert.match(
      (await publication('status', '--name', 'lake')).stdout,
      /there is none\. Make it with: publication create --name lake\n/,
    );
    await publication('create');
    await slotOf('lake');
    await seedAccount(db.pool, await claimAccount(db.pool), { keys: 100 });
    const { stdout } = await publication('status');
    assert.match(stdout, /^publication zt_risk_sync: 8 tables of schema risk: accounts, /m);
    assert.match(stdout, /^lake +away +\d+\.\d kB +\d+\.\d kB +reserved$/m);
    assert.match(stdout, /max_slot_wal_keep_size is 64MB: a slot that needs more is lost/);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
    const { exists, identities, wal_level, slots } = await statusOf();
    assert.deepEqual([exists, identities, wal_level, slots.length], [true, false, 'logical', 1]);
    assert.ok((slots[0]?.lag_bytes ?? 0) > 1_000);
    assert.deepEqual([slots[0]?.plugin, slots[0]?.active], ['pgoutput', false]);
  });
});

describe('publication drop', () => {
  test('drops it, names the slots that stay, and does nothing the second time', async () => {
    await publication('create');
    await slotOf('left');
    const { code, stdout } = await publication('drop');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^publication zt_risk_sync: dropped\nThese slots stay, .*\n.*\n {2}select pg_drop_replication_slot\('left'\);\n$/,
    );
    assert.match((await publication('drop')).stdout, /^publication zt_risk_sync: there was none\n/);
  });
});

test('a server that cannot replicate: create ends with exit 78, says what to set, and status says that nobody can read', async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  const env = { DATABASE_URL: db.url };
  const [level] = await db.rows<{ wal_level: string }>('show wal_level');
  if (level?.wal_level === 'logical') return t.skip('this server can replicate');
  const { code, stderr, stdout } = await runCommand(['publication', 'create'], env);
  assert.equal(code, 78);
  assert.match(
    stderr,
    /^error WAL_LEVEL: The server has wal_level = replica.*\n.*exists, and nobody can read it.*\n.*rds\.logical_replication/,
  );
  assert.match(stdout, /^publication zt_risk_sync: made, with 8 tables/);
  const status = await runCommand(['publication', 'status'], env);
  assert.match(status.stdout, /^wal_level: replica\. Nobody can read a publication/);
});

test('a database without the schema is named with exit 78, and stays empty', async (t) => {
  const empty = await createTestDatabase();
  t.after(() => empty.drop());
  for (const verb of ['create', 'status', 'drop']) {
    const { code, stderr } = await runCommand(['publication', verb], { DATABASE_URL: empty.url });
    assert.match(stderr, /^error DATABASE_BEHIND: /, verb);
    assert.equal(code, 78);
  }
});

test('doctor and a scrape report a slot without a reader, and one that has lost its WAL', async (t) => {
  const slot = 'dead';
  await slotOf(slot);
  const doctor = async () => {
    const { stdout } = await runCommand(['doctor', '--offline', '--json'], { DATABASE_URL: db.url });
    return (JSON.parse(stdout) as { check: string; status: string; found: string }[]).find(
      ({ check }) => check === 'replication',
    );
  };
  const scraped = async () => parseScrape(await (await startApp(t, { databaseUrl: db.url })).scrape());
  assert.equal((await doctor())?.found, '1 logical replication slot, none far behind');
  assert.equal((await scraped()).value('zt_risk_sync_replication_slot_lost', { slot }), 0);
  // Each switch fills a file of WAL. A checkpoint then removes what exceeds 64 MB.
  for (let file = 0; file < 8; file++)
    await db.rows(`select pg_logical_emit_message(false, 'test', repeat('x', 1000)); select pg_switch_wal()`);
  await db.rows('checkpoint');
  const line = await doctor();
  assert.deepEqual(
    [line?.status, line?.found],
    ['failed', `slot ${slot} has lost the WAL that its reader needs`],
  );
  const scrape = await scraped();
  assert.equal(scrape.value('zt_risk_sync_replication_slot_lost', { slot }), 1);
  assert.ok((scrape.value('zt_risk_sync_replication_slot_lag_bytes', { slot }) ?? 0) > 64e6);
});

test('doctor judges each state of a slot', () => {
  const slot: ReplicationSlot = {
    slot: 'lake',
    plugin: 'pgoutput',
    active: true,
    wal_status: 'reserved',
    lag_bytes: 5e8,
    held_bytes: 5e8,
    inactive_since: null,
  };
  const judged = (over: Partial<ReplicationSlot>, maxSlotWalKeepSize = '-1') => {
    const { status, found, exit } = judgeReplication({ slots: [{ ...slot, ...over }], maxSlotWalKeepSize });
    return `${status} ${exit} ${found}`;
  };
  assert.match(judged({}), /^ok 0 1 logical replication slot, none far behind$/);
  assert.match(judged({ lag_bytes: 2.5e9 }), /^warning 0 the reader of slot lake is 2\.5 GB behind$/);
  assert.match(
    judged({ active: false }),
    /^warning 0 nobody reads slot lake, .* keeps 500\.0 MB of WAL for it, without a limit$/,
  );
  assert.match(judged({ active: false, held_bytes: 2e8 }), /^ok/);
  const hourAgo = new Date(Date.now() - 7_200_000).toISOString();
  assert.match(
    judged({ active: false, inactive_since: hourAgo }, '1GB'),
    /nobody reads slot lake for 2 h, .* for it$/,
  );
  assert.match(
    judged({ wal_status: 'unreserved' }, '1GB'),
    /^warning 0 slot lake is about to be lost: it needs 500\.0 MB/,
  );
  assert.match(judged({ wal_status: 'lost', held_bytes: null }), /^failed 1 slot lake has lost/);
  assert.equal(
    judgeReplication({ slots: [], maxSlotWalKeepSize: '-1' }).found,
    'no logical replication slot',
  );
});

test('names are quoted nowhere, so every table of the schema has one that needs no quotes', async (t) => {
  const db = await migratedDatabase();
  t.after(() => db.close());
  const rows = await db.rows<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'risk'::regnamespace and relkind = 'r' and relname !~ '^[a-z_]+$'`,
  );
  assert.deepEqual(rows, []);
  assert.deepEqual(
    publicationStatements({ walLevel: 'logical', exists: false, isForeign: false, tables: [] }, 'a', true),
    [],
  );
});
