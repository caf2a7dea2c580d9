// A history moves: to a server of another version, into a file, and into the embedded server. Every snapshot stays what
// was served. Whatever dies half-way, a part of a history is never mistaken for the whole.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, before, describe, test, type TestContext } from 'node:test';
import { databaseUrl, productDatabase } from '../../../src/db/create-database.ts';
import { findEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { readBackup } from '../../../src/move/backup-file.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { childScript, type ChildScript } from '../../support/child.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import {
  dataHome,
  removeFolder,
  startPostgresServer,
  type PostgresServer,
} from '../../support/database/servers/postgres-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database/test-database.ts';
import { wholeHistory } from '../../support/database/whole-history.ts';
import { rebuild } from '../../support/oracle/assert-promises.ts';
import { runCommand } from '../../support/run-command.ts';

let source: MigratedDatabase;
let account: ServedAccount;
let folder: string;
/** Also the embedded server, and a kill at each table. */
const WHOLE = process.env['MOVE_WHOLE'] === '1';
/** What was served, by snapshot. */
const served = new Map<number, UserRisk[]>();

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'moved-'));
  source = await migratedDatabase();
  account = servedAccount(source.pool, 60);
  const keep = async (over = {}) => {
    const { snapshotId } = await account.succeed(over);
    served.set(
      snapshotId,
      account.people.map((person) => ({ ...person })),
    );
  };
  await keep();
  account.people.splice(10, 5);
  Object.assign(account.people[3]!, { max_risk_level: 'high', event_count: 999, name: 'O\\N "1",\n(ä)' });
  await keep();
  account.people.push(personOf(account.id, 70));
  await keep();
  // A rejected record, and a run that failed.
  await account.sync({ beside: [{ user_id: 'nobody', max_risk_level: 'HIGH' }] });
  const { rows } = await source.pool.query('select max(snapshot_id)::integer as id from risk.snapshots');
  served.set(rows[0].id, account.people.slice());
  const flawed = Array.from({ length: 250 }, () => ({ user_id: 'nobody' }));
  await account.fail('TOO_MANY_REJECTED', 1, { beside: flawed });
});
after(async () => {
  await source.close();
  await rm(folder, { recursive: true });
});

const done = (result: { code: number; stderr: string }) => assert.equal(result.code, 0, result.stderr);

async function checkAt(url: string): Promise<void> {
  const pool = testPool(url);
  const rows: MigratedDatabase['rows'] = async (text, values = []) =>
    (await pool.query(text, [...values])).rows as never;
  assert.deepEqual(await wholeHistory({ rows }), await wholeHistory(source));
  for (const [snapshotId, people] of served)
    assert.deepEqual(
      await rebuild(pool, snapshotId),
      people.toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1)),
    );
  await pool.end();
}

/** Where the history ends: the embedded server, or another database of the test server. */
async function lastPlace(
  t: TestContext,
): Promise<{ env: Record<string, string>; url: () => Promise<string> }> {
  if (!WHOLE) {
    const target = await createTestDatabase();
    t.after(() => target.drop());
    return { env: { DATABASE_URL: target.url }, url: async () => target.url };
  }
  const home = await dataHome(18);
  const place = { dataHome: home, home };
  t.after(async () => {
    await stopEmbedded(place);
    await removeFolder(home);
  });
  const url = async () => databaseUrl((await findEmbedded(place))?.url ?? '', productDatabase);
  return { env: { HOME: home, XDG_DATA_HOME: home }, url };
}

