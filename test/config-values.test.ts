// Which characters are cut from the value of a variable, which are refused inside it, and which parts are secret.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataFolder, wantsStackTraces } from '../src/config.ts';
import { Environment } from '../src/settings/environment.ts';
import { TOKEN, read, problems, type Env } from './support/read-settings.ts';

// A value that is accepted, for each variable that takes any text.
const TEXTS: Record<string, string> = {
  CLOUDFLARE_API_TOKEN: TOKEN,
  CLOUDFLARE_EMAIL: 'me@example.com',
  CLOUDFLARE_API_KEY: 'key-0123456789',
  CLOUDFLARE_ACCOUNT_ID: 'acc1',
  CLOUDFLARE_BASE_URL: 'https://api.example.com/client/v4',
  HTTPS_PROXY: 'http://proxy.example.net:3128',
  HTTP_PROXY: 'http://proxy.example.net:3128',
  NO_PROXY: 'localhost',
  DATABASE_URL: 'postgres://u:password@h/d',
  DATABASE_COPY_TO_URL: 'postgres://u:password@h/e',
  SYNC_SCHEDULE: '0 * * * *',
  SYNC_TIMEZONE: 'Europe/Berlin',
  SYNC_PER_PAGE: '50',
  SYNC_CONFIRM: 'walks',
  SYNC_MAX_CLEARED_RATIO: '0.4',
  SYNC_RATE_SHARE: '0.7',
  SYNC_TIME_BUDGET: '30m',
  RETENTION_REJECTED: '90d',
  RETENTION_ACTIVITY: '400d',
  RETENTION_LEVELS: '1000d',
  RETENTION_IDENTITIES: '1000d',
  RETENTION_RUNS: '90d',
  HIGH_TARGET: '48h',
  HTTP_HOST: '::1',
  HTTP_TOKEN: 'http-token',
  HTTP_PII_TOKEN: 'pii-token-0123456789',
  HTTP_ALLOWED_HOSTS: 'risk.example.com',
  PING_URL: 'https://monitor.example.com/0123456789',
  PII_MODE: 'pseudonymous',
  PII_KEY: 'CzBVep/E6Q4zWH2ix+wRNluApcrvFDleg6jN8hc8YYY=',
  LOG_LEVEL: 'debug',
};
const withPartner = (name: string, value: string): Env =>
  name === 'CLOUDFLARE_EMAIL'
    ? { CLOUDFLARE_API_KEY: 'key-0123456789', [name]: value }
    : name === 'CLOUDFLARE_API_KEY'
      ? { CLOUDFLARE_EMAIL: 'me@example.com', [name]: value }
      : { [name]: value };

test('blanks and line breaks around the value of any variable are cut before any use', () => {
  for (const name of Object.keys(Environment.shape)) {
    const value = TEXTS[name] ?? '1';
    const clean = read(withPartner(name, value));
    for (const padded of [
      `${value}\n`,
      `  ${value}\t`,
      `\r\n${value}\r\n`,
      `\ufeff${value}`,
      `\u00a0${value}`,
    ])
      assert.deepEqual(read(withPartner(name, padded)), clean, `${name}: ${JSON.stringify(padded)}`);
    if (!/_(EMAIL|API_KEY)$/.test(name))
      assert.deepEqual(read({ [name]: ' \n ' }), read({}), `${name}: blank is unset`);
  }
  assert.ok(wantsStackTraces({ env: { LOG_LEVEL: ' debug\n' }, envFile: null }));
  assert.equal(dataFolder({ env: { XDG_DATA_HOME: '/data\n' }, envFile: null }).dataHome, '/data');
});

test('a line break or another control character inside any value is refused by name, once, and not quoted', () => {
  for (const name of Object.keys(Environment.shape)) {
    const value = TEXTS[name] ?? '1';
    for (const inner of ['\n', '\r\n', '\0', '\u0007', '\u200b', '\ufffd']) {
      const found = problems(withPartner(name, `${value}${inner}${value}`));
      const own = found.filter((problem) => problem.startsWith(`${name}: `));
      assert.equal(own.length, 1, `${name}: ${found.join('; ')}`);
      assert.match(own[0] ?? '', /line break/);
      assert.ok(value.length < 4 || !found.join().includes(value), found.join());
    }
  }
});

test('quotation marks around any value are refused by name, once: docker keeps those of an --env-file', () => {
  for (const name of Object.keys(Environment.shape)) {
    const value = TEXTS[name] ?? '1';
    for (const quoted of [`"${value}"`, `'${value}'`, `\u201c${value}\u201d`]) {
      const own = problems(withPartner(name, quoted)).filter((problem) => problem.startsWith(`${name}: `));
      assert.deepEqual(own, [`${name}: has quotation marks around the value. Remove them`], quoted);
    }
  }
});

test('the path and the password of PING_URL are secrets, and so are the passwords of a database behind a socket', () => {
  const { secrets } = read({
    DATABASE_URL: 'postgres://u:pa%2Fss@/d?host=/cloudsql/x&password=other-pass',
    PING_URL: 'https://u:ping-pass@monitor.example.com/0123456789/{account_id}?rid=secret-rid',
  });
  for (const part of ['pa%2Fss', 'pa/ss', 'other-pass', 'ping-pass', '/0123456789', '?rid=secret-rid'])
    assert.ok(secrets.has(part), part);
  assert.ok(!read({ PING_URL: 'https://monitor.example.com/ping' }).secrets.has('/ping'));
});
