// Signing in and out, over HTTP: cookies, redirects, who may send the forms, and names of the server.
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { startApp, TOKEN, type HttpApp } from '../../support/api/http-app.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

const PII_TOKEN = 'another-token-for-names';
const HOUR = 3_600_000;

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

type Answer = Awaited<ReturnType<HttpApp['ask']>>;
const html = { accept: 'text/html,*/*' };
const start = (t: TestContext, given: Partial<Parameters<typeof startApp>[1]> = {}) =>
  startApp(t, { databaseUrl: db.url, ...given });

function signIn(app: HttpApp, token: string, headers: Record<string, string> = {}, next?: string) {
  const body = new URLSearchParams({ token, ...(next !== undefined && { next }) }).toString();
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  return app.ask('POST', '/login', { headers: { ...html, ...form, ...headers }, body });
}

const cookiesOf = ({ headers }: Answer): string[] => [headers['set-cookie'] ?? []].flat() as string[];
/** The cookie as the browser sends it: the last one that was set counts. */
const cookieOf = (answer: Answer): string => cookiesOf(answer).at(-1)?.split(';')[0] ?? '';
const codeOf = ({ json, text }: Answer) =>
  (json as { error?: { code: string } } | null)?.error?.code ?? /[A-Z]+_[A-Z_]+(?=<\/p>)/.exec(text)?.[0];

test('a browser is led to the log-in and back to the page that it asked for, a program gets 401', async (t) => {
  const app = await start(t);
  const page = await app.ask('GET', '/users?account=a&tz=UTC', { headers: html });
  assert.deepEqual(
    [page.status, page.headers['location']],
    [303, '/login?next=%2Fusers%3Faccount%3Da%26tz%3DUTC'],
  );
  const form = await app.ask('GET', String(page.headers['location']), { headers: html });
  assert.equal(form.status, 200);
  assert.match(form.text, /name="next" value="\/users\?account=a&amp;tz=UTC"/);
  const done = await signIn(app, TOKEN, {}, '/users?account=a&tz=UTC');
  assert.deepEqual([done.status, done.headers['location']], [303, '/users?account=a&tz=UTC']);
  const api = await app.ask('GET', '/api/v1/accounts', { headers: html });
  assert.equal(api.status, 401);
  assert.match(String(api.headers['content-type']), /^application\/problem\+json/);
  assert.equal((JSON.parse(api.text) as { code: string }).code, 'UNAUTHORIZED');
  assert.match(String(api.headers['www-authenticate']), /^Bearer/);
  assert.equal((await app.ask('GET', '/users')).status, 401);
});

test('a form that cannot be read holds no token, and is not an error of the server', async (t) => {
  const app = await start(t);
  for (const type of ['multipart/form-data; boundary=x', 'multipart/form-data']) {
    const answer = await app.ask('POST', '/login', {
      headers: { ...html, 'content-type': type },
      body: '--x\r\nbroken',
    });
    assert.equal(answer.status, 401, type);
  }
  assert.ok(app.logs.every(({ message }) => message !== 'request failed'));
});

test('the session opens pages, the API and metrics, and POST /sync from our own pages alone', async (t) => {
  const app = await start(t);
  const cookie = cookieOf(await signIn(app, TOKEN));
  for (const path of ['/nothing', '/api/v1/nothing', '/api/v1/openapi.json', '/metrics'])
    assert.notEqual((await app.ask('GET', path, { headers: { cookie } })).status, 401, path);
  const host = `127.0.0.1:${app.http.port}`;
  for (const foreign of [
    {},
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', origin: `http://${host}` },
    { 'sec-fetch-site': 'none' },
  ]) {
    const answer = await app.ask('POST', '/sync', {
      headers: { cookie, ...foreign },
    });
    assert.deepEqual([answer.status, codeOf(answer)], [403, 'CROSS_ORIGIN_REFUSED'], JSON.stringify(foreign));
  }
  assert.deepEqual(app.started, []);
  for (const ours of [
    { origin: `http://${host}` },
    { origin: `https://${host}` },
    { 'sec-fetch-site': 'same-origin' },
  ])
    assert.equal((await app.ask('POST', '/sync', { headers: { cookie, ...ours } })).status, 202);
});

