import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { test } from 'node:test';
import { createCloudflareClient } from '../../src/cloudflare/client.ts';
import { collectRecords } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { VERSION } from '../../src/version.ts';
import {
  ACCOUNT,
  failed,
  harness,
  json,
  PAGE,
  RECORD,
  refusalOf,
  text,
  TOKEN,
  type Reply,
} from '../support/api/api-server.ts';

const hold: Reply = () => {};

test('asks for a page with the token, and returns the page and its cost', async (t) => {
  const h = await harness(t, [json(200, PAGE)]);
  const bytes = Buffer.byteLength(JSON.stringify(PAGE));
  const { users, ...page } = await h.ask();
  assert.deepEqual(page, {
    content: [RECORD],
    count: 1,
    info: PAGE.result_info,
    bytes,
    unknownFields: [],
  });
  assert.match(users, /^1:/);
  assert.deepEqual(h.usage, { requests: 1, retries: 0, bytes });
  const { url, headers } = h.requests[0]!;
  assert.equal(url, `/client/v4/accounts/${ACCOUNT}/zt_risk_scoring/summary?page=2&per_page=50`);
  assert.equal(headers.authorization, `Bearer ${TOKEN}`);
  assert.equal(headers['user-agent'], `zt-risk-sync/${VERSION}`);
  assert.equal(headers.accept, 'application/json');
  assert.equal(headers['accept-encoding'], undefined);
  assert.equal(headers['x-auth-key'], undefined);
});

test('authenticates with email and key', async (t) => {
  const h = await harness(t, [json(200, PAGE)], {
    auth: { kind: 'key', email: 'me@example.com', key: 'k'.repeat(37) },
  });
  await h.ask();
  const { headers } = h.requests[0]!;
  assert.equal(headers['x-auth-email'], 'me@example.com');
  assert.equal(headers['x-auth-key'], 'k'.repeat(37));
  assert.equal(headers.authorization, undefined);
});

test('joins the path to the base URL, with or without slashes, and escapes the account', async (t) => {
  const h = await harness(t, [json(200, PAGE)]);
  for (const path of [h.baseUrl.origin, '/', '/client/v4', '/client/v4/', '/a/b//']) {
    const client = createCloudflareClient({
      baseUrl: new URL(path, h.baseUrl),
      auth: { kind: 'token', token: TOKEN },
      logger: { debug() {}, info() {}, warn() {} } as never,
    });
    const { signal } = new AbortController();
    await client.summaryPage({
      accountId: 'a/b?c',
      page: 1,
      perPage: 5,
      signal,
      countUse: h.countUse,
      openReader: collectRecords,
    });
    await client.close();
  }
  const tail = 'accounts/a%2Fb%3Fc/zt_risk_scoring/summary?page=1&per_page=5';
  assert.deepEqual(
    h.requests.map(({ url }) => url),
    [`/${tail}`, `/${tail}`, `/client/v4/${tail}`, `/client/v4/${tail}`, `/a/b/${tail}`],
  );
});

test('waits after a 429 as long as Retry-After says, and asks for the same page', async (t) => {
  const h = await harness(t, [failed(429, 971, 'slow', { 'retry-after': '17' }), json(200, PAGE)]);
  assert.equal((await h.ask()).count, 1);
  assert.deepEqual(h.slept, [17_000]);
  assert.equal(h.requests[0]!.url, h.requests[1]!.url);
  assert.deepEqual([h.usage.requests, h.usage.retries], [2, 1]);
});

test("compares a Retry-After date with the server's clock, even if that clock is an hour off", async (t) => {
  for (const hoursOff of [-1, 0, 1]) {
    const now = Date.parse('2026-11-01T00:00:00Z') + hoursOff * 3_600_000;
    const [date, until] = [now, now + 42_000].map((at) => new Date(at).toUTCString());
    const headers = { 'retry-after': until, date };
    const h = await harness(t, [failed(429, 10429, 'slow', headers), json(200, PAGE)]);
    await h.ask();
    assert.deepEqual(h.slept, [42_000], `${hoursOff} h`);
  }
});

