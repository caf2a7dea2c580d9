// What the headers of a request say of its origin. sign-in.test.ts and auth.test.ts send them to a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostName, isLoopbackName, originOf, type HeaderOf } from '../../../src/http/access/origin.ts';

const given =
  (headers: Record<string, string>): HeaderOf =>
  (name) =>
    headers[name];

test('a host is compared without its port and ignoring case, and a missing host is not this machine', () => {
  for (const [headers, name, isLoopback] of [
    [{ host: 'LocalHost:8080' }, 'localhost', true],
    [{ host: '[::1]:8080' }, '[::1]', true],
    [{ host: 'rebound.example:8080' }, 'rebound.example', false],
    [{}, '', false],
  ] as const) {
    assert.equal(hostName(given(headers)), name);
    assert.equal(isLoopbackName(given(headers)), isLoopback, name);
  }
});

test('an origin is ours only with the host of the request, and on loopback only without TLS', () => {
  const host = 'risk.example:8443';
  for (const [headers, schemes, origin] of [
    [{ host, origin: `https://${host}` }, 'http or https', 'ours'],
    [{ host, origin: `https://${host}` }, 'http', 'foreign'],
    [{ host, origin: `http://${host}` }, 'http', 'ours'],
    [{ host, origin: 'https://evil.example' }, 'http or https', 'foreign'],
    [{ origin: 'https://evil.example' }, 'http or https', 'foreign'],
    [{ host, origin: 'null' }, 'http or https', 'foreign'],
    [{ host }, 'http or https', 'unknown'],
  ] as const)
    assert.equal(originOf(given(headers), schemes), origin, JSON.stringify(headers));
});
