// `migrate --distribute` on a cluster of Citus, and what it says elsewhere. CITUS_ROWS sets about how many rows the
// history has.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { distribute } from '../../../src/db/distribute/distribute.ts';
import { readNotes } from '../../../src/db/distribute/kept-notes.ts';
import { migrate, migrationsFolder } from '../../../src/db/migrate.ts';
import type { Pool } from '../../../src/db/pool.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { CITUS_URL, emptyCluster, type EmptyCluster } from '../../support/database/distributed-database.ts';
import { migratedDatabase, testPool } from '../../support/database/migrated-database.ts';
import { wholeHistory } from '../../support/database/whole-history.ts';
import { rebuild } from '../../support/oracle/assert-promises.ts';
import { runCommand } from '../../support/run-command.ts';

const ROWS = Number(process.env['CITUS_ROWS'] ?? 2_000);
const PATIENT = { settings: { timeBudgetMs: 3_600_000 } };
const NEEDS = CITUS_URL === '' && 'TEST_CITUS_URL names no cluster';
const KINDS = `select citus_table_type as kind, count(*)::integer as tables from citus_tables group by 1 order by 1`;

test(
  'on one PostgreSQL it is refused, and nothing changes',
  { skip: CITUS_URL !== '' && 'about one PostgreSQL' },
  async (t) => {
    const db = await migratedDatabase();
    t.after(() => db.close());
    for (const flags of [['--distribute'], ['--distribute', '--check']]) {
      const { code, stderr } = await runCommand(['migrate', ...flags], { DATABASE_URL: db.url });
      assert.match(stderr, /^error CITUS_MISSING: .*Citus/);
      assert.equal(code, 78);
    }
  },
);

