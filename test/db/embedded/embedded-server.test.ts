// A running embedded server: what it accepts, where it listens, and what it keeps to itself.
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import { Client } from 'pg';
import {
  databaseUrl,
  ensureDatabase,
  productDatabase,
  recreateDatabase,
} from '../../../src/db/create-database.ts';
import { findEmbedded, startEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { WORKER } from '../../../src/db/embedded/worker-role.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createPool } from '../../../src/db/pool.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { runCli } from '../../support/cli.ts';
import { runCommand } from '../../support/run-command.ts';
import {
  isGone,
  newHome,
  OF_ANOTHER_SERVER,
  onLinux,
  postmasterPid,
  query,
  startClient,
  type Place,
} from '../../support/database/servers/embedded-home.ts';

const SESSION = `select current_user::text as user, current_database()::text as database, inet_server_port() as port,
  current_setting('application_name') as application, current_setting('client_encoding') as encoding,
  current_setting('datestyle') as datestyle, current_setting('timezone') as timezone,
  current_setting('transaction_read_only') as readonly, now()::text ~ '^20' as iso, '€' as text`;

describe('a running embedded server', () => {
  let place: Place;
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
      // Node gives NODE_V8_COVERAGE to every child while coverage is measured.
      const given = names.filter((name) => !name.startsWith('PG') && name !== 'NODE_V8_COVERAGE');
      assert.deepEqual(given.sort(), ['LC_ALL', 'PATH', 'TZ']);
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

  test('works with a role that is not a superuser, which can do everything that the product does', async () => {
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

  test('hands a database of an older checkout over to the role that is not a superuser', async () => {
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
});
