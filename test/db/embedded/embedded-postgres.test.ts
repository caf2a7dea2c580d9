// The embedded Postgres as people use it: real processes in temporary folders, killed at bad moments.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, appendFile, mkdir, readFile, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import {
  databaseUrl,
  ensureDatabase,
  productDatabase,
  recreateDatabase,
} from '../../../src/db/create-database.ts';
import { serverAccount } from '../../../src/db/embedded/layout.ts';
import { withEmbeddedLock } from '../../../src/db/embedded/lock.ts';
import { findEmbedded, startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { watchEmbedded } from '../../../src/db/embedded/watch.ts';
import { WORKER } from '../../../src/db/embedded/worker-role.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createPool } from '../../../src/db/pool.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { runCli } from '../../support/cli.ts';
import { runCommand } from '../../support/run-command.ts';
import { removeFolder, temporaryFolder } from '../../support/database/postgres-server.ts';

const client = fileURLToPath(new URL('../../support/database/start-embedded.ts', import.meta.url));
const onLinux = { skip: process.platform !== 'linux' };

/** Each would harm, stop or lead away a client that obeys it. Values are given to all that read such variables. */
const OF_ANOTHER_SERVER: Record<string, string> = {
  PGHOST: 'not-for-this-server',
  PGHOSTADDR: '198.51.100.1',
  PGPORT: '1',
  PGUSER: 'not-for-this-server',
  PGPASSWORD: 'not-for-this-server',
  PGDATABASE: 'not-for-this-server',
  PGSERVICE: 'not-for-this-server',
  PGSERVICEFILE: '/not-for-this-server',
  PGPASSFILE: '/not-for-this-server',
  PGOPTIONS: '-c default_transaction_read_only=on -c datestyle=SQL,DMY -c timezone=Asia/Tokyo',
  PGAPPNAME: 'not-for-this-server',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'LATIN1',
  PGDATESTYLE: 'SQL, DMY',
  PGTZ: 'Asia/Tokyo',
  PGREPLICATION: 'database',
  PGBINARY: 'true',
  PGSSLMODE: 'verify-full',
  PGSSLNEGOTIATION: 'direct',
  PGSSLROOTCERT: '/not-for-this-server',
  PGGSSENCMODE: 'require',
  PGREQUIREAUTH: 'none',
  PGTARGETSESSIONATTRS: 'read-only',
  PGDATA: '/not-for-this-server',
};

const SESSION = `select current_user::text as user, current_database()::text as database, inet_server_port() as port,
  current_setting('application_name') as application, current_setting('client_encoding') as encoding,
  current_setting('datestyle') as datestyle, current_setting('timezone') as timezone,
  current_setting('transaction_read_only') as readonly, now()::text ~ '^20' as iso, '€' as text`;

async function query<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const connection = new Client({ connectionString: url });
  try {
    await connection.connect();
    return (await connection.query<Row>(sql)).rows;
  } finally {
    await connection.end();
  }
}

async function postmasterPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8'), 10);
}

async function isGone(file: string): Promise<boolean> {
  return access(file).then(
    () => false,
    () => true,
  );
}

/** Folders of this file. The servers that run in them are stopped, then the folders are removed. */
const homes: string[] = [];
async function newHome(): Promise<{ dataHome: string; home: string }> {
  const dataHome = await temporaryFolder();
  homes.push(dataHome);
  return { dataHome, home: dataHome };
}

after(async () => {
  for (const dataHome of homes) {
    await stopEmbedded({ dataHome, home: dataHome });
    await removeFolder(dataHome);
  }
});

