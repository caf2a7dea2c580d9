// The settings as a whole: defaults, where each setting goes, and how wrong settings are reported.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { processSource, readConfig, type Config } from '../src/config.ts';
import { Environment, SECRETS } from '../src/settings/environment.ts';
import { OperatorError } from '../src/errors.ts';
import { TOKEN, GOOD, read, refusal, problems, type Env } from './support/read-settings.ts';

test('an empty environment is valid, with the defaults of the design and .env.example', () => {
  const config = read({});
  assert.equal(config.cloudflare.auth, null);
  assert.deepEqual(config.cloudflare.accountIds, []);
  assert.equal(config.cloudflare.baseUrl.href, 'https://api.cloudflare.com/client/v4');
  assert.deepEqual(config.cloudflare.proxy, {});
  assert.equal(config.databaseUrl, null);
  assert.deepEqual(config.sync, {
    schedule: '0 * * * *',
    timezone: 'UTC',
    perPage: 'auto',
    concurrency: 4,
    parallelAccounts: 4,
    maxPasses: 4,
    confirm: 'lookup',
    confirmLookups: 100,
    maxClearedRatio: 0.5,
    rateShare: 0.8,
    timeBudgetMs: 3_600_000,
    rejectedRetentionMs: 30 * 86_400_000,
  });
  assert.deepEqual(config.http, {
    host: '127.0.0.1',
    port: 8787,
    token: null,
    piiToken: null,
    allowedHosts: [],
  });
  assert.equal(config.logLevel, 'info');
  assert.deepEqual(config.pii, { mode: 'full', key: null });
  assert.deepEqual([...config.secrets], []);
});

test('every variable reaches its setting', () => {
  const config = read({
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: ' acc1, acc2 ,acc1,',
    CLOUDFLARE_BASE_URL: 'https://gateway.example.com/v4/',
    HTTPS_PROXY: 'http://user:pa%20ss@proxy.example.com:3128',
    NO_PROXY: 'example.org',
    DATABASE_URL: 'postgres://u:dbpassword@db.example.com/risk',
    DATABASE_COPY_TO_URL: 'postgres://u:copypassword@other.example.com/risk',
    SYNC_SCHEDULE: '*/5 * * * *',
    SYNC_TIMEZONE: 'Europe/Berlin',
    SYNC_PER_PAGE: '500',
    SYNC_CONCURRENCY: '32',
    SYNC_PARALLEL_ACCOUNTS: '16',
    SYNC_MAX_PASSES: '1',
    SYNC_CONFIRM: 'walks',
    SYNC_CONFIRM_LOOKUPS: '0',
    SYNC_MAX_CLEARED_RATIO: '.25',
    SYNC_RATE_SHARE: '1',
    SYNC_TIME_BUDGET: '90m',
    RETENTION_REJECTED: '2h',
    HIGH_TARGET: '3d',
    HTTP_HOST: '0.0.0.0',
    HTTP_PORT: '0',
    HTTP_TOKEN: 'http-token',
    HTTP_ALLOWED_HOSTS: 'risk.example.com',
    HTTP_SHOW_IDENTITIES: '1',
    HTTP_PII_TOKEN: 'pii-token-0123456789',
    LOG_LEVEL: 'debug',
  });
  assert.deepEqual(config.cloudflare.auth, { kind: 'token', token: TOKEN });
  assert.deepEqual(config.cloudflare.accountIds, ['acc1', 'acc2']);
  assert.equal(config.cloudflare.baseUrl.pathname, '/v4/');
  assert.deepEqual(config.cloudflare.proxy, {
    httpsProxy: 'http://user:pa%20ss@proxy.example.com:3128',
    noProxy: 'example.org',
  });
  assert.equal(config.databaseUrl, 'postgres://u:dbpassword@db.example.com/risk');
  assert.equal(config.highTargetMs, 3 * 86_400_000);
  assert.equal(config.copyToUrl, 'postgres://u:copypassword@other.example.com/risk');
  assert.deepEqual(config.sync, {
    schedule: '*/5 * * * *',
    timezone: 'Europe/Berlin',
    perPage: 500,
    concurrency: 32,
    parallelAccounts: 16,
    maxPasses: 1,
    confirm: 'walks',
    confirmLookups: 0,
    maxClearedRatio: 0.25,
    rateShare: 1,
    timeBudgetMs: 5_400_000,
    rejectedRetentionMs: 7_200_000,
  });
  assert.deepEqual(config.http, {
    host: '0.0.0.0',
    port: 0,
    token: 'http-token',
    piiToken: 'pii-token-0123456789',
    allowedHosts: ['risk.example.com'],
  });
  assert.deepEqual(
    [...config.secrets].toSorted(),
    [
      TOKEN,
      'postgres://u:dbpassword@db.example.com/risk',
      'postgres://u:copypassword@other.example.com/risk',
      'dbpassword',
      'pii-token-0123456789',
      'copypassword',
      'http-token',
      'pa ss',
      'pa%20ss',
    ].toSorted(),
  );
});

