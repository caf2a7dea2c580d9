// When credentials are refused, they are read again from their file, once per refusal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudflareAuth } from '../../src/cloudflare/credentials-in-use.ts';
import {
  ACCOUNT,
  failed,
  harness,
  json,
  PAGE,
  refusalOf,
  TOKEN,
  type Reply,
} from '../support/api/api-server.ts';

const FRESH = 'v1.0-An0ther-Tok3n_9876543210';
const token = (text: string): CloudflareAuth => ({ kind: 'token', token: text });

/** Accepts the bearer token `good`, refuses all others, and quotes what was sent. */
function only(good: string, refuse = (sent: string) => failed(403, 10000, `unknown token ${sent}`)): Reply {
  return (request, response, index) => {
    const sent = (request.headers.authorization ?? '').replace('Bearer ', '');
    (sent === good ? json(200, PAGE) : refuse(sent))(request, response, index);
  };
}

test('retries with the token that the file holds now, and keeps that token', async (t) => {
  for (const refuse of [() => failed(401, 10000), () => failed(403, 9109), () => failed(400, 10000)]) {
    let reads = 0;
    const h = await harness(t, [only(FRESH, refuse)], { rereadAuth: () => (reads++, token(FRESH)) });
    assert.equal((await h.ask()).count, 1);
    assert.equal((await h.ask()).count, 1);
    assert.deepEqual([h.usage.requests, h.usage.retries, reads], [3, 1, 1]);
    assert.equal(h.requests[0]?.url, h.requests[1]?.url);
    assert.deepEqual(h.slept, []);
  }
});

test('a refused key is also read again, and the email stays', async (t) => {
  const auth = { kind: 'key' as const, email: 'me@example.com', key: 'k'.repeat(37) };
  const reply: Reply = (request, ...rest) =>
    (request.headers['x-auth-key'] === 'n'.repeat(37) ? json(200, PAGE) : failed(403, 10000))(
      request,
      ...rest,
    );
  const h = await harness(t, [reply], { auth, rereadAuth: () => ({ ...auth, key: 'n'.repeat(37) }) });
  await h.ask();
  assert.equal(h.requests[1]?.headers['x-auth-email'], 'me@example.com');
});

test('fails as before when there is no file, or when the file holds the same token or nothing', async (t) => {
  for (const rereadAuth of [undefined, () => token(TOKEN), () => null]) {
    const h = await harness(t, [failed(401, 10000)], rereadAuth && { rereadAuth });
    const error = await h.refusal();
    assert.deepEqual([error.code, error.exit, h.usage.requests], ['AUTHENTICATION_FAILED', 77, 1]);
  }
});

test('a new token that is also refused fails, unless the file has changed again', async (t) => {
  const contents = [FRESH, `${FRESH}-2`, `${FRESH}-3`, `${FRESH}-3`];
  const h = await harness(t, [only('nobody')], { rereadAuth: () => token(contents.shift() ?? '') });
  const error = await h.refusal();
  assert.deepEqual([error.code, h.usage.requests, contents.length], ['PERMISSION_DENIED', 4, 0]);
});

test('no error and no log line holds the old token or the new one', async (t) => {
  const h = await harness(t, [only('nobody')], { rereadAuth: () => token(FRESH) });
  const error = await h.refusal();
  assert.match(error.happened, /unknown token \[secret\]/);
  const all = JSON.stringify([h.logs, error, error.message, String(error.cause)]);
  assert.ok(h.logs.length > 0);
  for (const secret of [TOKEN, FRESH]) assert.ok(!all.includes(secret), secret);
});

test('parallel pages that are refused all go on with the new token', async (t) => {
  const h = await harness(t, [only(FRESH)], { rereadAuth: () => token(FRESH) });
  const pages = await Promise.all([h.ask(), h.ask(), h.ask(), h.ask()]);
  assert.ok(pages.every(({ count }) => count === 1));
  assert.ok(h.usage.requests <= 8);
});

test('a lookup is retried with the new token, and fails when only the old one is there', async (t) => {
  const record = json(200, { success: true, result: { events: [], risk_level: 'low' } });
  const reply: Reply = (request, ...rest) =>
    (request.headers.authorization === `Bearer ${FRESH}` ? record : failed(403, 10000))(request, ...rest);
  const { signal } = new AbortController();
  for (const [rereadAuth, requests] of [
    [() => token(FRESH), 2],
    [() => token(TOKEN), 1],
  ] as const) {
    const h = await harness(t, [reply], { rereadAuth });
    const asked = h.client.lookUpUser({ accountId: ACCOUNT, userId: 'u', signal, countUse: h.countUse });
    if (requests === 2) assert.equal((await asked)?.riskLevel, 'low');
    else assert.equal((await refusalOf(asked)).code, 'LOOKUPS_REFUSED');
    assert.equal(h.usage.requests, requests);
  }
});

test('a request that is refused for another reason is not retried with other credentials', async (t) => {
  for (const reply of [failed(400, 6003), failed(404, 7003), failed(400, 1234)]) {
    let reads = 0;
    const h = await harness(t, [reply], { rereadAuth: () => (reads++, token(FRESH)) });
    await h.refusal();
    assert.deepEqual([h.usage.requests, reads], [1, 0]);
  }
});
