// Which credentials and accounts are used, and which base URL.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TOKEN, GOOD, read, problems } from './support/read-settings.ts';

describe('authentication', () => {
  test('uses a token, or email and key', () => {
    assert.deepEqual(read(GOOD, ['cloudflare']).cloudflare.auth, { kind: 'token', token: TOKEN });
    assert.deepEqual(
      read({ CLOUDFLARE_EMAIL: 'me@example.com', CLOUDFLARE_API_KEY: 'key4' }, ['cloudflare']).cloudflare
        .auth,
      { kind: 'key', email: 'me@example.com', key: 'key4' },
    );
  });

  test('refuses both ways at once, even with half of the second', () => {
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

  test('names the missing half of a pair', () => {
    assert.deepEqual(problems({ CLOUDFLARE_EMAIL: 'me@example.com' }), [
      'CLOUDFLARE_API_KEY: missing, though CLOUDFLARE_EMAIL is set',
    ]);
    assert.deepEqual(problems({ CLOUDFLARE_API_KEY: 'key4' }), [
      'CLOUDFLARE_EMAIL: missing, though CLOUDFLARE_API_KEY is set',
    ]);
  });

  test('is required only by commands that use Cloudflare, and the message names the variable and the permission', () => {
    assert.doesNotThrow(() => read({}));
    const [problem, ...others] = problems({}, ['cloudflare']);
    assert.deepEqual(others, []);
    assert.match(problem ?? '', /CLOUDFLARE_API_TOKEN.*Zero Trust: PII Read/);
  });

  test('needs an account only in commands that use one', () => {
    const [problem, ...others] = problems({ CLOUDFLARE_API_TOKEN: TOKEN }, ['cloudflare', 'accounts']);
    assert.deepEqual(others, []);
    assert.match(problem ?? '', /CLOUDFLARE_ACCOUNT_ID/);
    assert.doesNotThrow(() => read(GOOD, ['cloudflare', 'accounts']));
  });

  test('names a pasted line break, and a character that no header can hold', () => {
    for (const token of [`${TOKEN}\n${TOKEN}`, 'a b', 'tökén', 'a\tb', 'a\u200bb']) {
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

  test('other schemes, and a user or password, are refused even with CLOUDFLARE_ALLOW_INSECURE=1', () => {
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
