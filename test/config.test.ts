import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Environment, processSource, readConfig, rereadAuth, SECRETS, type Config } from '../src/config.ts';
import { OperatorError } from '../src/errors.ts';
import { createScrubber } from '../src/logger.ts';

const TOKEN = 'tok_0123456789abcdefghij';
const GOOD = { CLOUDFLARE_API_TOKEN: TOKEN, CLOUDFLARE_ACCOUNT_ID: 'acc1' };
type Env = Record<string, string | undefined>;

const read = (env: Env, needs: Parameters<typeof readConfig>[1] = []): Config =>
  readConfig({ env, envFile: null }, needs);

function refusal(work: () => unknown): OperatorError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.code, 'CONFIGURATION');
    assert.equal(error.exit, 78);
    return error;
  }
  throw new Error('it was accepted');
}

/** The problems, one line each, without the dash. */
const problems = (env: Env, needs: Parameters<typeof readConfig>[1] = []): string[] =>
  refusal(() => read(env, needs))
    .happened.split('\n')
    .slice(1)
    .filter((line) => line.startsWith('  - '))
    .map((line) => line.slice(4));

test('an empty environment is a good one, with the defaults that design and .env.example name', () => {
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
    maxPasses: 4,
    confirm: 'lookup',
    confirmLookups: 100,
    maxClearedRatio: 0.5,
    rateShare: 0.8,
    timeBudgetMs: 3_600_000,
  });
  assert.deepEqual(config.http, { host: '127.0.0.1', port: 8787, token: null });
  assert.equal(config.logLevel, 'info');
  assert.deepEqual([...config.secrets], []);
});

