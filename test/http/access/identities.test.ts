// Emails and names over HTTP: only for holders of the second token, under a role of their own, and never cached.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { guard, type Caller } from '../../../src/http/auth.ts';
import { createRoles } from '../../../src/db/roles.ts';
import { on } from '../../../src/db/handle.ts';
import { readAs, readFor } from '../../../src/http/read-as.ts';
import { createTestDatabase } from '../../support/database/test-database.ts';
import type { Pool } from '../../../src/db/pool.ts';
import { startApp, TOKEN, type HttpApp } from '../../support/api/http-app.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';

const PII_TOKEN = 'another-token-for-names';
const EMAIL = 'marker.person@example.com';
const NAME = 'Marker Personname';
const ACCOUNT = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
const USER = '00000000-0000-4000-8000-000000000001';
const AT = new Date(Date.now() - 3_600_000).toISOString();

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
  await createRoles(db.pool);
  await fill();
});
after(() => db.close());

/** One user with an email and a name. */
async function fill(): Promise<void> {
  const history = sampleHistory(db.pool);
  const account_key = await history.account(ACCOUNT);
  await history.snapshot(account_key, AT, { counts: [0, 0, 1] });
  const of = { account_key, user_id: USER, first_seen_at: AT };
  const user_key = await history.user({ ...of, max_risk_level: 'high', level_since: AT });
  const period = { account_key, user_key, valid_from: AT };
  await history.levels([{ ...period, max_risk_level: 'high', change: 'appeared' }]);
  await history.identities([{ ...period, email: EMAIL, name: NAME }]);
  await db.pool.query(
    `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
     values ($1, $2, $3, 1, $3, 1)`,
    [account_key, user_key, AT],
  );
}

/** Every address of the dashboard, and every resource that the API documents. */
async function addresses(app: HttpApp, headers: Record<string, string>): Promise<string[]> {
  const { text } = await app.ask('GET', '/api/v1/openapi.json', { headers });
  const { paths } = JSON.parse(text) as { paths: Record<string, unknown> };
  const api = Object.keys(paths).map(
    (path) => `/api/v1${path.replace(/\{[^}]*user[^}]*\}/g, USER).replace(/\{[^}]*\}/g, '1')}`,
  );
  assert.ok(api.length > 0);
  const pages = ['/', '/changes', '/users', `/users/${USER}`, '/response', '/runs', '/runs/1'];
  return [...pages, ...api, ...api.map((path) => `${path}?format=csv`), `/users?q=${EMAIL}`];
}

async function bodies(
  t: TestContext,
  given: Partial<Parameters<typeof startApp>[1]>,
  headers: Record<string, string>,
) {
  const app = await startApp(t, { databaseUrl: db.url, ...given });
  const answers = [];
  for (const path of await addresses(app, headers))
    answers.push({
      path,
      ...(await app.ask('GET', path, { headers: { accept: 'text/html,*/*', ...headers } })),
    });
  return { app, answers };
}

async function cookieOf(app: HttpApp, token: string): Promise<string> {
  const answer = await app.ask('POST', '/login', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  });
  return String([answer.headers['set-cookie']].flat().at(-1)).split(';')[0]!;
}

test('no answer holds an email or a name for a caller without the second token', async (t) => {
  const elsewhere = { piiToken: PII_TOKEN };
  for (const [given, headers] of [
    [{ token: null }, {}],
    [{ token: null, ...elsewhere }, {}],
    [{ token: null, ...elsewhere }, { authorization: `Bearer ${PII_TOKEN}x` }],
    [elsewhere, { authorization: `Bearer ${TOKEN}` }],
    [{}, { authorization: `Bearer ${TOKEN}` }],
  ] as const) {
    const { answers } = await bodies(t, given, headers);
    assert.equal(answers[0]?.status, 200);
    for (const { path, status, text } of answers) {
      assert.ok(status < 500, path);
      assert.ok(!text.includes(NAME), path);
      // A search for the email names it: that is what the visitor has typed.
      if (!path.includes(EMAIL)) assert.ok(!text.includes(EMAIL), path);
    }
  }
});

/** Lists of users, of one user, and of changes; the history of the user is one change. */
const NAMED = ['/users', `/users/${USER}`, '/changes?range=all'];

