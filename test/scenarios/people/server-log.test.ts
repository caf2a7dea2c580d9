// P8: whatever the database server is set to log, and however a run ends, no email and no name is in its log. They
// travel only by COPY, and no constraint can print them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { migrate } from '../../../src/db/migrate.ts';
import type { Pool } from '../../../src/db/pool.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { runCommand } from '../../support/run-command.ts';
import { startFaultProxy, type FaultProxy } from '../../support/faults/fault-proxy.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import {
  startTalkativeServer,
  type TalkativeServer,
} from '../../support/database/servers/talkative-server.ts';

describe("the database server's log", () => {
  let server: TalkativeServer;
  let proxy: FaultProxy;
  let pool: Pool;
  let direct: Pool;
  /** Each email and name of an account contains one of its marks, and nothing else does. */
  const marks = new Set<string>();

  before(async () => {
    server = await startTalkativeServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
    proxy = await startFaultProxy(server.url);
    direct = testPool(server.url);
    pool = testPool(proxy.url);
    await migrate(direct);
  });
  after(async () => {
    await Promise.all([pool.end(), direct.end()]);
    await proxy.close();
    await server.stop();
  });
  afterEach(async () => {
    const log = (await server.log()).toLowerCase();
    // One search for each account. A search for each of 12,000 emails and names takes ten seconds a test.
    const found = [...marks].filter((mark) => log.includes(mark));
    assert.deepEqual(found, [], 'emails or names of these accounts are in the log');
    assert.ok(marks.size > 0);
  });

  async function assertLogged(...texts: string[]): Promise<void> {
    const log = await server.log();
    for (const text of texts) assert.ok(log.includes(text), `not in the log: ${text}`);
  }

  function note(id: string, people: readonly UserRisk[]): void {
    const short = id.slice(0, 6);
    const ofAccount = [` of ${short}`, `.of.${short}@`, ` in ${short}`, `.in.${short}@`];
    for (const text of people.flatMap(({ email, name }) => [email, name]))
      assert.ok(
        !text || ofAccount.some((mark) => text.toLowerCase().includes(mark)),
        'a text without a mark',
      );
    for (const mark of ofAccount) marks.add(mark);
  }

  function account(users: number): ServedAccount {
    const one = servedAccount(pool, users);
    note(one.id, one.people);
    return one;
  }

  async function renamed(one: ServedAccount): Promise<void> {
    one.people = one.people.map((user, n) => ({
      ...user,
      name: `Changed ${n} in ${one.id.slice(0, 6)}`,
      email: `changed${n}.in.${one.id.slice(0, 6)}@example.com`,
    }));
    note(one.id, one.people);
  }

  const flawed = (one: ServedAccount, count: number) =>
    Array.from({ length: count }, (_, n) => {
      const person = {
        ...personOf(one.id, n),
        email: `flawed${n}.of.${one.id.slice(0, 6)}@example.com`,
        name: `Flawed ${n} of ${one.id.slice(0, 6)}`,
      };
      note(one.id, [person]);
      return { ...person, event_count: -1 };
    });

  test('holds statements, parameters and rows of errors: without them, the other tests would prove nothing', async () => {
    await assert.rejects(
      direct.query(`select $1::text || pg_sleep(0)::text, 1 / 0, $2::integer`, ['a parameter', 3]),
    );
    await direct.query('create table public.loud (n integer check (n > 0), said text)');
    await assert.rejects(direct.query(`insert into public.loud select -1, 'row of an ' || 'error'`));
    await assertLogged('a parameter', 'Failing row contains (-1, row of an error)', 'select $1::text');
    // From auto_explain, which logs statements that end well.
    await direct.query('select $1::text as explained', ['a parameter']);
    await assertLogged('Query Text: select $1::text as explained');
    account(200);
  });

  test('holds no email and no name after a first load, renames, absences and returns', async () => {
    const one = account(300);
    await one.succeed();
    await renamed(one);
    await one.succeed();
    const gone = one.people.splice(0, 20);
    await one.succeed();
    one.people.push(...gone);
    await one.succeed();
    await assertLogged('copy "risk_internal"."staged_changes"');
  });

  test('holds no email and no name after rejected records with emails and names, written twice and cut off', async () => {
    const one = account(300);
    for (const count of [12, 12, 14]) {
      if (count === 14) proxy.cutAt(/^copy data$/, 'before');
      const { error } = await one.sync({ beside: flawed(one, count) });
      assert.equal(error, null);
    }
    const { rows } = await direct.query('select raw from risk_internal.rejected_records');
    assert.ok(rows.length >= 14);
  });

  test('holds no email and no name after a connection that is cut in the middle of the changes', async () => {
    const one = account(3_000);
    let [chunks, copied] = [0, 0];
    await one.succeed({
      failpoint: async (name) =>
        void (name === 'copying' && ++chunks === 2 && proxy.cutAfter(30_000, 'to server')),
    });
    await renamed(one);
    await one.succeed({
      failpoint: async (name) => void (name === 'copied' && ++copied === 1 && proxy.cutAfter(0, 'to client')),
    });
    // The second cut leaves a line at level LOG, because no data was under way.
    await assertLogged('ERROR:  08006: unexpected EOF on client connection with an open transaction');
  });

  test('holds no email and no name after a publish that a constraint of ours refuses', async () => {
    const one = account(50);
    await one.succeed();
    const key = `(select account_key from risk.accounts where account_id = '${one.id}')`;
    await renamed(one);
    one.people.push(personOf(one.id, 800));
    note(one.id, one.people);
    const refusals: [what: string, sql: string, undo: string][] = [
      [
        'an identity that is already open',
        `insert into risk.user_identities (account_key, user_key, valid_from, snapshot_id) values (${key}, 51, '2020-01-01', 1)`,
        `delete from risk.user_identities where account_key = ${key} and user_key = 51`,
      ],
      [
        'a user with that key',
        `insert into risk.users select account_key, 51, gen_random_uuid(), max_risk_level, event_count, last_event, level_since, identity_since, first_seen_at, absent_since, cleared_at, snapshot_id from risk.users where account_key = ${key} and user_key = 1`,
        `delete from risk.users where account_key = ${key} and user_key = 51`,
      ],
      [
        'a level that is already open',
        `insert into risk.user_levels (account_key, user_key, valid_from, max_risk_level, change, snapshot_id) values (${key}, 51, '2020-01-01', 'low', 'appeared', 1)`,
        `delete from risk.user_levels where account_key = ${key} and user_key = 51`,
      ],
    ];
    for (const [what, sql, undo] of refusals) {
      const { error } = await one.sync({
        failpoint: async (name) => void (name === 'asked' && (await direct.query(sql))),
      });
      assert.equal(error?.code, 'STATE_MOVED', what);
      await direct.query(undo);
    }
    await assertLogged('user_identities_open', 'Key (account_key, user_key)=');
    await one.succeed();
  });

  test('holds no email and no name after a dry run, a failed run, and a run that waited for a lock and was cancelled', async () => {
    const one = account(200);
    await one.sync({ dryRun: true, beside: flawed(one, 5) });
    await one.fail('TOO_MANY_REJECTED', 1, { beside: flawed(one, 250) });
    await one.succeed();
    await renamed(one);
    const holder = await direct.connect();
    await holder.query('begin; select 1 from risk_internal.feed_clock for update');
    const waiting = one.sync();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { rows } = await direct.query<{ pid: number; begun: string }>(
      `select pid, xact_start::text as begun from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'zt-risk-sync'`,
    );
    assert.ok(rows.length > 0, 'nobody waits');
    for (const { pid } of rows) await direct.query('select pg_cancel_backend($1)', [pid]);
    const publishing = `select from pg_stat_activity where pid = any($1) and wait_event_type = 'Lock' and xact_start = any($2)`;
    const cancelled = [rows.map(({ pid }) => pid), rows.map(({ begun }) => begun)];
    while ((await direct.query(publishing, cancelled)).rows.length > 0);
    // The failed run needs a value of the clock.
    await holder.query('rollback');
    holder.release();
    assert.equal((await waiting).error?.code, 'DATABASE_SLOW');
    await one.succeed();
  });

  test('holds no email and no name after people have searched for users, and shown what was rejected', async () => {
    const one = account(60);
    await one.succeed();
    await renamed(one);
    await one.sync({ beside: flawed(one, 2) });
    const env = { DATABASE_URL: server.url };
    const { email, name } = one.people[5] ?? {};
    const past = personOf(one.id, 5).email ?? '';
    const { stdout: list } = await runCommand(
      ['rejected', 'list', '--format', 'json', '--account', one.id],
      env,
    );
    const [record] = JSON.parse(list) as { id: string }[];
    for (const [args, expected] of [
      [['users', '--identities', '--search', email ?? ''], email ?? '-'],
      [['users', '--identities', '--search', (name ?? '').toUpperCase()], email ?? '-'],
      [['history', email ?? '', '--identities'], email ?? '-'],
      [['history', past, '--identities'], email ?? '-'],
      [['rejected', 'show', record?.id ?? '', '--raw', '--account', one.id], '@example.com'],
      [['rejected', 'recheck', '--account', one.id], ''],
    ] as const) {
      const { code, stdout, stderr } = await runCommand([...args], env);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(expected), `${args[0]}: ${stdout}`);
    }
  });

  test('holds no email and no name after a deadlock of two runs with the same rejected records', async () => {
    const one = account(60);
    await one.succeed();
    const records = flawed(one, 4);
    await one.sync({ beside: records });
    const holder = await direct.connect();
    const locks = (order: string) => `select from (select record_hash from risk_internal.rejected_records
      where account_key = (select account_key from risk.accounts where account_id = '${one.id}') order by 1 ${order} limit 1) f
      join risk_internal.rejected_records r using (record_hash) for update of r`;
    try {
      // The run takes the first record and waits for the last one; then this session waits for the first one.
      await holder.query(`set deadlock_timeout = '5s'; begin; ${locks('desc')}`);
      const running = one.sync({ beside: records });
      const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%rejected_records%'`;
      while ((await direct.query(waits)).rowCount === 0);
      await holder.query(locks('asc')).catch(() => undefined);
      await holder.query('rollback');
      assert.equal((await running).error, null);
    } finally {
      holder.release();
    }
    await assertLogged('40P01: deadlock detected');
  });
});
