// A database that is reachable and refuses. Each cause has its own message, reported at once, from a real server. The
// messages of poolers that cannot run here are in test/db/connection/connection-errors.test.ts.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { databaseError } from '../../../src/db/database-errors.ts';
import { createPool } from '../../../src/db/pool.ts';
import type { OperatorError } from '../../../src/errors.ts';
import { findPgBouncer, startPooler, type Pooler } from '../../support/database/servers/pooler.ts';
import {
  ASKS_FOR_PASSWORD,
  errorMessage,
  startRefusingServer,
} from '../../support/database/servers/refusing-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database/test-database.ts';
import { startTlsServer, type TlsServer } from '../../support/database/servers/tls-server.ts';

/** What a command would say; null if it connects. */
async function tryUrl(url: string): Promise<OperatorError | null> {
  const pool = createPool({ url, logger: { warn: () => undefined } });
  try {
    await pool.query('select');
    return null;
  } catch (error) {
    const known = databaseError(error);
    assert.ok(known, String(error));
    return known;
  } finally {
    await pool.end();
  }
}

async function assertRefused(url: string, code: string, words: RegExp): Promise<void> {
  const error = await tryUrl(url);
  assert.equal(error?.code, code, url.replace(/:[^:@/]*@/, '@'));
  assert.match(`${error.happened}. ${error.todo}`, words);
}

const tlsServer = await startTlsServer();

describe('a server with TLS', { skip: tlsServer === undefined && 'openssl is not installed' }, () => {
  const server = tlsServer as TlsServer;
  const on = (query: string, host = '127.0.0.1') => `${server.url.replace('127.0.0.1', host)}?${query}`;
  after(() => server.stop());

  test('a certificate is accepted only if its authority is known, in every mode that checks it', async () => {
    for (const mode of ['allow', 'prefer', 'require', 'verify-ca', 'verify-full']) {
      await assertRefused(on(`sslmode=${mode}`), 'DATABASE_TLS', /does not know the authority.*sslrootcert/);
      await assertRefused(
        on(`sslmode=${mode}&sslrootcert=${server.otherAuthority}`),
        'DATABASE_TLS',
        /the right one/,
      );
      assert.equal(
        await tryUrl(on(`sslmode=${mode}&sslrootcert=${server.authority}`, 'localhost')),
        null,
        mode,
      );
    }
    assert.equal(await tryUrl(on(`sslmode=verify-full&sslrootcert=${server.authority}`)), null);
    for (const lax of ['sslmode=no-verify', 'sslmode=require&uselibpqcompat=true', 'sslmode=disable', ''])
      assert.equal(await tryUrl(on(lax)), null, lax);
  });

  test("an expired certificate and another host's certificate each have their own message", async () => {
    const query = `sslmode=verify-full&sslrootcert=${server.authority}`;
    await server.serve('expired');
    await assertRefused(on(query), 'DATABASE_TLS', /has expired/);
    await server.serve('otherHost');
    await assertRefused(on(query), 'DATABASE_TLS', /names another host/);
    await server.serve('good');
    assert.equal(await tryUrl(on(query)), null);
  });

  test('every form of a Unix socket connects, and a folder without one says so', async () => {
    const { password, port } = new URL(server.url);
    const folder = server.socketFolder;
    for (const url of [
      `postgres://postgres:${password}@/postgres?host=${folder}&port=${port}`,
      `postgres:///postgres?host=${folder}&port=${port}&user=postgres&password=${password}`,
      `postgres://postgres:${password}@${encodeURIComponent(folder)}:${port}/postgres`,
    ])
      assert.equal(await tryUrl(url), null);
    await assertRefused(
      `postgres://postgres:${password}@/postgres?host=${folder}&port=1`,
      'DATABASE_UNAVAILABLE',
      /Unix socket.*not there/,
    );
  });

  test('a server that requires TLS, refuses this host or requires a client certificate is reported as such', async () => {
    await server.admit('hostssl all all all scram-sha-256');
    await assertRefused(on('sslmode=disable'), 'DATABASE_TLS', /without TLS.*sslmode=verify-full/);
    await server.admit('hostnossl all all all scram-sha-256');
    await assertRefused(on('sslmode=no-verify'), 'DATABASE_REFUSED', /pg_hba\.conf/);
    await server.admit('hostssl all all all scram-sha-256 clientcert=verify-full');
    await assertRefused(on('sslmode=no-verify'), 'DATABASE_TLS', /sslcert and sslkey/);
    await server.admit('host all all all scram-sha-256');
  });
});