test('every variable arrives where it belongs', () => {
  const config = read({
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: ' acc1, acc2 ,acc1,',
    CLOUDFLARE_BASE_URL: 'https://gateway.example.com/v4/',
    HTTPS_PROXY: 'http://user:pa%20ss@proxy.example.com:3128',
    NO_PROXY: 'example.org',
    DATABASE_URL: 'postgres://u:dbpassword@db.example.com/risk',
    SYNC_SCHEDULE: '*/5 * * * *',
    SYNC_TIMEZONE: 'Europe/Berlin',
    SYNC_PER_PAGE: '500',
    SYNC_CONCURRENCY: '32',
    SYNC_MAX_PASSES: '1',
    SYNC_CONFIRM: 'walks',
    SYNC_CONFIRM_LOOKUPS: '0',
    SYNC_MAX_CLEARED_RATIO: '.25',
    SYNC_RATE_SHARE: '1',
    SYNC_TIME_BUDGET: '90m',
    HTTP_HOST: '0.0.0.0',
    HTTP_PORT: '0',
    HTTP_TOKEN: 'http-token',
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
  assert.deepEqual(config.sync, {
    schedule: '*/5 * * * *',
    timezone: 'Europe/Berlin',
    perPage: 500,
    concurrency: 32,
    maxPasses: 1,
    confirm: 'walks',
    confirmLookups: 0,
    maxClearedRatio: 0.25,
    rateShare: 1,
    timeBudgetMs: 5_400_000,
  });
  assert.deepEqual(config.http, { host: '0.0.0.0', port: 0, token: 'http-token' });
  assert.deepEqual(
    [...config.secrets].toSorted(),
    [
      TOKEN,
      'postgres://u:dbpassword@db.example.com/risk',
      'dbpassword',
      'http-token',
      'pa ss',
      'pa%20ss',
    ].toSorted(),
  );
});

test('without a time budget the interval of the schedule counts, from 15 minutes to 6 hours', () => {
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

test('no problem quotes a value that may be a secret', () => {
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

test('a single problem is called one', () => {
  assert.match(refusal(() => read({ HTTP_PORT: 'x' })).message, /has a problem:\n {2}- HTTP_PORT: /);
});

test('wrong values of every kind are refused, and the nearest right ones are not', () => {
  const cases: [name: string, wrong: string[], right: string[]][] = [
    ['CLOUDFLARE_ACCOUNT_ID', ['a b', 'a/b', 'a?b', 'ä', 'x'.repeat(65)], ['a,b', 'A_b-1', 'x'.repeat(64)]],
    ['SYNC_PER_PAGE', ['0', '-1', '1.5', '1e3', '100001', 'Auto'], ['auto', '1', '100000']],
    ['SYNC_CONCURRENCY', ['0', '33', ' 4', '0x4'], ['1', '32']],
    ['SYNC_MAX_PASSES', ['0', '21'], ['1', '20']],
    ['SYNC_TIME_BUDGET', ['0s', '10', '10d', 's', '-5m', '1.5h'], ['1s', '900s', '30m', '2h']],
    ['SYNC_SCHEDULE', ['* * * *', '61 * * * *', 'x'], ['0 * * * *', '*/15 8-18 * * 1-5']],
    ['SYNC_TIMEZONE', ['Nowhere', 'Europe'], ['UTC', 'America/New_York']],
    ['HTTP_PORT', ['-1', '65536', '80a'], ['0', '65535']],
    ['LOG_LEVEL', ['INFO', 'verbose'], ['debug', 'silent']],
    ['CLOUDFLARE_ALLOW_INSECURE', ['true', '2'], ['0', '1']],
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

describe('authentication', () => {
  test('is by token, or by email and key', () => {
    assert.deepEqual(read(GOOD, ['cloudflare']).cloudflare.auth, { kind: 'token', token: TOKEN });
    assert.deepEqual(
      read({ CLOUDFLARE_EMAIL: 'me@example.com', CLOUDFLARE_API_KEY: 'key4' }, ['cloudflare']).cloudflare
        .auth,
      { kind: 'key', email: 'me@example.com', key: 'key4' },
    );
  });

  test('both ways at once are refused, even half of the second', () => {
    for (const second of [
      { CLOUDFLARE_EMAIL: 'me@example.com', CLOUDFLARE_API_KEY: 'key4' },
      { CLOUDFLARE_EMAIL: 'me@example.com' },
      { CLOUDFLARE_API_KEY: 'key4' },
    ]) {
      const found = problems({ ...GOOD, ...second });
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /both set; keep one/);
    }
  });

  test('half of a pair names the other half', () => {
    assert.deepEqual(problems({ CLOUDFLARE_EMAIL: 'me@example.com' }), [
      'CLOUDFLARE_API_KEY: missing, though CLOUDFLARE_EMAIL is set',
    ]);
    assert.deepEqual(problems({ CLOUDFLARE_API_KEY: 'key4' }), [
      'CLOUDFLARE_EMAIL: missing, though CLOUDFLARE_API_KEY is set',
    ]);
  });

  test('is required only by commands that ask Cloudflare, and the message names the variable and the permission', () => {
    assert.doesNotThrow(() => read({}));
    const [problem, ...others] = problems({}, ['cloudflare']);
    assert.deepEqual(others, []);
    assert.match(problem ?? '', /CLOUDFLARE_API_TOKEN.*Zero Trust: PII Read/);
  });

  test('an account is required only where one is needed', () => {
    const [problem, ...others] = problems({ CLOUDFLARE_API_TOKEN: TOKEN }, ['cloudflare', 'accounts']);
    assert.deepEqual(others, []);
    assert.match(problem ?? '', /CLOUDFLARE_ACCOUNT_ID/);
    assert.doesNotThrow(() => read(GOOD, ['cloudflare', 'accounts']));
  });

  test('a pasted line break or a character that no header can hold is named', () => {
    for (const token of [`${TOKEN}\n`, ` ${TOKEN}`, 'tökén', 'a\tb']) {
      assert.match(
        problems({ CLOUDFLARE_API_TOKEN: token })[0] ?? '',
        /^CLOUDFLARE_API_TOKEN: holds a space/,
      );
    }
  });
});

describe('the base URL', () => {
  const refusedUrls = [
    'http://api.cloudflare.com/client/v4',
    'http://127.0.0.1:8787/client/v4',
    'https://127.0.0.1/',
    'https://127.9.9.9/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[fe80::1]/',
    'https://[fd00::1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    // As browsers and Node read them: 127.0.0.1 and 10.0.0.1.
    'https://2130706433/',
    'https://0x7f.1/',
    'https://012.0.0.1/',
    'https://localhost/',
    'https://LOCALHOST/',
    'https://localhost./',
    'https://api.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
  ];

  for (const url of refusedUrls) {
    test(`${url} is refused, and allowed with CLOUDFLARE_ALLOW_INSECURE=1`, () => {
      const [problem, ...others] = problems({ CLOUDFLARE_BASE_URL: url });
      assert.deepEqual(others, []);
      assert.match(problem ?? '', /^CLOUDFLARE_BASE_URL: .*CLOUDFLARE_ALLOW_INSECURE=1/);
      assert.doesNotThrow(() => read({ CLOUDFLARE_BASE_URL: url, CLOUDFLARE_ALLOW_INSECURE: '1' }));
    });
  }

  test('a public https address is allowed', () => {
    for (const url of [
      'https://api.cloudflare.com/client/v4',
      'https://172.15.0.1/',
      'https://172.32.0.1/',
      'https://[2606:4700::1]/',
      'https://localhost.example.com/',
      'https://local/',
    ]) {
      assert.doesNotThrow(() => read({ CLOUDFLARE_BASE_URL: url }), url);
    }
  });

  test('no other scheme, and no user or password, is allowed even then', () => {
    for (const url of [
      'file:///etc/passwd',
      'ftp://example.com',
      'api.cloudflare.com',
      'https://u:p@example.com/',
    ]) {
      const [problem] = problems({ CLOUDFLARE_BASE_URL: url, CLOUDFLARE_ALLOW_INSECURE: '1' });
      assert.match(problem ?? '', /^CLOUDFLARE_BASE_URL: must/);
    }
  });
});

test('an address of the database or the proxy with a stray % does not break the start', () => {
  for (const name of ['DATABASE_URL', 'HTTPS_PROXY']) {
    const value = name === 'DATABASE_URL' ? 'postgres://u:100%@h/d' : 'http://u:100%@h:1';
    let config: Config | null = null;
    try {
      config = read({ [name]: value });
    } catch (error) {
      // Either is fine, as long as a person is told what to do.
      assert.ok(error instanceof OperatorError, `${name}: ${String(error)}`);
      continue;
    }
    assert.ok(config.secrets.has('100%'));
  }
});

test('the configuration is frozen, all the way down', () => {
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

test('the process brings its environment and a .env file', () => {
  assert.equal(processSource().env, process.env);
  assert.equal(processSource().envFile, '.env');
});

describe('files', () => {
  let folder: string;
  const file = async (name: string, text: string): Promise<string> => {
    const full = path.join(folder, name);
    await writeFile(full, text);
    return full;
  };
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-config-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('a secret may come from a file, and loses the line break at its end', async () => {
    for (const [name, text] of [
      ['plain', TOKEN],
      ['newline', `${TOKEN}\n`],
      ['windows', `${TOKEN}\r\n`],
      ['blank', `  ${TOKEN}\n\n`],
    ] as const) {
      const config = read({ CLOUDFLARE_API_TOKEN_FILE: await file(name, text) });
      assert.deepEqual(config.cloudflare.auth, { kind: 'token', token: TOKEN }, name);
      assert.deepEqual([...config.secrets], [TOKEN]);
    }
    const url = 'postgres://u:password@h/d';
    const config = read({
      DATABASE_URL_FILE: await file('url', `${url}\n`),
      HTTP_TOKEN_FILE: await file('t', 'http-token'),
    });
    assert.equal(config.databaseUrl, url);
    assert.equal(config.http.token, 'http-token');
    assert.ok(config.secrets.has('password'));
  });

  test('credentials from a file are read again, and are known as a secret before anybody has them', async () => {
    const key = { CLOUDFLARE_EMAIL: 'me@example.com' };
    const name = await file('rotated', 'first-secret');
    for (const [env, auth] of [
      [{ CLOUDFLARE_API_TOKEN_FILE: name }, { kind: 'token', token: 'second-secret' }],
      [
        { ...key, CLOUDFLARE_API_KEY_FILE: name },
        { kind: 'key', email: 'me@example.com', key: 'second-secret' },
      ],
    ] as const) {
      await file('rotated', 'first-secret');
      const config = read(env);
      assert.equal(config.cloudflare.secretFile, name);
      assert.deepEqual([...config.secrets], ['first-secret']);
      const scrub = createScrubber(config.secrets);
      await file('rotated', 'second-secret\n');
      assert.deepEqual(rereadAuth(config), auth);
      assert.deepEqual([...config.secrets], ['first-secret', 'second-secret']);
      assert.equal(scrub('first-secret, second-secret'), '[secret], [secret]');
    }
  });

  test('a file that holds nothing usable when it is read again gives no credentials', async () => {
    const name = await file('broken', TOKEN);
    const config = read({ CLOUDFLARE_API_TOKEN_FILE: name });
    for (const text of ['', ' \n', 'two\nlines', 'ü']) {
      await file('broken', text);
      assert.equal(rereadAuth(config), null, JSON.stringify(text));
    }
    await rm(name);
    assert.equal(rereadAuth(config), null);
    assert.deepEqual([...config.secrets], [TOKEN]);
  });

  test('credentials that were set directly are not looked for anywhere', async () => {
    assert.equal(read({}).cloudflare.secretFile, null);
    const config = read({ ...GOOD, HTTP_TOKEN_FILE: await file('other', 'http-token') });
    assert.equal(config.cloudflare.secretFile, null);
    assert.equal(rereadAuth(config), null);
  });

  test('both forms of one secret are refused', async () => {
    for (const name of SECRETS) {
      const found = problems({
        [name]: 'postgres://h/d',
        [`${name}_FILE`]: await file('both', 'postgres://h/d'),
      });
      assert.ok(
        found.some((problem) => problem.startsWith(`${name}: set both directly and as ${name}_FILE`)),
        found.join('\n'),
      );
    }
  });

  test('a file that cannot be read, or is empty, is named, and what it should hold is not asked for again', async () => {
    const missing = path.join(folder, 'missing');
    assert.match(
      problems({ HTTP_TOKEN_FILE: missing })[0] ?? '',
      /^HTTP_TOKEN_FILE: cannot be read \(ENOENT\)/,
    );
    assert.match(
      problems({ HTTP_TOKEN_FILE: folder })[0] ?? '',
      /^HTTP_TOKEN_FILE: cannot be read \(EISDIR\)/,
    );
    const empty = await file('empty', '\n');
    assert.deepEqual(problems({ HTTP_TOKEN_FILE: empty }), ['HTTP_TOKEN_FILE: the file is empty']);
  });

  test('what a file holds is checked like the variable, without being quoted', async () => {
    const found = problems({ DATABASE_URL_FILE: await file('bad', 'mysql://u:hunter2@h') });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', /^DATABASE_URL: must look like/);
    assert.ok(!found[0]?.includes('hunter2'));
    assert.match(
      problems({ CLOUDFLARE_API_TOKEN_FILE: await file('two', `${TOKEN}\n${TOKEN}\n`) })[0] ?? '',
      /^CLOUDFLARE_API_TOKEN: holds a space/,
    );
  });

  test('both ways to authenticate are refused when they come from files, too', async () => {
    const found = problems({
      CLOUDFLARE_API_TOKEN_FILE: await file('token', TOKEN),
      CLOUDFLARE_EMAIL: 'me@example.com',
      CLOUDFLARE_API_KEY_FILE: await file('key', 'key4'),
    });
    assert.match(found[0] ?? '', /both set; keep one/);
  });

  test('.env lies below the environment, variable by variable', async () => {
    const envFile = await file(
      'env',
      `# remark\nCLOUDFLARE_API_TOKEN="${TOKEN}"\nHTTP_PORT=1111\nSYNC_CONCURRENCY=2\nLOG_LEVEL=debug\n`,
    );
    const config = readConfig({ env: { HTTP_PORT: '2222', LOG_LEVEL: '' }, envFile });
    assert.equal(config.http.port, 2222);
    assert.equal(config.sync.concurrency, 2);
    assert.equal(config.logLevel, 'debug', 'an empty variable does not hide the one in .env');
    assert.equal(config.cloudflare.auth?.kind, 'token');
    assert.ok(config.secrets.has(TOKEN));
  });

  test('a .env that is not there is none, and null reads none', async () => {
    assert.deepEqual(readConfig({ env: {}, envFile: path.join(folder, 'nothing') }), read({}));
  });

  test('the problems of .env and environment are listed together', async () => {
    const envFile = await file('wrong', 'HTTP_PORT=x\nSYNC_CONCURRENCY=x\n');
    const { happened } = refusal(() => readConfig({ env: { LOG_LEVEL: 'x' }, envFile }));
    assert.equal(happened.match(/^ {2}- /gm)?.length, 3);
  });
});

const example = new URL('../.env.example', import.meta.url);
test('.env.example names exactly the variables that are read', { skip: !existsSync(example) }, () => {
  const text = readFileSync(example, 'utf8');
  const names = [...text.matchAll(/^#? ?([A-Z][A-Z0-9_]*)=/gm)].map((match) => match[1]);
  assert.deepEqual([...names].toSorted(), Object.keys(Environment.shape).toSorted());
});

test(
  '.env.example sets nothing, and what it shows are the defaults',
  { skip: !existsSync(example) },
  async () => {
    const text = readFileSync(example, 'utf8');
    assert.deepEqual(readConfig({ env: {}, envFile: example.pathname }), read({}));
    const shown = Object.fromEntries(
      [...text.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)].map((m) => [m[1], m[2]]),
    );
    assert.deepEqual(read(shown), read({}));
  },
);
