// Where the log-in leads: never to another server, in whatever way an address is written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loginAddress, nextPath } from '../../../src/http/access/next-path.ts';

const HOME = 'https://risk.example.com';

test('keeps the page that was asked for, with its parameters', () => {
  for (const path of ['/', '/users?account=a&tz=Europe%2FBerlin', '/users/6f1e?range=7d', '/runs/12'])
    assert.equal(nextPath(path), path);
  assert.equal(loginAddress('/users?a=b&c=d'), '/login?next=%2Fusers%3Fa%3Db%26c%3Dd');
  assert.equal(loginAddress('/'), '/login');
});

test('leads to the overview instead of to another server or back to the log-in', () => {
  for (const next of [
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/./\\evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    'evil.example',
    '',
    '/login',
    '/login?next=/login',
    '/logout',
    `/${'x'.repeat(5_000)}`,
    undefined,
    ['/users'],
    { path: '/users' },
  ])
    assert.equal(nextPath(next), '/', JSON.stringify(next));
});

test('whatever it is given, a browser stays on this server', () => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '//',
    '.',
    '..',
    '@',
    ':',
    'evil.example',
    '?',
    '#',
    '%2f',
    '\t',
    ' ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => `/${pieces.join('')}`),
  );
  fc.assert(
    fc.property(text, (next) => {
      const path = nextPath(next);
      assert.equal(new URL(path, HOME).origin, HOME);
      assert.match(path, /^\/(?!\/)/);
      assert.equal(new URL(loginAddress(next), HOME).origin, HOME);
    }),
  );
});