test("without a time budget, the schedule's interval counts, between 15 minutes and 6 hours", () => {
  const budget = (SYNC_SCHEDULE: string) => read({ SYNC_SCHEDULE }).sync.timeBudgetMs / 60_000;
  assert.deepEqual(['*/5 * * * *', '0 * * * *', '0 */2 * * *', '0 0 * * *'].map(budget), [15, 60, 120, 360]);
});

test('all problems are listed at once', () => {
  const wrong: Env = {
    CLOUDFLARE_API_TOKEN: 'with a space',
    CLOUDFLARE_API_KEY: 'key',
    CLOUDFLARE_ACCOUNT_ID: '../etc/passwd',
    CLOUDFLARE_BASE_URL: 'ftp://example.com',
    CLOUDFLARE_ALLOW_INSECURE: 'yes',
    DATABASE_URL: 'mysql://db',
    HTTP_TOKEN_FILE: '/does/not/exist',
    SYNC_SCHEDULE: 'hourly',
    SYNC_TIMEZONE: 'Mars/Olympus',
    SYNC_PER_PAGE: 'many',
    SYNC_CONCURRENCY: '33',
    SYNC_MAX_PASSES: '0',
    SYNC_TIME_BUDGET: '1 day',
    HTTP_PORT: '65536',
    LOG_LEVEL: 'loud',
  };
  const found = problems(wrong);
  for (const name of Object.keys(wrong)) {
    assert.ok(
      found.some((problem) => problem.includes(name)),
      `${name} is not named in:\n${found.join('\n')}`,
    );
  }
  assert.ok(found.length >= Object.keys(wrong).length - 1, found.join('\n'));
  const { message } = refusal(() => read(wrong));
  assert.match(message, /\d+ problems/);
  assert.match(message, /\.env\.example/);
});

test('no problem quotes a value that may be secret', () => {
  const secret = 'hunter2-hunter2';
  const { message } = refusal(() =>
    read({
      CLOUDFLARE_API_TOKEN: `${secret} x`,
      CLOUDFLARE_API_KEY: `${secret}\n`,
      CLOUDFLARE_BASE_URL: `https://user:${secret}@example.com/`,
      DATABASE_URL: `mysql://u:${secret}@h/d`,
      HTTP_PORT: secret,
      SYNC_PER_PAGE: secret,
      SYNC_TIME_BUDGET: secret,
      LOG_LEVEL: secret,
    }),
  );
  assert.ok(!message.includes(secret), message);
});

test('a single problem is reported in the singular', () => {
  assert.match(refusal(() => read({ HTTP_PORT: 'x' })).message, /has a problem:\n {2}- HTTP_PORT: /);
});