function startClient(place: { dataHome: string }, env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [client, place.dataHome], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('a running embedded server', () => {
  let place: { dataHome: string; home: string };
  let url: string;
  let port: number;
  let dataDir: string;

  before(async () => {
    place = await newHome();
    const starting = startClient(place, { CLOUDFLARE_API_TOKEN: 'not-for-the-server', ...OF_ANOTHER_SERVER });
    const server = JSON.parse(await text(starting.stdout!)) as Awaited<ReturnType<typeof startEmbedded>>;
    assert.equal(server.started, true);
    ({ url, port, dataDir } = server);
  });

  test('is version 18 with UTF-8 and UTC, and accepts its password', async () => {
    const [row] = await query<Record<string, string>>(
      url,
      `select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding,
              current_setting('timezone') as timezone, current_setting('fsync') as fsync`,
    );
    assert.match(row!['version']!, /^18/);
    assert.deepEqual(
      { ...row, version: '18' },
      { version: '18', encoding: 'UTF8', timezone: 'UTC', fsync: 'on' },
    );
  });

  test('refuses a wrong password and a missing one', async () => {
    for (const password of ['wrong', '']) {
      const wrong = new URL(url);
      wrong.password = password;
      await assert.rejects(query(wrong.href, 'select 1'), /password/);
    }
  });

  test('keeps its password in a file that only its owner can read', async () => {
    const file = path.join(path.dirname(dataDir), 'password');
    const { mode, uid } = await stat(file);
    assert.equal(mode & 0o777, 0o600);
    assert.equal(uid, process.getuid?.());
    assert.equal(await readFile(file, 'utf8'), new URL(url).password);
    assert.match(new URL(url).password, /^[\w-]{43}$/);
    assert.deepEqual((await readdir(path.dirname(dataDir))).sort(), ['data', 'password', 'port']);
  });

  test('keeps and accepts passwords by SCRAM alone', async () => {
    const stored = 'select distinct left(rolpassword, 14) as kind from pg_authid where rolcanlogin';
    assert.deepEqual(await query(url, stored), [{ kind: 'SCRAM-SHA-256$' }]);
    const accepted = 'select distinct type, auth_method as by from pg_hba_file_rules order by 1';
    assert.deepEqual(
      await query(url, accepted),
      ['host', 'local'].map((type) => ({ type, by: 'scram-sha-256' })),
    );
    assert.deepEqual(await query(url, 'show password_encryption'), [
      { password_encryption: 'scram-sha-256' },
    ]);
  });

  test('listens on loopback only, and on no socket file', onLinux, async () => {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')));
    const listening = tables
      .flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
      .filter((fields) => fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A')
      .map((fields) => fields[1]);
    assert.deepEqual(listening, [`0100007F:${hex}`]);
    assert.equal(await isGone(`/tmp/.s.PGSQL.${port}`), true);
  });

  test(
    'has no secret of its caller in its environment, and no password in its arguments',
    onLinux,
    async () => {
      const pid = await postmasterPid(dataDir);
      const environ = await readFile(`/proc/${pid}/environ`, 'utf8');
      const names = environ.split('\0').flatMap((entry) => entry.split('=')[0] || []);
      assert.deepEqual(names.filter((name) => !name.startsWith('PG')).sort(), ['LC_ALL', 'PATH', 'TZ']);
      assert.doesNotMatch(environ, /not-for-(the|this)-server/);
      assert.equal((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(new URL(url).password), false);
    },
  );

  test('keeps statements, and with them emails and names, out of its log', async () => {
    await query(url, 'create temporary table t (email text primary key)');
    await assert.rejects(query(url, `select 'ada@example.com'::int`));
    await assert.rejects(
      query(
        url,
        `create table t (email text unique); insert into t values ('bob@example.com'), ('bob@example.com')`,
      ),
    );
    assert.doesNotMatch(await readFile(`${path.dirname(dataDir)}.log`, 'utf8'), /bob@|select/);
  });

  test('is found by the next start', async () => {
    const { started, ...next } = await startEmbedded(place);
    assert.equal(started, false);
    assert.deepEqual(next, { url, port, dataDir });
    assert.deepEqual(await findEmbedded(place), next);
  });

  test('creates databases: once, or from scratch', async () => {
    const made = await Promise.all([1, 2, 3].map(() => ensureDatabase(url, productDatabase)));
    assert.equal(new Set(made).size, 1);
    await query(made[0]!, 'create table kept (n int)');
    await ensureDatabase(url, productDatabase);
    assert.deepEqual(await query(made[0]!, 'select * from kept'), []);
    const demo = await recreateDatabase(url, 'zt_risk_demo');
    await query(demo, 'create table forgotten (n int)');
    const inTheWay = new Client({ connectionString: demo });
    inTheWay.on('error', () => undefined);
    await inTheWay.connect();
    await recreateDatabase(url, 'zt_risk_demo');
    await assert.rejects(query(demo, 'select * from forgotten'), /does not exist/);
  });

  test('is not reached by PG* variables, which are meant for another server', async (t) => {
    const db = await ensureDatabase(url, productDatabase);
    const answer = async () => {
      const pool = createPool({ url: db, isEmbedded: true, logger: { warn() {} } });
      try {
        assert.equal(await ensureDatabase(url, productDatabase), db);
        return (await pool.query<Record<string, string>>(SESSION)).rows[0];
      } finally {
        await pool.end();
      }
    };
    const expected = await answer();
    assert.equal(expected!['application'], 'zt-risk-sync');
    const others = Object.entries(OF_ANOTHER_SERVER);
    t.after(() => others.forEach(([name]) => delete process.env[name]));
    for (const [name, value] of others) {
      process.env[name] = value;
      assert.deepEqual(await answer(), expected, name);
    }
  });

  test('is worked with by a role that is no superuser, and can do all that the product does', async () => {
    const db = await ensureDatabase(url, productDatabase);
    assert.equal(new URL(db).username, WORKER);
    assert.notEqual(new URL(db).password, new URL(url).password);
    for (const statement of [
      `copy (select 1) to program 'true'`,
      `select pg_read_file('PG_VERSION')`,
      `create role another superuser`,
      `alter role postgres password 'known'`,
      `grant pg_execute_server_program to ${WORKER}`,
    ])
      await assert.rejects(query(db, statement), { code: '42501' }, statement);
    const pool = createPool({ url: db, isEmbedded: true, logger: { warn() {} } });
    try {
      await migrate(pool);
      await createRoles(pool);
      await query(db, `create role grafana login password 'known' in role risk_reader`);
      const reader = new URL(db);
      [reader.username, reader.password] = ['grafana', 'known'];
      assert.deepEqual(await query(reader.href, 'select from risk_bi.users'), []);
    } finally {
      await pool.end();
    }
  });

  test('hands a database of an older checkout over to the role that is no superuser', async () => {
    const older = databaseUrl(url, 'zt_risk_demo');
    await query(older, 'alter database zt_risk_demo owner to postgres');
    const admin = createPool({ url: older, logger: { warn() {} } });
    await migrate(admin);
    await admin.end();
    await query(url, `alter role ${WORKER} password 'another'`);
    const db = await ensureDatabase(url, 'zt_risk_demo');
    const foreign = await query(
      db,
      `with ours as (select oid from pg_namespace where nspname ~ '^risk')
       select relname::text from pg_class where relnamespace in (select oid from ours) and relowner <> current_user::regrole
       union all select nspname from pg_namespace where nspname ~ '^risk' and nspowner <> current_user::regrole
       union all select proname from pg_proc where pronamespace in (select oid from ours) and proowner <> current_user::regrole`,
    );
    assert.deepEqual(foreign, []);
    await query(db, 'drop schema risk_bi, risk, risk_internal cascade');
  });

  test('opens in psql with the password in a file, and in no argument or variable', onLinux, async () => {
    const db = await ensureDatabase(url, productDatabase);
    const { password } = new URL(db);
    const tools = path.join(place.dataHome, 'tools');
    await mkdir(tools);
    await writeFile(
      path.join(tools, 'psql'),
      `#!/bin/sh\nfor one in "$@"; do echo "argument: $one"; done\n/usr/bin/env\n/bin/cat "$PGPASSFILE"\nexit 3\n`,
      { mode: 0o755 },
    );
    const env = { XDG_DATA_HOME: place.dataHome, PATH: tools, ...OF_ANOTHER_SERVER };
    const { code, stdout } = await runCli(['database', 'psql', '-Atc', 'select 1'], env);
    assert.equal(code, 3);
    const [given, ...kept] = stdout.split(password);
    assert.deepEqual(kept, ['\n']);
    assert.match(given!, /^argument: -Atc\nargument: select 1\n/);
    assert.match(given!, /127\.0\.0\.1:\*:\*:zt_risk_sync:$/);
    assert.doesNotMatch(given!, /not-for-this-server/);
    const { mode, uid } = await stat(path.join(path.dirname(dataDir), 'pgpass'));
    assert.deepEqual([mode & 0o777, uid], [0o600, process.getuid?.()]);

    const without = await runCommand(['database', 'psql'], { ...env, PATH: place.dataHome });
    assert.equal(without.code, 78);
    assert.match(without.stderr, /PSQL_MISSING: There is no psql on the PATH.*apt-get install/s);
  });

  test('answers a real psql', async (t) => {
    // The last one makes pg look for a package that is not there.
    const own = { XDG_DATA_HOME: place.dataHome, PSQLRC: '/dev/null', NODE_PG_FORCE_NATIVE: '1' };
    const env = { ...OF_ANOTHER_SERVER, ...own };
    const asked = "select current_user || ' on ' || current_database()";
    const { code, stdout, stderr } = await runCli(['database', 'psql', '-Atc', asked], env);
    if (stderr.includes('PSQL_MISSING')) return t.skip('there is no psql');
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'zt_risk_sync on zt_risk_sync\n' }, stderr);
  });

  test('comes back with its data after kill -9', async () => {
    await query(url, 'create table survivor (n int); insert into survivor values (7)');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const again = await startEmbedded(place);
    assert.equal(again.started, true);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    ({ url, port } = again);
  });

  test('comes back when the pid of the killed server now belongs to another process', async () => {
    const pidFile = path.join(dataDir, 'postmaster.pid');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const other = spawn('sleep', ['60'], { ...(await serverAccount()) });
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await writeFile(pidFile, [other.pid, ...lines.slice(1)].join('\n'));
    assert.equal(await findEmbedded(place), undefined);
    const again = await startEmbedded(place);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    assert.equal(other.exitCode ?? other.signalCode, null);
    other.kill('SIGKILL');
    ({ url, port } = again);
  });

  test('takes another port when a stranger has the pid and the port of the killed server', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can start a process of another user');
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    const script = `require('node:net').createServer((s) => s.on('data', (d) => {
      console.log(String(d)); s.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
    })).listen(${port}, '127.0.0.1', () => console.log('ready'))`;
    const stranger = spawn(process.execPath, ['-e', script, dataDir], { uid: 65_534, gid: 65_534 });
    t.after(() => stranger.kill('SIGKILL'));
    let heard = '';
    stranger.stdout.on('data', (piece) => (heard += String(piece)));
    await once(stranger.stdout, 'data');
    const pidFile = path.join(dataDir, 'postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await writeFile(pidFile, [stranger.pid, ...lines.slice(1)].join('\n'));
    assert.equal(await findEmbedded(place), undefined);
    const again = await startEmbedded(place);
    assert.deepEqual([again.started, again.port === port], [true, false]);
    assert.deepEqual(await query(again.url, 'select n from survivor'), [{ n: 7 }]);
    assert.equal(heard, 'ready\n');
    ({ url, port } = again);
  });

  test('takes another port when its own is in use, and keeps it', async () => {
    assert.equal(await stopEmbedded(place), true);
    const { createServer } = await import('node:net');
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const other = await startEmbedded(place);
    squatter.close();
    assert.notEqual(other.port, port);
    await stopEmbedded(place);
    assert.equal((await startEmbedded(place)).port, other.port);
    ({ url, port } = other);
  });

  test('stops once, and is not found afterwards', async () => {
    assert.equal(await stopEmbedded(place), true);
    assert.equal(await stopEmbedded(place), false);
    assert.equal(await findEmbedded(place), undefined);
    await assert.rejects(query(url, 'select 1'), { code: 'ECONNREFUSED' });
  });

  test('says what is wrong when its data is damaged', async () => {
    await writeFile(path.join(dataDir, 'postgresql.auto.conf'), 'no_such_setting = on\n');
    await assert.rejects(startEmbedded(place), { code: 'EMBEDDED_START', message: /no_such_setting/ });
    await writeFile(path.join(dataDir, 'postgresql.auto.conf'), '');
  });
});

test('becomes one server when five processes start it at once', async () => {
  const place = await newHome();
  const starts = await Promise.all(Array.from({ length: 5 }, () => text(startClient(place).stdout!)));
  const servers = starts.map((output) => JSON.parse(output) as { started: boolean; url: string });
  assert.equal(servers.filter((server) => server.started).length, 1);
  assert.equal(new Set(servers.map((server) => server.url)).size, 1);
  await stopEmbedded(place);
});

describe('a client killed during the start leaves nothing to repair', () => {
  const instants: [string, RegExp | undefined, number][] = [
    ['before it begins', undefined, 60],
    ['while it copies the binaries', /copying/, 20],
    ['as initdb starts', /creating/, 5],
    ['while initdb works', /creating/, 150],
    ['later in initdb', /creating/, 400],
    ['around the launch', /creating/, 680],
    ['while the server starts', /creating/, 740],
  ];
  for (const [title, message, delayMs] of instants) {
    test(title, async (t) => {
      const place = await newHome();
      const killed = startClient(place);
      const closed = once(killed, 'close');
      if (message) {
        for await (const chunk of killed.stderr!) if (message.test(String(chunk))) break;
      }
      await sleep(delayMs);
      killed.kill('SIGKILL');
      await closed;
      const folder = path.join(place.dataHome, 'zt-risk-sync');
      t.diagnostic((await readdir(folder).catch(() => [])).join(' '));
      const { url } = await startEmbedded(place);
      assert.deepEqual(await query(url, 'select 1 as n'), [{ n: 1 }]);
      await stopEmbedded(place);
      // The killed client's initdb may have run on for a while. The next start removes what it left.
      await startEmbedded(place);
      await stopEmbedded(place);
      assert.deepEqual((await readdir(folder)).sort(), ['binaries', 'postgres-18', 'postgres-18.log']);
      assert.equal((await readdir(path.join(folder, 'binaries'))).length, 1);
    });
  }
});

describe('the watcher', () => {
  test('stops an idle server but not a used one, keeps the log short, and runs only once', async () => {
    const place = await newHome();
    const { url, dataDir } = await startEmbedded(place);
    const limits = { ...place, idleMs: 900, everyMs: 100 };
    const log = `${path.dirname(dataDir)}.log`;
    await appendFile(log, 'x'.repeat(5_000_000));
    const watching = watchEmbedded(limits);
    await sleep(100);
    assert.equal(await watchEmbedded(limits), 'watched');
    const user = new Client({ connectionString: url });
    await user.connect();
    await sleep(1_500);
    await user.end();
    // Short visits count as use, even if no client is connected when the watcher looks.
    for (let visit = 0; visit < 8; visit += 1) {
      await sleep(250);
      assert.deepEqual(await query(url, 'select 1 as n'), [{ n: 1 }]);
    }
    assert.equal(await watching, 'stopped');
    assert.ok((await stat(log)).size < 100_000);
    assert.ok((await stat(`${log}.1`)).size > 5_000_000);
    assert.match(await readFile(log, 'utf8'), /^\d{4}-.*database system is shut down\n$/s);
    assert.equal(await findEmbedded(place), undefined);
    assert.equal(await isGone(path.join(dataDir, 'postmaster.pid')), true);
    assert.equal(await watchEmbedded(limits), 'gone');
  });

  test('runs as a process that outlives its starter, comes back with the next start, and ends with the server', async () => {
    const place = await newHome();
    const script = path.join(place.dataHome, 'watch.ts');
    const module = new URL('../../../src/db/embedded/watch.ts', import.meta.url).href;
    await writeFile(
      script,
      `import { watchEmbedded } from '${module}';
       await watchEmbedded({ dataHome: process.argv[3], home: '/', idleMs: 60_000, everyMs: 100 });`,
    );
    const watcherPid = async (url: string, dataDir: string) => {
      for (let attempt = 0; attempt < 100; attempt += 1, await sleep(50)) {
        const rows = await query<{ n: number }>(
          url,
          `select 1 as n from pg_stat_activity where application_name = 'zt-risk-sync database watch'`,
        );
        const claimed = await readFile(path.join(path.dirname(dataDir), 'watcher'), 'utf8').catch(() => '');
        const [pid] = await processesOf(script);
        if (rows.length === 1 && pid !== undefined && claimed.includes(`"pid":${pid},`))
          return processesOf(script);
      }
      return assert.fail('no watcher');
    };
    const { url, dataDir } = await startEmbedded({ ...place, watcher: [script] });
    const first = await watcherPid(url, dataDir);
    assert.equal(first.length, 1);
    assert.equal(
      (await readFile(`/proc/${first[0]}/cmdline`, 'utf8')).includes(new URL(url).password),
      false,
    );
    await startEmbedded({ ...place, watcher: [script] });
    assert.deepEqual(await watcherPid(url, dataDir), first);
    process.kill(first[0]!, 'SIGKILL');
    await sleep(100);
    await startEmbedded({ ...place, watcher: [script] });
    const second = await watcherPid(url, dataDir);
    assert.equal(second.length, 1);
    await stopEmbedded(place);
    for (let attempt = 0; attempt < 60 && (await processesOf(script)).length > 0; attempt += 1)
      await sleep(50);
    assert.deepEqual(await processesOf(script), []);
  });
});

async function processesOf(script: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => lines[index]!.split('\0').includes(script));
}