test('waits through a whole block of five minutes, and caps an absurd Retry-After at that', async (t) => {
  for (const seconds of ['300', '86400']) {
    const headers = { 'retry-after': seconds };
    const h = await harness(t, [failed(429, 1015, 'slow', headers), json(200, PAGE)]);
    await h.ask();
    assert.deepEqual(h.slept, [300_000]);
  }
});

test('a header that appears twice with different values says nothing about the wait', async (t) => {
  const twice = { 'retry-after': ['17', '290'], ratelimit: '"default";r=0;t=9' };
  const h = await harness(t, [failed(429, 971, 'slow', twice), json(200, PAGE)]);
  await h.ask();
  assert.deepEqual(h.slept, [9_000]);
});

test('waits until the budget resets if Retry-After is missing or in the past', async (t) => {
  const past = { 'retry-after': 'Sun, 01 Nov 2020 09:00:00 GMT' };
  for (const headers of [{}, past]) {
    const h = await harness(t, [
      text(429, 'slow', { ...headers, ratelimit: '"default";r=0;t=9' }),
      json(200, PAGE),
    ]);
    await h.ask();
    assert.deepEqual(h.slept, [9_000]);
  }
});

test('treats a throttle code as a 429, whatever the status', async (t) => {
  const h = await harness(t, [failed(200, 971), failed(400, 10429), failed(403, 1015), json(200, PAGE)]);
  await h.ask();
  assert.equal(h.usage.retries, 3);
});

test('waits through a block of five minutes that is announced one second at a time, and otherwise fails with RATE_LIMITED', async (t) => {
  const slow = failed(429, 971, 'slow', { 'retry-after': '1' });
  const patient = await harness(t, [...Array<Reply>(300).fill(slow), json(200, PAGE)]);
  assert.equal((await patient.ask()).count, 1);
  const h = await harness(t, [slow], { timing: { maxThrottles: 3 } });
  const error = await h.refusal();
  assert.deepEqual([error.code, error.exit, h.usage.requests], ['RATE_LIMITED', 75, 3]);
});

test("a 429 also holds back the client's other requests", async (t) => {
  const waits: number[] = [];
  const h = await harness(t, [failed(429, 971, 'slow', { 'retry-after': '30' }), json(200, PAGE)], {
    sleep: (ms, signal) => {
      waits.push(ms);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    },
  });
  const stop = new AbortController();
  const asked = [h.ask(stop.signal)];
  while (waits.length === 0) await after(1);
  asked.push(h.ask(stop.signal));
  while (waits.length === 1) await after(1);
  stop.abort(new Error('enough'));
  for (const promise of asked) await assert.rejects(promise, /enough/);
  assert.deepEqual(waits, [30_000, 30_000]);
  assert.equal(h.requests.length, 1);
});

test('slows down when little of the budget remains', async (t) => {
  const low = { ratelimit: '"default";r=432;t=193', 'ratelimit-policy': '"default";q=1200;w=300' };
  const h = await harness(t, [json(200, PAGE, low)]);
  await h.ask();
  await h.ask();
  assert.deepEqual(h.slept, [1_000]);
  assert.ok(h.logs.some(({ message }) => message === 'request paced'));
});

test('backs off with full jitter between failures, and after a 429 that does not say how long to wait', async (t) => {
  const date = 'Sun, 01 Nov 2026 09:00:00 GMT';
  const past = { date, 'retry-after': 'Sun, 01 Nov 2026 08:59:00 GMT' };
  for (const reply of [text(503, 'down'), failed(429, 1015), failed(429, 971, 'slow', past)]) {
    const timing = { backoffBaseMs: 100, backoffCapMs: 400, maxThrottles: 6 };
    const h = await harness(t, [reply], { timing });
    await h.refusal();
    assert.equal(h.slept.length, 5);
    // Whole milliseconds, rounded up: two waits may be equal, but not all.
    const bounds = [100, 200, 400, 400, 400];
    for (const [index, ms] of h.slept.entries()) assert.ok(ms >= 0 && ms <= bounds[index]!, `${ms}`);
    assert.ok(new Set(h.slept).size > 1);
  }
});