test('a history moves to PostgreSQL 15, into a file and back, and a sync goes on there', async (t) => {
  const fifteen: PostgresServer = await startPostgresServer(15);
  t.after(() => fifteen.stop());
  const file = path.join(folder, 'risk.backup');
  const copied = await runCommand(['database', 'copy'], {
    DATABASE_URL: source.url,
    DATABASE_COPY_TO_URL: fifteen.url,
  });
  done(copied);
  assert.match(
    copied.stdout,
    /^copied to 127\.0\.0\.1:\d+\/\w+: \d+ rows in \d+ tables .* Every row was compared$/m,
  );
  await checkAt(fifteen.url);
  done(await runCommand(['database', 'backup', file], { DATABASE_URL: fifteen.url }));
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const last = await lastPlace(t);
  done(await runCommand(['database', 'restore', file], last.env));
  const url = await last.url();
  await checkAt(url);
  const pool = testPool(url);
  t.after(() => pool.end());
  const epochs = async () =>
    (await pool.query<{ epoch: string }>('select epoch from risk_bi.feed_epochs')).rows;
  assert.equal((await epochs()).length, 3, 'two moves, and the epoch of the source');
  const [clock] = await source.rows('select epoch from risk_internal.feed_clock');
  assert.deepEqual((await epochs()).at(-1), clock, 'readers of the source may go on');
  // A sync there finds every key, and gives no number twice.
  const gone = servedAccount(pool, 0, account.id);
  gone.people.push(...account.people.slice(1), personOf(account.id, 71));
  const { appeared, cleared } = await gone.succeed();
  assert.deepEqual([appeared, cleared], [1, 1]);
  assert.equal((await epochs()).length, 3, 'the place is not news');
});

test('a copy leaves the source as it was, except for the note that it was copied', async (t) => {
  const target = await createTestDatabase();
  t.after(() => target.drop());
  await source.rows('update risk_internal.feed_clock set copied_at = null');
  const before = await wholeHistory(source);
  const clock = () =>
    source.rows('select epoch, place, copied_at is null as never from risk_internal.feed_clock');
  const [was] = await clock();
  done(
    await runCommand(['database', 'copy'], { DATABASE_URL: source.url, DATABASE_COPY_TO_URL: target.url }),
  );
  assert.deepEqual(await wholeHistory(source), before);
  assert.deepEqual(await clock(), [{ ...was, never: false }]);
});

describe('a copy that is killed', () => {
  let script: ChildScript;
  let target: TestDatabase;
  before(async () => {
    script = await childScript('children/move-child.ts');
    target = await createTestDatabase();
  });
  after(async () => {
    await script.close();
    await target.drop();
  });

  test('leaves a target that every command refuses, and the next copy completes it', async () => {
    const start = () => script.start({ sourceUrl: source.url, targetUrl: target.url });
    const all = [
      'risk.accounts',
      'risk.users',
      'risk.user_activity',
      'risk_internal.rejected_records',
      'commit',
    ];
    const steps = WHOLE ? all : ['risk.user_activity', 'commit'];
    const env = { DATABASE_URL: target.url };
    for (const step of steps) {
      const child = start();
      for (let at = ''; at !== `at ${step}`;) {
        if (at !== '') child.say('');
        at = await child.line('at ');
      }
      const beside = await runCommand(['database', 'copy'], {
        DATABASE_URL: source.url,
        DATABASE_COPY_TO_URL: target.url,
      });
      assert.match(beside.stderr, /^error DATABASE_BUSY: At the target: Another copy or restore/m);
      assert.equal(beside.code, 75);
      child.kill('SIGKILL');
      await child.ended;
      for (const command of [
        ['status'],
        ['users'],
        ['migrate'],
        ['migrate', '--check'],
        ['accounts', 'list'],
      ]) {
        const { code, stderr, stdout } = await runCommand(command, env);
        assert.match(stderr, /^error HISTORY_INCOMPLETE: /m, `${command.join(' ')} after ${step}`);
        assert.deepEqual([code, stdout], [78, '']);
      }
      const pool = testPool(target.url, 2);
      await assert.rejects(servedAccount(pool, 5).sync(), { code: 'HISTORY_INCOMPLETE', exit: 78 });
      await pool.end();
    }
    const last = await runCommand(['database', 'copy'], {
      DATABASE_URL: source.url,
      DATABASE_COPY_TO_URL: target.url,
    });
    done(last);
    await checkAt(target.url);
    assert.equal((await runCommand(['status'], env)).code, 0);
  });
});