test('a caller who sends the second token or has signed in with it gets emails and names on pages and over the API', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  for (const headers of [
    { authorization: `Bearer ${PII_TOKEN}` },
    { cookie: await cookieOf(app, PII_TOKEN) },
  ] as Record<string, string>[])
    for (const path of NAMED) {
      const page = await app.ask('GET', path, { headers });
      assert.ok(page.text.includes(EMAIL) && page.text.includes(NAME), path);
      const answer = await app.ask('GET', `/api/v1${path}`, { headers });
      const [rows] = Object.values(answer.json as Record<string, Record<string, unknown>[]>);
      assert.deepEqual(
        rows!.map(({ email, name }) => [email, name]),
        [[EMAIL, NAME]],
        path,
      );
      const file = await app.ask('GET', `/api/v1${path}`, { headers: { ...headers, accept: 'text/csv' } });
      assert.match(file.text, new RegExp(`,email,name\r\n.*,${EMAIL},${NAME}\r\n$`), path);
      for (const { headers: sent } of [page, answer, file]) assert.equal(sent['cache-control'], 'no-store');
    }
});

test('other callers get rows without these columns, under another tag', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  const [reader, other] = [{ authorization: `Bearer ${TOKEN}` }, { authorization: `Bearer ${PII_TOKEN}` }];
  for (const path of NAMED) {
    const tag = String((await app.ask('GET', `/api/v1${path}`, { headers: other })).headers['etag']);
    const answer = await app.ask('GET', `/api/v1${path}`, { headers: { ...reader, 'if-none-match': tag } });
    assert.equal(answer.status, 200);
    const [[row]] = Object.values(answer.json as Record<string, [Record<string, unknown>]>) as [[object]];
    assert.ok(!('email' in row) && !('name' in row), path);
    const file = await app.ask('GET', `/api/v1${path}`, { headers: { ...reader, accept: 'text/csv' } });
    assert.doesNotMatch(file.text.split('\r\n')[0]!, /email|name/, path);
  }
});

test('a user without a kept email and name has both empty, in rows and in files', async (t) => {
  const [account] = await db.rows<{ account_key: number }>(`select account_key from risk.accounts`);
  const other = '00000000-0000-4000-8000-000000000002';
  const of = { account_key: account!.account_key, user_id: other, first_seen_at: AT };
  const user_key = await sampleHistory(db.pool).user({ ...of, max_risk_level: 'low', level_since: AT });
  t.after(() => db.pool.query('delete from risk.users where user_key = $1', [user_key]));
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  const headers = { authorization: `Bearer ${PII_TOKEN}` };
  const answer = await app.ask('GET', '/api/v1/users?level=low', { headers });
  const { users } = answer.json as { users: Record<string, unknown>[] };
  assert.deepEqual(
    users.map(({ user_id, email, name }) => [user_id, email, name]),
    [[other, null, null]],
  );
  const file = await app.ask('GET', '/api/v1/users?level=low&format=csv', { headers });
  assert.match(file.text, /,\r\n$/);
  assert.doesNotMatch(file.text, /null|undefined/);
});

test('the API searches emails and names for callers who may see them, and refuses a text that finds too many', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  const found = async (q: string, token: string) =>
    app.ask('GET', `/api/v1/users?level=all&q=${q}`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(((await found('marker', PII_TOKEN)).json as { users: unknown[] }).users.length, 1);
  assert.match((await found('marker', TOKEN)).text, /SEARCH_NEEDS_IDENTITIES/);
  const [account] = await db.rows<{ account_key: number }>(`select account_key from risk.accounts`);
  await db.pool.query(
    `insert into risk.user_identities (account_key, user_key, valid_from, email, name, snapshot_id)
     select $1, 1000 + n, $2, 'crowd' || n || '@example.com', null, 1 from generate_series(1, 1001) n`,
    [account!.account_key, AT],
  );
  t.after(() => db.pool.query('delete from risk.user_identities where user_key > 1000'));
  const many = await found('crowd', PII_TOKEN);
  assert.equal(many.status, 400);
  assert.match(many.text, /more than 1,000 users/);
  const cut = await app.ask('GET', '/users?q=crowd', { headers: { authorization: `Bearer ${PII_TOKEN}` } });
  assert.match(cut.text, /More than 1,000 users fit/);
  assert.doesNotMatch(cut.text, /format=csv/);
});

test('a reader cannot turn a session into one that shows emails and names', async (t) => {
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  const reader = await cookieOf(app, TOKEN);
  const [name, value = ''] = reader.split('=');
  const [claims = '', signature] = value.split('.');
  const changed = Buffer.from(claims, 'base64url').toString().replace('"reader"', '"identities"');
  const cookie = `${name}=${Buffer.from(changed).toString('base64url')}.${signature}`;
  assert.equal((await app.ask('GET', '/', { headers: { cookie } })).status, 401);
  const page = await app.ask('GET', '/', { headers: { cookie: reader } });
  assert.match(page.text, /Signed in<\/span>[\s\S]*Show emails and names/);
});

