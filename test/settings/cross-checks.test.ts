// Problems that no setting shows alone. The messages as people get them: config.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crossCheck, type Need } from '../../src/settings/cross-checks.ts';

/** The variables that the problems begin with. */
function blamed(
  values: Record<string, string>,
  needs: Need[] = [],
  unreadable: string[] = [],
  hasAccountFile = false,
): string[] {
  const found = crossCheck({ values, needs, hasAccountFile, unreadable: new Set(unreadable) });
  return found.map((problem) => problem.split(':', 1)[0]!);
}

const EVERYTHING: Need[] = ['pii', 'guarded-http', 'database', 'accounts', 'cloudflare'];

test('nothing is missing for a command that needs nothing', () => {
  assert.deepEqual(blamed({}), []);
  assert.deepEqual(blamed({ PII_MODE: 'pseudonymous', HTTP_HOST: '0.0.0.0' }), []);
});

test('missing settings are reported in one order, whatever the order of the needs', () => {
  const open = { HTTP_HOST: '0.0.0.0', PII_MODE: 'pseudonymous' };
  const expected = ['No account', 'DATABASE_URL', 'HTTP_TOKEN', 'PII_KEY'];
  assert.deepEqual(blamed(open, EVERYTHING), expected);
  assert.deepEqual(blamed(open, EVERYTHING.toReversed()), expected);
});

test('accounts come from the variable or from a file', () => {
  assert.deepEqual(blamed({ CLOUDFLARE_ACCOUNT_ID: 'acc1' }, ['accounts']), []);
  assert.deepEqual(blamed({}, ['accounts'], [], true), []);
});

test('a key that could not be read is not also reported as missing', () => {
  for (const name of ['PII_KEY', 'PII_KEY_FILE'])
    assert.deepEqual(blamed({ PII_MODE: 'pseudonymous' }, ['pii'], [name]), []);
});

test('an address of this machine alone needs no token', () => {
  for (const host of ['127.0.0.1', '::1', 'localhost'])
    assert.deepEqual(blamed({ HTTP_HOST: host }, ['guarded-http']), []);
});

test('credentials go to no plain or private address, unless that is intended', () => {
  for (const url of ['http://gateway.example.com', 'https://10.0.0.1/v4']) {
    assert.deepEqual(blamed({ CLOUDFLARE_BASE_URL: url }), ['CLOUDFLARE_BASE_URL']);
    assert.deepEqual(blamed({ CLOUDFLARE_BASE_URL: url, CLOUDFLARE_ALLOW_INSECURE: '1' }), []);
  }
  assert.deepEqual(blamed({ CLOUDFLARE_BASE_URL: 'https://gateway.example.com' }), []);
  assert.deepEqual(blamed({ CLOUDFLARE_BASE_URL: 'no URL' }), [], 'that is told by its form');
});