describe('a target or a file that does not fit', () => {
  let file: string;
  before(async () => {
    file = path.join(folder, 'good.backup');
    done(await runCommand(['database', 'backup', file], { DATABASE_URL: source.url }));
  });
  const refused = async (
    args: readonly string[],
    env: Record<string, string>,
    code: string,
    exit: number,
  ) => {
    const result = await runCommand(['database', ...args], env);
    assert.match(result.stderr, new RegExp(`^error ${code}: `, 'm'), args.join(' '));
    assert.deepEqual([result.code, result.stdout], [exit, ''], args.join(' '));
    return result.stderr;
  };

  test('a target with a history is refused, by copy and by restore, and stays as it is', async (t) => {
    const other = await migratedDatabase();
    t.after(() => other.close());
    await servedAccount(other.pool, 3).succeed();
    const before = await wholeHistory(other);
    const urls = { DATABASE_URL: source.url, DATABASE_COPY_TO_URL: other.url };
    await refused(['copy'], urls, 'HISTORY_EXISTS', 78);
    await refused(['copy'], { ...urls, DATABASE_COPY_TO_URL: source.url }, 'HISTORY_EXISTS', 78);
    await refused(['restore', file], { DATABASE_URL: other.url }, 'HISTORY_EXISTS', 78);
    assert.deepEqual(await wholeHistory(other), before);
    assert.equal((await runCommand(['status'], { DATABASE_URL: other.url })).code, 0);
  });

  test('a source without a history is refused, so that a wrong URL is noticed', async (t) => {
    const empty = await migratedDatabase();
    const blank = await createTestDatabase();
    t.after(() => Promise.all([empty.close(), blank.drop()]));
    const out = path.join(folder, 'empty.backup');
    await refused(['backup', out], { DATABASE_URL: empty.url }, 'HISTORY_EMPTY', 1);
    await refused(['backup', out], { DATABASE_URL: blank.url }, 'DATABASE_BEHIND', 78);
    const urls = { DATABASE_URL: empty.url, DATABASE_COPY_TO_URL: blank.url };
    await refused(['copy'], urls, 'HISTORY_EMPTY', 1);
    await assert.rejects(stat(out), { code: 'ENOENT' });
    assert.equal((await runCommand(['migrate'], { DATABASE_URL: blank.url })).code, 0, 'nothing was begun');
  });

  test('a source that cannot be copied is refused before an embedded target is made', async (t) => {
    const other = await migratedDatabase();
    const home = await mkdtemp(path.join(tmpdir(), 'no-target-'));
    t.after(() => Promise.all([other.close(), rm(home, { recursive: true })]));
    const env = { DATABASE_URL: other.url, HOME: home, XDG_DATA_HOME: home };
    await refused(['copy', '--to', 'embedded'], env, 'HISTORY_EMPTY', 1);
    // As a distributed history answers.
    await other.pool.query(
      `create or replace function risk_internal.feed_clock_key(account_key integer) returns integer language sql as 'select 1'`,
    );
    await refused(['copy', '--to', 'embedded'], env, 'HISTORY_DISTRIBUTED', 78);
    assert.deepEqual(await readdir(home), []);
  });

  test('--to accepts no password and only one target, and an error says which database it is about', async () => {
    const env = { DATABASE_URL: source.url };
    const secret = 'postgres://risk:hunter22@127.0.0.1:1/risk';
    const shown = await refused(['copy', '--to', secret], env, 'COPY_TARGET', 64);
    assert.doesNotMatch(shown, /hunter22/);
    await refused(
      ['copy', '--to', `${secret.replace('risk:hunter22@', '')}?password=hunter22`],
      env,
      'COPY_TARGET',
      64,
    );
    await refused(['copy', '--to', 'mysql://x/y'], env, 'COPY_TARGET', 64);
    await refused(['copy'], env, 'COPY_TARGET', 64);
    await refused(['copy', '--to', 'embedded'], {}, 'COPY_TARGET', 64);
    await refused(['copy', '--to', 'embedded'], { ...env, DATABASE_COPY_TO_URL: secret }, 'COPY_TARGET', 64);
    const away = await refused(
      ['copy'],
      { ...env, DATABASE_COPY_TO_URL: secret },
      'DATABASE_UNAVAILABLE: At the target',
      75,
    );
    assert.doesNotMatch(away, /hunter22|DATABASE_URL|published/);
    const nowhere = { ...env, DATABASE_COPY_TO_URL: databaseUrl(source.url, 'no_such_database') };
    assert.match(
      await refused(['copy'], nowhere, 'DATABASE_REFUSED', 78),
      /: At the target: The database in the URL of the target does not exist\.\n  Nothing was copied, /,
    );
    const gone = { DATABASE_URL: databaseUrl(source.url, 'no_such_database') };
    assert.doesNotMatch(
      await refused(['backup', path.join(folder, 'x')], gone, 'DATABASE_REFUSED', 78),
      /At the target/,
    );
  });

  test('an existing file is replaced only with --force, and only by a complete backup', async () => {
    const env = { DATABASE_URL: source.url };
    const old = path.join(folder, 'old.backup');
    await writeFile(old, 'precious');
    await refused(['backup', old], env, 'BACKUP_EXISTS', 64);
    assert.equal(await readFile(old, 'utf8'), 'precious');
    done(await runCommand(['database', 'backup', old, '--force'], env));
    assert.ok((await stat(old)).size > 1_000);
    for (const force of [[], ['--force']])
      assert.match(await refused(['backup', folder, ...force], env, 'BACKUP_EXISTS', 64), / is a folder/);
    await refused(['backup', path.join(old, 'below', 'a', 'file')], env, 'OUTPUT_FAILED', 1);
  });

  test('an interrupt ends a restore whose input is silent, and a terminal is no input', async () => {
    const env = { DATABASE_URL: source.url };
    const terminal = Object.assign(Readable.from([]), { isTTY: true });
    const told = await runCommand(['database', 'restore', '-'], env, undefined, terminal);
    assert.match(told.stderr, /^error BACKUP_UNREADABLE: .*nothing is piped/);
    assert.equal(told.code, 1);
    const bytes = await readFile(file);
    for (const start of [bytes.subarray(0, 5), bytes.subarray(0, 40)]) {
      const silent = new PassThrough();
      silent.write(start);
      const interrupt = new AbortController();
      const reading = readBackup({ file: '-', stdin: silent, signal: interrupt.signal }, async () => null);
      setImmediate(() => interrupt.abort(new Error('stopped')));
      await assert.rejects(reading, /stopped/);
    }
  });

  test('a file that is cut, changed or not a backup is refused, and a good file then completes the target', async (t) => {
    const target = await createTestDatabase();
    t.after(() => target.drop());
    const env = { DATABASE_URL: target.url };
    const bad = path.join(folder, 'bad.backup');
    const bytes = await readFile(file);
    await refused(['restore', path.join(folder, 'none')], env, 'BACKUP_UNREADABLE', 1);
    await refused(['restore', folder], env, 'BACKUP_UNREADABLE', 1);
    await writeFile(bad, 'id,level\n');
    await refused(['restore', bad], env, 'BACKUP_UNREADABLE', 1);
    await writeFile(bad, '');
    await refused(['restore', bad], env, 'BACKUP_UNREADABLE', 1);
    assert.equal((await runCommand(['migrate'], env)).code, 0, 'nothing was begun');
    const cut = [100, bytes.length / 2, bytes.length - 50].map((at) => bytes.subarray(0, at));
    const other = Buffer.from(bytes);
    other[bytes.length >> 1]! ^= 1;
    for (const content of [...cut, other]) {
      await writeFile(bad, content);
      await refused(['restore', bad], env, 'BACKUP_DAMAGED', 1);
    }
    assert.equal((await runCommand(['status'], env)).code, 78, 'refused until it is whole');
    done(await runCommand(['database', 'restore', file], env));
    await checkAt(target.url);
  });
});