test('asks for the same page again after an answer that is not a page', async (t) => {
  for (const reply of [
    text(200, '<title>Checking your browser</title>', { 'content-type': 'text/html' }),
    failed(200, 1000, 'try later'),
    text(200, JSON.stringify(PAGE), { 'content-type': 'text/html' }),
  ]) {
    const h = await harness(t, [reply, json(200, PAGE)]);
    assert.equal((await h.ask()).count, 1);
    assert.equal(h.requests[0]!.url, h.requests[1]!.url);
    assert.deepEqual([h.usage.requests, h.usage.retries], [2, 1]);
  }
});

test('follows no redirect: the host that it names is never asked', async (t) => {
  const elsewhere = await harness(t, [json(200, PAGE)]);
  for (const status of [301, 302, 303, 307, 308]) {
    const location = `${elsewhere.baseUrl.origin}/login?next=x`;
    const h = await harness(t, [text(status, '', { location })]);
    const error = await h.refusal();
    assert.deepEqual([error.code, error.exit], ['REDIRECTED', 78]);
    assert.ok(error.message.includes(elsewhere.baseUrl.host));
    assert.equal(h.usage.retries, 0);
  }
  assert.deepEqual(elsewhere.requests, []);
});

test('honours the Retry-After of a 503', async (t) => {
  const h = await harness(t, [text(503, 'down', { 'retry-after': '5' }), json(200, PAGE)]);
  await h.ask();
  assert.deepEqual(h.slept, [5_000]);
});

test('rejects at once with the abort reason when aborted before, during and between requests', async (t) => {
  const reason = new Error('time budget');
  const h = await harness(t, [json(200, PAGE)]);
  await assert.rejects(h.ask(AbortSignal.abort(reason)), reason);
  assert.equal(h.usage.requests, 0);

  const during = await harness(t, [hold]);
  const stop = new AbortController();
  const asked = during.ask(stop.signal);
  while (during.requests.length === 0) await after(1);
  stop.abort(reason);
  await assert.rejects(asked, reason);
  assert.equal(during.usage.requests, 1);

  for (const reply of [
    text(503, 'down', { 'retry-after': '60' }),
    text(429, 'slow', { 'retry-after': '60' }),
  ]) {
    const real = await harness(t, [reply]);
    const client = createCloudflareClient({
      baseUrl: real.baseUrl,
      auth: { kind: 'token', token: TOKEN },
      logger: { debug() {}, info() {}, warn() {} } as never,
    });
    t.after(() => client.close());
    const sleeping = new AbortController();
    const started = performance.now();
    const promise = client.summaryPage({
      accountId: ACCOUNT,
      page: 1,
      perPage: 5,
      signal: sleeping.signal,
      countUse: real.countUse,
      openReader: collectRecords,
    });
    while (real.usage.retries === 0) await after(1);
    await after(20);
    sleeping.abort(reason);
    await assert.rejects(promise, reason);
    assert.ok(performance.now() - started < 5_000);
  }
});

test('leaves no listener on an abort signal that outlives many pages', async (t) => {
  const h = await harness(t, [json(200, PAGE)]);
  const run = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = run.signal;
  run.signal.addEventListener = (...args: unknown[]) => {
    listeners += 1;
    return addEventListener.apply(run.signal, args as never);
  };
  run.signal.removeEventListener = (...args: unknown[]) => {
    listeners -= 1;
    return removeEventListener.apply(run.signal, args as never);
  };
  for (let page = 0; page < 50; page++) await h.ask(run.signal);
  assert.equal(listeners, 0);
});

test('closing the client fails the requests under way', async (t) => {
  const h = await harness(t, [hold]);
  const asked = h.ask();
  const rejected = assert.rejects(asked);
  while (h.requests.length === 0) await after(1);
  await h.client.close();
  await rejected;
  assert.equal(h.usage.retries, 0);
});

test('logs no personal data and no secrets', async (t) => {
  const cut: Reply = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(PAGE).slice(0, -10));
  };
  const h = await harness(t, [cut, failed(500, 1, `${RECORD.email} ${TOKEN}`), cut]);
  const error = await refusalOf(h.ask());
  const all = JSON.stringify([h.logs, error, error.message, String(error.cause)]);
  assert.ok(h.logs.length > 0);
  for (const secret of [TOKEN, RECORD.email, RECORD.name, 'Ada']) assert.ok(!all.includes(secret), secret);
});
