// P8 in the server's own log, when it is told to write everything that it can: no email, name or raw record, whatever happens to
// a run. On a server of its own, because its log is one for all.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { createLogger } from '../../src/logger.ts';
import { LEASE_TIMING } from '../../src/sync/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import type { RunDeps, RunResult } from '../../src/sync/run-sync.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { testPool } from '../support/migrated-database.ts';
import { startPostgresServer, type PostgresServer } from '../support/postgres-server.ts';
import { uuidOf } from '../support/random-world.ts';
import { serveRecords } from '../support/serve-records.ts';
import { TEST_SETTINGS } from '../support/settings.ts';

const quiet = createLogger({ level: 'silent', secrets: [], pretty: false, destination: { write() {} } });
/** In every email, in every name, and in what rejected records hold besides. */
const SECRET = 'zanzibar';
const USERS = 300;

let server: PostgresServer;
let proxy: FaultProxy;
let pool: Pool;
/** By way of the proxy. */
let cut: Pool;
let logFile: string;
before(async () => {
  server = await startPostgresServer(process.env['TEST_POSTGRES'] === '15' ? 15 : 18);
  const admin = testPool(server.url, 1);
  // What the embedded server is started with says less; a database's own settings outweigh that.
  for (const setting of [
    "log_statement = 'all'",
    'log_min_duration_statement = 0',
    "log_min_messages = 'info'",
    "log_min_error_statement = 'debug5'",
    "log_error_verbosity = 'verbose'",
    'log_parameter_max_length = -1',
    'log_parameter_max_length_on_error = -1',
    'log_lock_waits = on',
  ])
    await admin.query(`alter database postgres set ${setting}`);
  const { rows } = await admin.query<{ data_directory: string }>('show data_directory');
  await admin.end();
  logFile = `${path.dirname(rows[0]?.data_directory ?? '')}.log`;
  pool = testPool(server.url);
  await migrate(pool);
  proxy = await startFaultProxy(server.url);
  cut = testPool(proxy.url);
});
after(async () => {
  await cut.end();
  await proxy.close();
  await pool.end();
  await server.stop();
});

/** `day` changes everybody's name and level. */
const everybody = (day: number, count = USERS) =>
  Array.from({ length: count }, (_, n) => ({
    user_id: uuidOf(`logged ${n}`),
    email: `person${n}.${day}@${SECRET}.example`,
    name: `Person ${n} of ${SECRET} on day ${day}`,
    max_risk_level: ['low', 'medium', 'high'][(n + day) % 3],
    event_count: n + day,
    last_event: '2026-01-01T00:00:00Z',
  }));
const rejected = (day: number) => [
  { ...everybody(day)[0]!, user_id: 'nobody', last_event: SECRET },
  { ...everybody(day)[1]!, max_risk_level: SECRET },
];

async function sync(
  accountId: string,
  records: readonly { user_id: string }[],
  over: Partial<Pick<RunDeps, 'pool' | 'failpoint'>> = {},
): Promise<RunResult> {
  const outcome = await requestSync(
    {
      pool,
      client: {
        summaryPage: ({ page, perPage, openReader }) =>
          serveRecords(
            records.slice((page - 1) * perPage, page * perPage),
            { total_count: records.length },
            openReader,
          ),
        lookUpUser: async ({ userId }) =>
          records.some(({ user_id }) => user_id === userId)
            ? { riskLevel: 'low', lastResetTime: null, newestEvent: null }
            : null,
      },
      logger: quiet,
      settings: { ...TEST_SETTINGS, perPage: 100 },
      timing: LEASE_TIMING,
      ...over,
    },
    { accountId, trigger: 'cli', signal: new AbortController().signal },
  );
  assert.ok(outcome.kind === 'ran');
  return outcome.result;
}

/** What the log has gained since it was last asked. */
let read = 0;
async function logged(): Promise<string> {
  // Written by the server's processes, the last of them after the client has its answer.
  await sleep(200);
  const whole = await readFile(logFile);
  const text = whole.toString('utf8', read);
  read = whole.length;
  return text;
}

async function assertDiscreet(mustSay: readonly RegExp[]): Promise<void> {
  const text = await logged();
  for (const pattern of mustSay) assert.match(text, pattern);
  const said = text.split('\n').filter((line) => line.toLowerCase().includes(SECRET));
  assert.deepEqual(said, []);
}