describe('the lock of the embedded server', () => {
  test('is waited for, and after too long the message names its holder', async () => {
    const folder = await temporaryFolder();
    homes.push(folder);
    const file = path.join(folder, 'lock');
    await withEmbeddedLock(file, 1_000, async () => {
      await assert.rejects(
        withEmbeddedLock(file, 200, async () => assert.fail('two holders')),
        { code: 'EMBEDDED_LOCKED', exit: 75, message: new RegExp(`process ${process.pid}`) },
      );
    });
    assert.equal(await isGone(file), true);
  });

  test('of a dead process is broken by one of many waiters at a time', async () => {
    const folder = await temporaryFolder();
    homes.push(folder);
    const file = path.join(folder, 'lock');
    let inside = 0;
    let most = 0;
    for (let round = 0; round < 8; round += 1) {
      // This process, but with another start time: the pid was reused.
      await writeFile(
        file,
        JSON.stringify({ pid: process.pid, start: '1', host: hostname(), token: String(round) }),
      );
      const work = async () => {
        most = Math.max(most, (inside += 1));
        await sleep(2);
        inside -= 1;
      };
      await Promise.all(Array.from({ length: 12 }, () => withEmbeddedLock(file, 10_000, work)));
    }
    assert.equal(most, 1);
    assert.deepEqual(await readdir(folder), []);
  });

  test('is broken even after a process died while breaking it', async () => {
    const folder = await temporaryFolder();
    homes.push(folder);
    const file = path.join(folder, 'lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, start: '1', host: hostname(), token: 'dead' }));
    await writeFile(`${file}.break`, '');
    await utimes(`${file}.break`, new Date(), new Date(Date.now() - 60_000));
    assert.equal(await withEmbeddedLock(file, 5_000, async () => 'inside'), 'inside');
    assert.deepEqual(await readdir(folder), []);
  });
});

test('fails with a clear message when the folder is closed to the user that Postgres runs as', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root hands the server to another user');
  const place = await newHome();
  const closed = path.join(place.dataHome, 'closed');
  await mkdir(closed, { mode: 0o700 });
  await assert.rejects(startEmbedded({ ...place, dataHome: closed }), { code: 'EMBEDDED_FOLDER', exit: 78 });
});