describe('a history on Citus', { skip: NEEDS }, () => {
  let cluster: EmptyCluster;
  let pool: Pool;
  const accounts: ServedAccount[] = [];
  const served = new Map<number, UserRisk[]>();
  const rows = async <Row extends object>(text: string, values: readonly unknown[] = []) =>
    (await pool.query<Row>(text, [...values])).rows;

  before(async () => {
    cluster = await emptyCluster();
    pool = testPool(cluster.url);
    // Until it is distributed, it is a history like any other.
    await migrate(pool);
    await createRoles(pool);
    await pool.query('grant select (label) on risk.accounts to pg_monitor');
    for (const size of [ROWS / 4, 30, 7]) accounts.push(servedAccount(pool, size));
    for (let round = 0; round < 3; round++) for (const account of accounts) await publish(account, round);
  });
  after(async () => {
    await pool.end();
    await cluster.drop();
  });

  async function publish(account: ServedAccount, round: number): Promise<void> {
    account.people.splice(round, 1);
    account.people.push(personOf(account.id, 5_000_000 + round));
    Object.assign(account.people[3]!, {
      max_risk_level: round === 1 ? 'high' : 'low',
      event_count: 900 + round,
    });
    const { snapshotId } = await account.succeed(PATIENT);
    served.set(
      snapshotId,
      account.people.map((person) => ({ ...person })),
    );
  }

  const distributeIt = (over: Partial<Parameters<typeof distribute>[0]> = {}) =>
    distribute({ pool, signal: new AbortController().signal, onProgress: () => undefined, ...over });
  // Without the grants on the tables of the clock: only a distributed history has those.
  const notes = async () =>
    (await inTransaction(pool, DEFAULT_LIMITS, readNotes)).filter(
      (note) => !/^grant .* on risk_internal\.(epochs|feed_clock) /.test(note),
    );
  // The clocks are compared separately, because one clock has become several.
  const history = async () => {
    const { clock: _, sequences: __, ...tables } = await wholeHistory({ rows });
    return tables;
  };

  async function refusedByWorker(...commands: string[][]): Promise<void> {
    for (const command of commands) {
      const { code, stderr } = await runCommand(command, { DATABASE_URL: cluster.worker });
      assert.match(stderr, /^error CITUS_NODE: /, command.join(' '));
      assert.equal(code, 78);
    }
  }

  test('is not distributed by a worker node, nor by an attempt that dies at any step', async () => {
    await refusedByWorker(['migrate', '--distribute'], ['migrate', '--distribute', '--check']);
    const was = await history();
    const steps: (string | null)[] = [];
    const dies = new Error('died');
    await assert.rejects(
      distributeIt({
        async beforeStep(table) {
          steps.push(table);
          if (table === null) throw dies;
        },
      }),
      dies,
    );
    assert.ok(steps.length > 15);
    for (const step of [steps[1]!, steps[9]!]) {
      const killed = distributeIt({
        async beforeStep(table) {
          if (table !== step) return;
          await pool.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
               and state = 'idle in transaction' and pid <> pg_backend_pid()`,
          );
        },
      });
      await assert.rejects(killed, step);
    }
    assert.deepEqual(await rows(KINDS), []);
    assert.deepEqual(await history(), was);
    const { code, stderr } = await runCommand(['migrate', '--distribute', '--check'], {
      DATABASE_URL: cluster.url,
    });
    assert.match(stderr, /^error NOT_DISTRIBUTED: 21 tables/);
    assert.equal(code, 78);
    for (const account of accounts) await account.succeed(PATIENT);
  });

  test('is distributed as it is: every row, snapshot, comment, grant and watermark', async (t: TestContext) => {
    const [was, noted] = [await history(), await notes()];
    const [clock] = await rows<{ at: string; epoch: string }>(
      'select last_snapshot_id as at, epoch from risk_internal.feed_clock',
    );
    const began = performance.now();
    const { code, stdout, stderr } = await runCommand(['migrate', '--distribute'], {
      DATABASE_URL: cluster.url,
    });
    assert.deepEqual([code, stdout], [0, 'up to date\ndistributed 21 tables\n'], stderr);
    t.diagnostic(`${Object.values(was).flat().length} rows in ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual(await rows(KINDS), [
      { kind: 'distributed', tables: 20 },
      { kind: 'reference', tables: 1 },
    ]);
    assert.deepEqual(await history(), was);
    assert.deepEqual(await notes(), noted);
    assert.deepEqual(
      await rows('select last_snapshot_id as at, epoch from risk_internal.feed_clock'),
      accounts.map(() => clock),
    );
    for (const [id, people] of served)
      assert.deepEqual(
        await rebuild(pool, id),
        people.toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1)),
      );
    assert.deepEqual(await distributeIt(), []);
    await refusedByWorker(['migrate'], ['status']);
    const check = await runCommand(['migrate', '--distribute', '--check'], { DATABASE_URL: cluster.url });
    assert.equal(check.code, 0, check.stderr);
  });

  test('goes on: old and new accounts, each with its own clock, and one node for each publish', async () => {
    const before_ = await rows<{ at: string }>(
      'select max(last_snapshot_id) as at from risk_internal.feed_clock',
    );
    const added = servedAccount(pool, 12);
    accounts.push(added);
    for (const account of accounts) {
      const { snapshotId } = await account.succeed(PATIENT);
      assert.equal(snapshotId > Number(before_[0]!.at), account !== added);
    }
    assert.deepEqual(
      await rows('select distinct reason from risk_internal.epochs'),
      [],
      'a node is no other place',
    );
    await createRoles(pool);
    await inTransaction(pool, DEFAULT_LIMITS, async (_, client) => {
      await client.query('set local role risk_reader');
      assert.ok((await client.query('select from risk_bi.users')).rowCount);
      assert.equal((await client.query('select from risk_bi.feed_clock')).rowCount, accounts.length);
      // The other nodes look at the tables behind each view with the rights of the role.
      const views = await client.query<{ name: string }>(
        `select oid::regclass::text as name from pg_class
          where relnamespace = 'risk_bi'::regnamespace and relkind = 'v' and has_table_privilege(oid, 'select')`,
      );
      assert.ok(views.rows.length > 5);
      for (const { name } of views.rows) await client.query(`select * from ${name}`);
    });
    for (const command of [['database', 'backup', '-']]) {
      const refused = await runCommand(command, { DATABASE_URL: cluster.url });
      assert.match(refused.stderr, /HISTORY_DISTRIBUTED/);
      assert.equal(refused.code, 78);
    }
  });

  test('takes a later migration: a column, a table beside the others, a view', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'later-'));
    try {
      cpSync(migrationsFolder(), folder, { recursive: true });
      const journal = path.join(folder, 'meta/_journal.json');
      const known = JSON.parse(readFileSync(journal, 'utf8')) as {
        entries: { idx: number; when: number; tag: string }[];
      };
      const last = known.entries.at(-1)!;
      known.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1, tag: '0099_later' });
      writeFileSync(journal, JSON.stringify(known));
      writeFileSync(
        path.join(folder, '0099_later.sql'),
        [
          'alter table risk.users add column later text;',
          'create table risk_internal.later (account_key integer primary key, note text);',
          'alter table risk_internal.later add constraint later_account foreign key (account_key) references risk.accounts (account_key);',
          'create view risk_bi.later as select account_key, u.later, note from risk.users u join risk_internal.later using (account_key);',
          'create table risk_internal.alone (n integer);',
        ].join('\n--> statement-breakpoint\n'),
      );
      assert.deepEqual(await migrate(pool, folder), { applied: 1 });
      await pool.query(`insert into risk_internal.later select account_key, 'x' from risk.accounts`);
      const [{ n } = { n: 0 }] = await rows<{ n: number }>(
        'select count(*)::integer as n from risk_bi.later',
      );
      assert.ok(n > 40);
      assert.deepEqual(await rows(KINDS), [
        { kind: 'distributed', tables: 21 },
        { kind: 'reference', tables: 1 },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
