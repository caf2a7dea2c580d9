// What is wrong with DATABASE_URL, reported before anything connects. The driver's own reading is the reference for
// what is accepted.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { databasePlace, databaseUrlProblem, databaseUrlSecrets } from '../src/database-url.ts';
import { driverUrl } from '../src/db/pool.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'zt-risk-sync-url-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};

test('every form of URL is accepted, and the driver reads it as it is written', () => {
  const socket = '/cloudsql/project:region:instance';
  for (const [url, host, user, password, place] of [
    ['postgres://u:p@h/d', 'h', 'u', 'p', 'h/d'],
    ['postgresql://u:p@h:6543/d', 'h', 'u', 'p', 'h:6543/d'],
    ['postgres://u:p@[::1]:5432/d', '::1', 'u', 'p', '[::1]:5432/d'],
    [`postgres://u:p@/d?host=${socket}`, socket, 'u', 'p', `${socket}, database d`],
    [`postgres:///d?host=${socket}&user=u&password=p`, socket, 'u', 'p', `${socket}, database d`],
    [
      'postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d',
      '/var/run/postgresql',
      'u',
      'p',
      '/var/run/postgresql, database d',
    ],
    ['postgres:///d', '', '', '', 'localhost/d'],
    ['postgres://u:p@ss@h/d', 'h', 'u', 'p@ss', 'h/d'],
    ['postgres://u:p%2F%23%25%40@h/d', 'h', 'u', 'p/#%@', 'h/d'],
    ['postgres://u@project:p:q@h/d', 'h', 'u@project', 'p:q', 'h/d'],
  ] as const) {
    assert.equal(databaseUrlProblem(url), null, url);
    const client = new Client({ connectionString: driverUrl(url) });
    assert.equal(client.database, 'd', url);
    // Without a host and a user, the driver asks the environment.
    if (user !== '')
      assert.deepEqual([client.host, client.user, client.password], [host, user, password], url);
    assert.equal(databasePlace(url), place);
    assert.ok(password === '' || databaseUrlSecrets(url).includes(password), url);
  }
});

