// Settings from files: secrets, credentials that are read again, and .env.
import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readConfig, wantsStackTraces } from '../src/config.ts';
import { rereadAuth } from '../src/settings/credentials.ts';
import { SECRETS } from '../src/settings/environment.ts';
import { createScrubber } from '../src/logger.ts';
import { TOKEN, GOOD, read, refusal, problems } from './support/read-settings.ts';

describe('settings from files', () => {
  let folder: string;
  const file = async (name: string, text: string | Uint8Array): Promise<string> => {
    const full = path.join(folder, name);
    await writeFile(full, text);
    return full;
  };
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-config-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('a secret may come from a file, without the line break at its end', async () => {
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

  test('credentials from a file are read again, and are registered as secrets before they are used', async () => {
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

  test('a file without usable contents gives no credentials when it is read again', async () => {
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

  test('credentials that were set directly are not read again', async () => {
    assert.equal(read({}).cloudflare.secretFile, null);
    const config = read({ ...GOOD, HTTP_TOKEN_FILE: await file('other', 'http-token') });
    assert.equal(config.cloudflare.secretFile, null);
    assert.equal(rereadAuth(config), null);
  });

  test('a secret that is set both directly and by a file is refused', async () => {
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

  test('an unreadable or empty file is named, and its setting is not also reported as missing', async () => {
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

  test('the contents of a file are checked like the variable, and not quoted', async () => {
    const found = problems({ DATABASE_URL_FILE: await file('bad', 'mysql://u:hunter2@h') });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', /^DATABASE_URL: must look like/);
    assert.ok(!found[0]?.includes('hunter2'));
    assert.match(
      problems({ CLOUDFLARE_API_TOKEN_FILE: await file('two', `${TOKEN}\n${TOKEN}\n`) })[0] ?? '',
      /^CLOUDFLARE_API_TOKEN: holds a space/,
    );
  });

  test('both ways to authenticate are also refused when they come from files', async () => {
    const found = problems({
      CLOUDFLARE_API_TOKEN_FILE: await file('token', TOKEN),
      CLOUDFLARE_EMAIL: 'me@example.com',
      CLOUDFLARE_API_KEY_FILE: await file('key', 'key4'),
    });
    assert.match(found[0] ?? '', /both set; keep one/);
  });

  test('the environment overrides .env, variable by variable', async () => {
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

  test("blanks and line breaks around a file's contents and path are cut, and a control character inside is refused", async () => {
    const name = await file('padded', `\ufeff http-token\r\n\r\n`);
    assert.equal(read({ HTTP_TOKEN_FILE: ` ${name}\n` }).http.token, 'http-token');
    for (const text of [
      'two\nlines',
      'a\0b',
      Buffer.from('\ufeffhttp-token', 'utf16le'),
      Buffer.from([0x68, 0xff]),
    ])
      assert.match(
        problems({ HTTP_TOKEN_FILE: await file('inside', text) }).join('; '),
        /^HTTP_TOKEN: holds a line break/,
      );
  });

  test('an empty file of an optional secret counts as unset, because deployments mount it in every case', async () => {
    const empty = await file('optional', '\n');
    const config = read({ PING_URL_FILE: empty, HTTP_PII_TOKEN_FILE: empty });
    assert.deepEqual([config.pingUrl, config.http.piiToken], [null, null]);
  });

  test('a .env with a byte order mark loses no line', async () => {
    const envFile = await file('marked', '\ufeffDATABASE_URL=postgres://h/d\r\nHTTP_PORT=1111\r\n');
    const config = readConfig({ env: {}, envFile });
    assert.deepEqual([config.databaseUrl, config.http.port], ['postgres://h/d', 1111]);
  });

  test('quotation marks around the contents of a file are refused', async () => {
    const CLOUDFLARE_API_TOKEN_FILE = await file('quoted', '"v1.0-0123456789"\n');
    assert.match(
      refusal(() => read({ CLOUDFLARE_API_TOKEN_FILE })).happened,
      /- CLOUDFLARE_API_TOKEN: has quotation marks around the value/,
    );
  });

  test('a .env may name a proxy in small letters, as other programs do', async () => {
    const envFile = await file('small', 'https_proxy=http://proxy:3128\n');
    assert.equal(readConfig({ env: {}, envFile }).cloudflare.proxy.httpsProxy, 'http://proxy:3128');
  });

  test('a .env that cannot be read, in part or as a whole, is a problem and never counts as empty', async () => {
    const refused = (envFile: string) => refusal(() => readConfig({ env: {}, envFile })).happened;
    assert.match(
      refused(await file('odd', 'HTTP_PORT=1111\nDATABASE_URL: postgres://h/d\n')),
      /^ {2}- \.env: line 2 is not NAME=value/m,
    );
    const wide = Buffer.from('\ufeffDATABASE_URL=postgres://h/d\n', 'utf16le');
    assert.match(refused(await file('wide', wide)), /^ {2}- \.env: is not UTF-8/m);
    assert.match(refused(folder), /^ {2}- \.env: cannot be read \(EISDIR\)/m);
    const dangling = path.join(folder, 'dangling');
    await symlink(path.join(folder, 'nothing'), dangling);
    assert.match(refused(dangling), /^ {2}- \.env: cannot be read \(ENOENT\)/m);
    assert.match(
      refused(path.join(await file('a-file', ''), '.env')),
      /^ {2}- \.env: cannot be read \(ENOTDIR\)/m,
    );
    assert.equal(wantsStackTraces({ env: { LOG_LEVEL: 'debug' }, envFile: folder }), true);
  });

  test('a missing .env counts as empty, and null reads none', async () => {
    assert.deepEqual(readConfig({ env: {}, envFile: path.join(folder, 'nothing') }), read({}));
  });

  test('the problems of .env and of the environment are listed together', async () => {
    const envFile = await file('wrong', 'HTTP_PORT=x\nSYNC_CONCURRENCY=x\n');
    const { happened } = refusal(() => readConfig({ env: { LOG_LEVEL: 'x' }, envFile }));
    assert.equal(happened.match(/^ {2}- /gm)?.length, 3);
  });
});