test('wrong values of every kind are refused, and the nearest valid ones are accepted', () => {
  const cases: [name: string, wrong: string[], right: string[]][] = [
    [
      'CLOUDFLARE_ACCOUNT_ID',
      ['a b', 'a/b', 'a?b', 'ä', 'x'.repeat(65), '*,a', '**'],
      ['a,b', 'A_b-1', 'x'.repeat(64), '*'],
    ],
    ['SYNC_PER_PAGE', ['0', '-1', '1.5', '1e3', '100001', 'Auto'], ['auto', '1', '100000']],
    ['SYNC_CONCURRENCY', ['0', '33', '0x4'], ['1', '32']],
    ['SYNC_PARALLEL_ACCOUNTS', ['0', '33', '*'], ['1', '32']],
    ['SYNC_MAX_PASSES', ['0', '21'], ['1', '20']],
    ['SYNC_TIME_BUDGET', ['0s', '10', '10d', 's', '-5m', '1.5h'], ['1s', '900s', '30m', '2h']],
    ['RETENTION_REJECTED', ['0d', '30', '1w', '-1d', '100000d'], ['1s', '90m', '12h', '30d']],
    ['RETENTION_ACTIVITY', ['30', '1w', '-1d', '1000000d', 'ever'], ['0s', '1s', '90m', '12h', '400d']],
    ['RETENTION_RUNS', ['30', '1w'], ['0s', '400d']],
    ['HIGH_TARGET', ['0h', '24', '1w', '1.5d'], ['1s', '90m', '24h', '3d']],
    ['SYNC_SCHEDULE', ['* * * *', '61 * * * *', 'x'], ['0 * * * *', '*/15 8-18 * * 1-5']],
    ['SYNC_TIMEZONE', ['Nowhere', 'Europe'], ['UTC', 'America/New_York']],
    ['HTTP_PORT', ['-1', '65536', '80a'], ['0', '65535']],
    ['LOG_LEVEL', ['INFO', 'verbose'], ['debug', 'silent']],
    ['CLOUDFLARE_ALLOW_INSECURE', ['true', '2'], ['0', '1']],
    ['HTTP_SHOW_IDENTITIES', ['true', 'yes'], ['0', '1']],
    ['HTTP_PII_TOKEN', ['short-one', 'sixteen letters!', 'ä'.repeat(16)], ['0123456789abcdef']],
    [
      'HTTP_ALLOWED_HOSTS',
      ['https://risk.example.com', 'risk.example.com:8443', '*.example.com', 'a b', '::1'],
      ['risk.example.com', 'a, B.example.com,', '10.0.0.7', '[2001:db8::1]'],
    ],
    [
      'DATABASE_URL',
      ['db', 'http://db/x', 'postgres'],
      ['postgres://h/d', 'postgresql://u:p@h:1/d?sslmode=require'],
    ],
  ];
  for (const [name, wrong, right] of cases) {
    for (const value of wrong) {
      const found = problems({ [name]: value });
      assert.equal(found.length, 1, `${name}=${value}: ${found.join('; ')}`);
      assert.ok(found[0]?.startsWith(`${name}: `), found[0]);
    }
    for (const value of right) assert.doesNotThrow(() => read({ [name]: value }), `${name}=${value}`);
  }
});

test('an empty variable counts as unset', () => {
  const empty = Object.fromEntries(Object.keys(Environment.shape).map((name) => [name, '']));
  for (const name of SECRETS) empty[`${name}_FILE`] = '';
  assert.deepEqual(read(empty), read({}));
  assert.equal(
    read({ CLOUDFLARE_API_TOKEN: '', CLOUDFLARE_EMAIL: 'a@b.c', CLOUDFLARE_API_KEY: 'k' }).cloudflare.auth
      ?.kind,
    'key',
  );
});