test('a mistake in the URL is named with its fix, and the URL is never quoted', () => {
  for (const [url, words] of [
    ['db', /^must look like postgres:/],
    ['mysql://u:hunter2@h/d', /^must look like postgres:/],
    ['postgres:h', /^must look like postgres:/],
    ['jdbc:postgresql://h/d', /JDBC/],
    ['host=h password=hunter2', /key=value/],
    ['postgres://u:hunter2 x@h/d', /space.*%20/],
    // Characters that end the host early.
    ['postgres://u:hunter2/x@h/d', /\/ as %2F/],
    ['postgres://u:123/hunter2@h/d', /\/ as %2F/],
    ['postgres://u:hunter2@x/y@h/d', /\/ as %2F/],
    ['postgres://u:p@/hunter2@h/d', /\/ as %2F/],
    ['postgres://u:hunter2#x@h/d', /# as %23/],
    ['postgres://u:1#hunter2@h/d', /# as %23/],
    ['postgres://u:hunter2?x@h/d', /\? as %3F/],
    ['postgres://u:1?hunter2@h/d', /\? as %3F/],
    ['postgres://u:hunter2%@h/d', /% as %25/],
    ['postgres://u:hunter2%zz@h/d', /% as %25/],
    // The driver would throw an error without a code.
    ['postgres://u:hunter2%ff@h/d', /UTF-8/],
    ['postgres://u:p@h/d%ff', /UTF-8/],
    ['postgres://u:[YOUR-PASSWORD]@h/d', /placeholder/],
    ['postgres://u:hunter2@h1:5432,h2:5432/d', /several hosts/],
    ['postgres://u:hunter2@h:99999/d', /cannot be read/],
    ['postgres://u:hunter2@h:0/d', /port/],
    ['postgres://u:hunter2@h/d?port=abc', /port/],
    [`postgres://u:hunter2@/d?host=/${'x'.repeat(100)}`, /107 bytes/],
  ] as const) {
    const problem = databaseUrlProblem(url) ?? 'accepted';
    assert.match(problem, words, url);
    assert.ok(!problem.includes('hunter2'), problem);
  }
});

test('settings of TLS that the driver ignores, crashes on or cannot use are refused', () => {
  const url = 'postgres://u:hunter2@h/d?';
  const text = file('text', 'no certificate');
  for (const [query, words] of [
    ['sslmode=REQUIRE', /unknown sslmode/],
    ['sslmode=on', /unknown sslmode/],
    ['ssl=false', /sslmode/],
    ['ssl=yes', /sslmode/],
    ['sslnegotiation=fast', /sslnegotiation/],
    ['sslmode=disable&sslnegotiation=direct', /Keep one/],
    ['host=/run&sslmode=require', /Unix socket/],
    ['host=/run&ssl=true', /Unix socket/],
    ['sslmode=verify-ca&uselibpqcompat=true', /sslrootcert/],
    ['sslrootcert=/not/there', /^names a file in sslrootcert that cannot be read: \/not\/there \(ENOENT\)$/],
    [`sslmode=disable&sslrootcert=${folder}`, /EISDIR/],
    ['sslcert=/not/there', /sslcert.*ENOENT/],
    ['sslkey=/not/there', /sslkey.*ENOENT/],
    ['sslrootcert=system', /not supported/],
    // The driver uses the last value.
    ['sslmode=verify-full&sslmode=disable', /same setting twice/],
    ['host=a&host=b', /same setting twice/],
    // The driver ignores them, and the connection would have no TLS.
    ['SSLMODE=require', /^has SSLMODE, which must be written sslmode$/],
    ['sslMode=require', /^has sslMode, which must be written sslmode$/],
    ['sslRootCert=/not/there', /written sslrootcert/],
    [`sslrootcert=${text}`, /PEM/],
    [
      `sslcert=${file('pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')}`,
      /cannot be used \(ERR_/,
    ],
  ] as const) {
    assert.match(databaseUrlProblem(url + query) ?? 'accepted', words, query);
  }
  for (const mode of ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'])
    assert.equal(databaseUrlProblem(`${url}sslmode=${mode}`), null, mode);
});

test('the modes that the driver treats as verify-full are replaced by it, because the driver warns about them', (t) => {
  const warn = t.mock.method(process, 'emitWarning', () => undefined);
  for (const mode of ['allow', 'prefer', 'require', 'verify-ca', 'verify-full']) {
    const url = driverUrl(`postgres://u:p@h/d?a=1&sslmode=${mode}&b=2`);
    assert.equal(url, 'postgres://u:p@h/d?a=1&sslmode=verify-full&b=2', mode);
    assert.deepEqual((new Client({ connectionString: url }) as unknown as { ssl: unknown }).ssl, {}, mode);
  }
  for (const kept of ['sslmode=disable', 'sslmode=no-verify', 'sslmode=require&uselibpqcompat=true']) {
    assert.ok(driverUrl(`postgres://h/d?${kept}`).endsWith(kept));
    assert.ok(new Client({ connectionString: driverUrl(`postgres://h/d?${kept}`) }));
  }
  assert.equal(warn.mock.callCount(), 0);
});

test('the password in a refused URL is still a secret, and a text that is not a URL has no password', () => {
  for (const [url, password] of [
    ['postgres://u:hunter2%zz@h/d', 'hunter2%zz'],
    ['postgres://u:hunter2%ff@h/d', 'hunter2%ff'],
    ['postgres://u@h/d?password=hunter%202', 'hunter 2'],
  ] as const)
    assert.ok(databaseUrlSecrets(url).includes(password), url);
  assert.equal(databasePlace('postgres://u:hunter2@h/d%zz'), 'h/d%zz');
  for (const text of ['db', '', 'postgres://u:hunter2@h:99999/d']) {
    assert.deepEqual(databaseUrlSecrets(text), [], text);
    assert.equal(databasePlace(text), '', text);
  }
});