test('a page shows that the visitor signed in with the second token, is not cached, and offers to sign out, on loopback as well', async (t) => {
  for (const token of [TOKEN, null]) {
    const app = await startApp(t, { databaseUrl: db.url, token, piiToken: PII_TOKEN });
    const form = await app.ask('GET', '/login?for=identities&next=/users', {
      headers: { accept: 'text/html' },
    });
    assert.match(form.text, /HTTP_PII_TOKEN/);
    const cookie = await cookieOf(app, PII_TOKEN);
    const page = await app.ask('GET', '/', { headers: { cookie } });
    assert.equal(page.status, 200);
    assert.match(page.text, /Signed in, emails and names shown/);
    assert.match(page.text, /action="\/logout"/);
    assert.equal(page.headers['cache-control'], 'no-store');
    const out = await app.ask('POST', '/logout', { headers: { cookie } });
    assert.equal(out.headers['location'], token === null ? '/' : '/login');
    const bearer = await app.ask('GET', '/', { headers: { authorization: `Bearer ${PII_TOKEN}` } });
    assert.equal(bearer.status, 200);
  }
});

test('the role in the database follows from the token, and from the kind of the session', async (t) => {
  const access = { token: TOKEN, piiToken: PII_TOKEN, allowedHosts: [], logger: { warn() {} } };
  const asked = new Hono<Caller>().use(guard(access)).get('/', async (c) =>
    c.json(
      await readFor(c, { pool: db.pool }, async (tx) => {
        const { rows } = await on(tx).execute(sql`select current_user as role`);
        return rows[0]?.['role'] ?? null;
      }),
    ),
  );
  const role = async (headers: Record<string, string>) => (await asked.request('/', { headers })).json();
  assert.equal(await role({ authorization: `Bearer ${TOKEN}` }), 'risk_reader');
  assert.equal(await role({ authorization: `Bearer ${PII_TOKEN}` }), 'risk_pii_reader');
  const app = await startApp(t, { databaseUrl: db.url, piiToken: PII_TOKEN });
  assert.equal(await role({ cookie: await cookieOf(app, TOKEN) }), 'risk_reader');
  assert.equal(await role({ cookie: await cookieOf(app, PII_TOKEN) }), 'risk_pii_reader');
});

test('the database itself refuses emails to a question without identities', async () => {
  const email = sql`select email from risk_bi.user_identities`;
  const ask = (role: Parameters<typeof readAs>[1]) =>
    readAs({ pool: db.pool }, role, async (tx) => (await on(tx).execute(email)).rows);
  assert.deepEqual(await ask('with identities'), [{ email: EMAIL }]);
  await assert.rejects(ask('without identities'), { code: 'DATABASE_PERMISSION' });
});

test('a database without the roles, without their grants or without the schema, or of a newer release, says what to run', async (t) => {
  const login = `outsider_${process.pid}`;
  await db.pool.query(`create role ${login} login password 'a password'`);
  const outsider = new URL(db.url);
  outsider.username = login;
  outsider.password = 'a password';
  const ungranted = await migratedDatabase();
  const newer = await migratedDatabase();
  await newer.rows(`insert into risk_internal.migrations (hash, created_at) values ('x', 1)`);
  const empty = await createTestDatabase();
  const pools: Pool[] = [];
  t.after(async () => {
    for (const pool of pools) await pool.end();
    await db.pool.query(`drop role ${login}`);
    await ungranted.close();
    await newer.close();
    await empty.drop();
  });
  for (const [url, code, command] of [
    [outsider.href, 'ROLES_MISSING', 'zt-risk-sync migrate --roles'],
    [ungranted.url, 'ROLES_MISSING', 'zt-risk-sync migrate --roles'],
    [empty.url, 'DATABASE_BEHIND', 'zt-risk-sync migrate'],
    [newer.url, 'DATABASE_NEWER', 'newer'],
    ['postgres://x:y@127.0.0.1:9/none', 'DATABASE_UNAVAILABLE', 'load the page again'],
  ] as const) {
    const pool = testPool(url);
    pools.push(pool);
    const app = await startApp(t, { databaseUrl: db.url, token: null, reader: { pool } });
    for (const path of ['/', '/api/v1/accounts']) {
      const answer = await app.ask('GET', path);
      assert.deepEqual([answer.status, answer.text.includes(code)], [503, true], `${code}: ${answer.text}`);
      assert.ok(answer.text.includes(command), answer.text);
    }
    assert.equal((await app.ask('GET', '/readyz')).status, 200);
  }
});