test('the log says everything: also a parameter, and the row of a statement that fails', async () => {
  await pool.query('select $1::text', [`parameter of ${SECRET}`]);
  await assert.rejects(
    pool.query(
      `insert into risk.user_identities (account_key, user_key, email) values (1, 1, 'literal of ${SECRET}')`,
    ),
  );
  const text = await logged();
  assert.match(text, /parameter of zanzibar/);
  assert.match(text, /Failing row contains .*literal of zanzibar/);
});

test('a first load, changes, rejected records and questions about the absent', async () => {
  const accountId = randomBytes(16).toString('hex');
  const load = await sync(accountId, [...everybody(0), ...rejected(0)]);
  assert.deepEqual([load.error, load.facts.rejected], [null, 2]);
  // Again, and one of them otherwise.
  assert.equal((await sync(accountId, [...everybody(1), ...rejected(0), rejected(1)[1]!])).error, null);
  const without = await sync(accountId, everybody(2).slice(20));
  assert.equal(without.published?.cleared, 20);
  const again = await sync(accountId, everybody(3));
  assert.equal(again.published?.returned, 20);
  await assertDiscreet([
    /copy "risk_internal"\."staged_changes"/,
    /copy "risk_internal"\."rejected_records"/,
    /duration: /,
    /insert into "risk"\."user_identities"/,
  ]);
});

test('a connection that breaks anywhere in the changes that are copied, or as they are written', async () => {
  const accountId = randomBytes(16).toString('hex');
  await sync(accountId, [...everybody(0), ...rejected(0)]);
  let day = 0;
  for (const arm of [
    () => proxy.cutAt(/^copy data$/, 'before'),
    () => proxy.cutAfter(2_000, 'to server'),
    () => proxy.cutAfter(30_000, 'to server'),
    () => proxy.cutAt(/insert into "risk"\."user_identities"/, 'before'),
    () => proxy.cutAt(/insert into "risk"\."user_identities"/, 'after'),
    () => proxy.cutAt(/^commit$/i, 'after'),
  ]) {
    const before = proxy.cuts();
    let armed = false;
    const { error } = await sync(accountId, everybody(++day), {
      pool: cut,
      async failpoint(name) {
        if (name !== 'asked' || armed) return;
        armed = true;
        arm();
      },
    });
    assert.equal(error, null);
    assert.equal(proxy.cuts() - before, 1);
    await proxy.heal();
  }
  await assertDiscreet([/unexpected EOF|could not receive data|Connection reset|connection to client lost/i]);
});

test('a server that ends the session, and one that cancels the COPY', async () => {
  const accountId = randomBytes(16).toString('hex');
  await sync(accountId, everybody(0));
  for (const end of ['pg_terminate_backend', 'pg_cancel_backend']) {
    let ended = false;
    await sync(accountId, everybody(1), {
      async failpoint(name) {
        if (name !== 'copied' || ended) return;
        ended = true;
        await pool.query(
          `select ${end}(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
        );
      },
    });
    assert.ok(ended);
  }
  await assertDiscreet([/terminating connection due to administrator command/]);
});

test('constraints that fail as the changes are written', async () => {
  const fails: [sql: string, undo: string, says: RegExp][] = [
    [
      `insert into risk.user_identities (account_key, user_key, valid_from, snapshot_id)
         select account_key, last_user_key + 1, now(), 1 from risk_internal.account_writers`,
      'delete from risk.user_identities where user_key > (select max(user_key) from risk.users)',
      /duplicate key .*user_identities_open/,
    ],
    [
      'alter table risk.users add constraint whim check (event_count < 0) not valid',
      'alter table risk.users drop constraint whim',
      /violates check constraint "whim"/,
    ],
    [
      'alter table risk.user_levels add constraint whim check (valid_to is not null) not valid',
      'alter table risk.user_levels drop constraint whim',
      /violates check constraint "whim"/,
    ],
    [
      'alter table risk.user_activity add constraint whim check (event_count < 0) not valid',
      'alter table risk.user_activity drop constraint whim',
      /violates check constraint "whim"/,
    ],
  ];
  for (const [sql, undo, says] of fails) {
    const accountId = randomBytes(16).toString('hex');
    await sync(accountId, everybody(0));
    await pool.query(sql);
    const { error, published } = await sync(accountId, everybody(1, USERS + 1));
    assert.ok(error !== null && published === null);
    assert.ok(!error.message.includes(SECRET));
    await pool.query(undo);
    await assertDiscreet([says]);
  }
});