test('proxies may be written in lower case, and upper case wins', () => {
  assert.deepEqual(read({ https_proxy: 'http://a:1', no_proxy: 'x' }).cloudflare.proxy, {
    httpsProxy: 'http://a:1',
    noProxy: 'x',
  });
  assert.deepEqual(read({ https_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:1' }).cloudflare.proxy, {
    httpsProxy: 'http://b:1',
  });
});

test('a stray % in the address of the database or the proxy does not break the start', () => {
  for (const name of ['DATABASE_URL', 'HTTPS_PROXY']) {
    const value = name === 'DATABASE_URL' ? 'postgres://u:100%@h/d' : 'http://u:100%@h:1';
    let config: Config | null = null;
    try {
      config = read({ [name]: value });
    } catch (error) {
      // Both results are fine if the message says what to do.
      assert.ok(error instanceof OperatorError, `${name}: ${String(error)}`);
      continue;
    }
    assert.ok(config.secrets.has('100%'));
  }
});

test('the configuration is frozen at every level', () => {
  const config = read(GOOD);
  const assertFrozen = (value: object, at: string): void => {
    assert.ok(Object.isFrozen(value), at);
    for (const [name, part] of Object.entries(value)) {
      if (typeof part === 'object' && part !== null && !(part instanceof URL))
        assertFrozen(part as object, `${at}.${name}`);
    }
  };
  assertFrozen(config, 'config');
});

test('by default, the process environment and a .env file are read', () => {
  assert.equal(processSource().env, process.env);
  assert.equal(processSource().envFile, '.env');
});

const example = new URL('../.env.example', import.meta.url);

test('.env.example sets nothing, and shows the defaults', { skip: !existsSync(example) }, async () => {
  const text = readFileSync(example, 'utf8');
  assert.deepEqual(readConfig({ env: {}, envFile: example.pathname }), read({}));
  const shown = Object.fromEntries(
    [...text.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)].map((m) => [m[1], m[2]]),
  );
  assert.deepEqual(read(shown), read({}));
});

test('settings of the dashboard that contradict each other are refused, one by one', () => {
  const token = { HTTP_TOKEN: 'http-token-of-readers' };
  const pii = { HTTP_PII_TOKEN: 'token-that-shows-names' };
  const serve = (env: Env) => problems({ ...GOOD, ...env }, ['guarded-http']);
  for (const [env, expected] of [
    [{ HTTP_SHOW_IDENTITIES: '1' }, /^HTTP_PII_TOKEN: must be set when HTTP_SHOW_IDENTITIES is 1/],
    [pii, /^HTTP_SHOW_IDENTITIES: must be 1 when HTTP_PII_TOKEN is set/],
    [
      { ...token, HTTP_SHOW_IDENTITIES: '1', HTTP_PII_TOKEN: token.HTTP_TOKEN },
      /^HTTP_PII_TOKEN: must differ from HTTP_TOKEN/,
    ],
    [{ HTTP_ALLOWED_HOSTS: 'risk.example.com' }, /^HTTP_ALLOWED_HOSTS: needs HTTP_TOKEN/],
    [{ HTTP_HOST: '0.0.0.0' }, /^HTTP_TOKEN: must be set when HTTP_HOST is 0\.0\.0\.0/],
  ] as const) {
    const found = serve(env);
    assert.equal(found.length, 1, found.join('; '));
    assert.match(found[0]!, expected);
  }
  const { http } = read(
    { ...GOOD, ...token, ...pii, HTTP_SHOW_IDENTITIES: '1', HTTP_ALLOWED_HOSTS: 'Risk.example.com, b' },
    ['guarded-http'],
  );
  assert.deepEqual(http.allowedHosts, ['risk.example.com', 'b']);
  assert.deepEqual([http.token, http.piiToken], [token.HTTP_TOKEN, pii.HTTP_PII_TOKEN]);
  // Commands that serve nothing ignore these settings.
  assert.equal(read({ ...GOOD, ...pii }).http.piiToken, null);
});