describe('a server without TLS', () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
    const pool = createPool({ url: database.url, logger: { warn: () => undefined } });
    await pool.query(`
      create role refused_login login password 'right-password';
      create role refused_group nologin password 'right-password';
      revoke connect on database ${new URL(database.url).pathname.slice(1)} from public`);
    await pool.end();
  });
  after(async () => {
    const pool = createPool({ url: database.url, logger: { warn: () => undefined } });
    await pool.query('drop role refused_login; drop role refused_group');
    await pool.end();
    await database.drop();
  });
  const as = (user: string, password: string, query = '') => {
    const url = new URL(database.url);
    Object.assign(url, { username: user, password, search: query });
    return url.href;
  };

  test('refuses TLS, a user, a password, a database, a right and an option, each with its own message', async () => {
    const { username, password } = new URL(database.url);
    await assertRefused(as(username, password, 'sslmode=require'), 'DATABASE_TLS', /offers no TLS/);
    await assertRefused(as(username, 'wrong'), 'DATABASE_REFUSED', /user or the password/);
    await assertRefused(as('nobody_at_all', 'wrong'), 'DATABASE_REFUSED', /user or the password/);
    await assertRefused(as('refused_group', 'right-password'), 'DATABASE_REFUSED', /user or the password/);
    await assertRefused(as('refused_login', 'right-password'), 'DATABASE_PERMISSION', /CONNECT/);
    await assertRefused(as(username, password, 'options=-c%20no_such%3D1'), 'DATABASE_REFUSED', /option/);
    const nowhere = new URL(database.url);
    nowhere.pathname = '/no_such_database';
    await assertRefused(nowhere.href, 'DATABASE_REFUSED', /does not exist/);
  });

  test('a missing password is reported at once, and the connection is closed at once, although the server waits', async (t) => {
    const server = await startRefusingServer(...ASKS_FOR_PASSWORD);
    t.after(() => server.close());
    await assertRefused(server.url, 'DATABASE_REFUSED', /asks for a password.*has none/);
    await server.closedByClient;
    // After MD5 or a plain login, the server calls the empty password wrong.
    for (const code of ['28P01', '08P01']) {
      const wrong = await startRefusingServer(
        errorMessage({
          severity: 'FATAL',
          code,
          message: 'password authentication failed for user "somebody"',
        }),
      );
      t.after(() => wrong.close());
      await assertRefused(wrong.url, 'DATABASE_REFUSED', /has none/);
      await assertRefused(wrong.url.replace('@', ':x@'), 'DATABASE_REFUSED', /user or the password/);
    }
  });

  test('the answers of Supavisor and Neon are reported in plain words', async (t) => {
    for (const [fields, code, words] of [
      [
        { severity: 'FATAL', code: 'XX000', message: 'Tenant or user not found' },
        'DATABASE_REFUSED',
        /tenant/,
      ],
      [
        { severity: 'ERROR', code: 'XX000', message: 'connection is insecure (try using `sslmode=require`)' },
        'DATABASE_TLS',
        /sslmode=verify-full/,
      ],
      // An unknown message is not called a defect, because no statement was sent yet.
      [{ severity: 'ERROR', code: 'XX000', message: 'something new' }, 'DATABASE_UNAVAILABLE', /psql/],
    ] as const) {
      const server = await startRefusingServer(errorMessage(fields));
      t.after(() => server.close());
      await assertRefused(server.url, code, words);
    }
  });
});

const binary = findPgBouncer();

describe('PgBouncer', { skip: binary === undefined && 'PgBouncer is not installed' }, () => {
  let database: TestDatabase;
  let pooler: Pooler;
  before(async () => {
    database = await createTestDatabase();
    pooler = await startPooler(database.url, binary ?? '', 2, 'auth_type = scram-sha-256');
  });
  after(async () => {
    await pooler.close();
    await database.drop();
  });

  test('refuses a user, a password, a database and an option with 08P01, and none is mistaken for an unreachable database', async () => {
    const change = (parts: Partial<URL>) => Object.assign(new URL(pooler.url), parts).href;
    assert.equal(await tryUrl(pooler.url), null);
    await assertRefused(change({ password: 'wrong' }), 'DATABASE_REFUSED', /user or the password/);
    await assertRefused(change({ username: 'nobody_at_all' }), 'DATABASE_REFUSED', /user or the password/);
    await assertRefused(change({ pathname: '/no_such_database' }), 'DATABASE_REFUSED', /does not exist/);
    await assertRefused(change({ password: '' }), 'DATABASE_REFUSED', /has none/);
    for (const option of ['options=-c%20x%3D1', 'statement_timeout=5000'])
      await assertRefused(change({ search: option }), 'DATABASE_REFUSED', /refuses an option/);
    await assertRefused(change({ search: 'sslmode=require' }), 'DATABASE_TLS', /offers no TLS/);
  });
});