test('the cookie is kept from scripts and other sites, and over TLS bound to this host and to TLS', async (t) => {
  const app = await start(t);
  const host = `127.0.0.1:${app.http.port}`;
  const [plain] = cookiesOf(await signIn(app, TOKEN));
  assert.match(String(plain), /^zt-session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
  for (const headers of [{ 'x-forwarded-proto': 'https' }, { origin: `https://${host}` }]) {
    const [secure] = cookiesOf(await signIn(app, TOKEN, headers));
    assert.match(
      String(secure),
      /^__Host-zt-session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const value = String(secure).split(';')[0]!;
    assert.equal((await app.ask('GET', '/metrics', { headers: { cookie: value } })).status, 200);
    // A session of TLS under the name that plain HTTP may set.
    const moved = value.replace('__Host-', '');
    assert.equal((await app.ask('GET', '/metrics', { headers: { cookie: moved } })).status, 401);
  }
});

test('a session is replaced after an hour, ends after twelve, and is removed by signing out', async (t) => {
  let now = Date.UTC(2026, 10, 29, 9);
  const app = await start(t, { now: () => now });
  const cookie = cookieOf(await signIn(app, TOKEN));
  const ask = (sent: string) => app.ask('GET', '/metrics', { headers: { cookie: sent } });
  assert.deepEqual(cookiesOf(await ask(cookie)), []);
  now += HOUR;
  const renewed = cookieOf(await ask(cookie));
  assert.match(renewed, /^zt-session=/);
  assert.notEqual(renewed, cookie);
  now += 11 * HOUR;
  assert.equal((await ask(cookie)).status, 401);
  assert.equal((await ask(renewed)).status, 200);
  const out = await app.ask('POST', '/logout', { headers: { cookie: renewed } });
  assert.deepEqual([out.status, out.headers['location']], [303, '/login']);
  assert.match(String(cookiesOf(out)), /^zt-session=; Max-Age=0; Path=\//);
});

test('another replica accepts the session, and a replica with another token does not', async (t) => {
  const [one, two, other] = [await start(t), await start(t), await start(t, { token: 'changed-token' })];
  const headers = { cookie: cookieOf(await signIn(one, TOKEN)) };
  assert.equal((await two.ask('GET', '/metrics', { headers })).status, 200);
  assert.equal((await other.ask('GET', '/metrics', { headers })).status, 401);
});

test('a wrong token gives no session, and after ten of them the right one must wait as well', async (t) => {
  let now = Date.UTC(2026, 10, 29, 9);
  const app = await start(t, { now: () => now });
  for (let n = 0; n < 20; n++) assert.equal((await signIn(app, TOKEN)).status, 303);
  for (let n = 0; n < 10; n++) {
    const wrong = await signIn(app, n === 0 ? '' : `${TOKEN}${n}`);
    assert.deepEqual([wrong.status, cookiesOf(wrong)], [401, []]);
    assert.match(wrong.text, /This is not a token of this server\./);
  }
  const limited = await signIn(app, TOKEN);
  assert.deepEqual([limited.status, limited.headers['retry-after'], cookiesOf(limited)], [429, '30', []]);
  assert.match(limited.text, /Try again in 30 s\./);
  // This does not lock programs out.
  const scrape = await app.ask('GET', '/metrics', { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(scrape.status, 200);
  now += 30_000;
  assert.equal((await signIn(app, TOKEN)).status, 303);
  assert.ok(!JSON.stringify(app.logs).includes(TOKEN));
});

test('the log-in leads to no other server, and takes no token from an address', async (t) => {
  const app = await start(t);
  for (const next of ['//evil.example', 'https://evil.example/', '/\\evil.example', '/login'])
    assert.equal((await signIn(app, TOKEN, {}, next)).headers['location'], '/', next);
  const form = await app.ask('GET', `/login?token=${TOKEN}&next=//evil.example`, { headers: html });
  assert.deepEqual([form.status, cookiesOf(form)], [200, []]);
  assert.doesNotMatch(form.text, /evil|a-token/);
  const visit = {
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': 'cross-site',
  };
  const odd = await app.ask('GET', '//evil.example/', { headers: { ...html, ...visit } });
  assert.doesNotMatch(odd.text + String(odd.headers['location']), /evil/);
});

test('a visitor who has not signed in for emails and names gets the form, and one who has is redirected', async (t) => {
  const app = await start(t, { piiToken: PII_TOKEN });
  const ask = (cookie: string) =>
    app.ask('GET', '/login?for=identities&next=/users', { headers: { ...html, cookie } });
  const isForm = { status: 200, location: undefined, hasForm: true };
  for (const [token, expected] of [
    [null, isForm],
    [TOKEN, isForm],
    [PII_TOKEN, { status: 303, location: '/users', hasForm: false }],
  ] as const) {
    const { status, headers, text } = await ask(token === null ? '' : cookieOf(await signIn(app, token)));
    assert.deepEqual({ status, location: headers['location'], hasForm: text.includes('<form') }, expected);
  }
});

test('a visit from a link on another site is repeated from our own page, so that the browser sends the session', async (t) => {
  const app = await start(t);
  const visit = { ...html, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const address = '/users?q=<b>&tz=UTC';
  const from = await app.ask('GET', address, { headers: { ...visit, 'sec-fetch-site': 'cross-site' } });
  assert.equal(from.status, 200);
  assert.match(from.text, /http-equiv="refresh" content="0; url=\/users\?q=%3Cb%3E&amp;tz=UTC"/);
  const again = await app.ask('GET', address, { headers: { ...visit, 'sec-fetch-site': 'same-origin' } });
  assert.equal(again.status, 303);
});

test('pages of other origins cannot sign a visitor in or out', async (t) => {
  const app = await start(t);
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ]) {
    const foreign = headers;
    for (const answer of [
      await signIn(app, TOKEN, foreign),
      await app.ask('POST', '/logout', { headers: { ...html, ...foreign } }),
    ])
      assert.deepEqual([answer.status, codeOf(answer), cookiesOf(answer)], [403, 'CROSS_ORIGIN_REFUSED', []]);
  }
});

test('on loopback without tokens there is no log-in and no cookie', async (t) => {
  const app = await start(t, { token: null });
  for (const answer of [
    await app.ask('GET', '/metrics'),
    await app.ask('GET', '/login?next=/users', { headers: html }),
    await signIn(app, 'anything', {}, '/users'),
    await app.ask('POST', '/logout'),
  ]) {
    assert.ok([200, 303].includes(answer.status));
    assert.deepEqual(cookiesOf(answer), []);
  }
});

test('on loopback, a link from elsewhere opens a page, and nothing else from there is answered', async (t) => {
  const app = await start(t, { token: null });
  const site = { 'sec-fetch-site': 'cross-site' };
  const visit = { ...html, ...site, 'sec-fetch-mode': 'navigate' };
  const ask = (method: 'GET' | 'POST', path: string, headers: Record<string, string>) =>
    app.ask(method, path, { headers }).then(({ status }) => status);
  assert.equal(await ask('GET', '/nothing', { ...visit, 'sec-fetch-dest': 'document' }), 404);
  assert.equal(await ask('GET', '/nothing', { ...visit, 'sec-fetch-dest': 'iframe' }), 403);
  assert.equal(await ask('GET', '/nothing', { ...html, ...site }), 403);
  assert.equal(await ask('POST', '/sync', { ...visit, 'sec-fetch-dest': 'document' }), 403);
});

test('with HTTP_ALLOWED_HOSTS, other names are refused, except for probes and metrics', async (t) => {
  const app = await start(t, { allowedHosts: ['risk.example.com', '[2001:db8::1]'] });
  const bearer = { authorization: `Bearer ${TOKEN}` };
  const status = (path: string, host: string) =>
    app.ask('GET', path, { headers: { ...bearer, host } }).then((answer) => answer.status);
  for (const host of ['risk.example.com', 'RISK.example.com:8443', '[2001:db8::1]:80'])
    assert.equal(await status('/nothing', host), 404, host);
  for (const host of [
    '127.0.0.1',
    'evil.example',
    'risk.example.com.evil.example',
    'x.risk.example.com',
    '[2001:db8::2]',
  ])
    for (const path of ['/', '/login', '/api/v1/accounts', '/assets/x.css'])
      assert.equal(await status(path, host), 403, `${host}${path}`);
  const page = await app.ask('GET', '/login', { headers: { ...html, host: 'evil.example' } });
  assert.equal(codeOf(page), 'HOST_REFUSED');
  for (const path of ['/livez', '/readyz', '/metrics'])
    assert.equal(await status(path, '10.0.0.7:8787'), 200);
});

test('no cookie that was not given by the server opens anything', async (t) => {
  const app = await start(t, { piiToken: PII_TOKEN });
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.=%+/'), maxLength: 200 }),
    fc.constantFrom('', '.', `${'A'.repeat(80)}.${'A'.repeat(43)}`, TOKEN, PII_TOKEN),
  );
  const name = fc.constantFrom('zt-session', '__Host-zt-session', '__Secure-zt-session');
  await fc.assert(
    fc.asyncProperty(name, value, async (cookie, text) => {
      const headers = { cookie: `${cookie}=${text}` };
      assert.equal((await app.ask('GET', '/metrics', { headers })).status, 401);
    }),
    { numRuns: 100 },
  );
});

test('every kind of answer forbids framing, caching and type guessing, and belongs to one caller', async (t) => {
  const app = await start(t);
  const cookie = cookieOf(await signIn(app, TOKEN));
  for (const path of ['/', '/login', '/nothing', '/api/v1/accounts', '/api/v1/nothing', '/metrics']) {
    for (const headers of [{}, { cookie }, { cookie, ...html }]) {
      const answer = await app.ask('GET', path, { headers: headers });
      const policy = String(answer.headers['content-security-policy']);
      assert.match(policy, /default-src 'none'/, path);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['vary'], 'Authorization, Cookie');
      assert.equal(answer.headers['referrer-policy'], 'same-origin');
    }
  }
});
