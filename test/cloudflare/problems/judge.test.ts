import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExchangeError } from '../../../src/cloudflare/failures.ts';
import { createJudge } from '../../../src/cloudflare/problems/judge.ts';
import { isPageSizeRefused, isPageTimeout } from '../../../src/cloudflare/problems/meanings.ts';
import { createCleaner } from '../../../src/cloudflare/quote.ts';
import { parseJson } from '../../../src/cloudflare/responses.ts';
import { OperatorError, type ErrorCode } from '../../../src/errors.ts';
import {
  ACCOUNT,
  failed,
  harness,
  json,
  PAGE,
  RECORD,
  text,
  TOKEN,
  type Reply,
} from '../../support/api/api-server.ts';

const html = (status: number, title = 'Just a moment...') =>
  text(status, `<!DOCTYPE html><html lang="en"><title>${title}</title><script>if(a<b){}</script></html>`, {
    'content-type': 'text/html; charset=UTF-8',
  });

type Row = {
  reply: Reply;
  code: ErrorCode;
  exit: number;
  requests: number;
  says: RegExp[];
  smaller?: boolean;
  slow?: boolean;
};

/** What the edge answers to a request that accepts JSON. */
const problem = (status: number, code: number, title = `Error ${code}: Access denied`) =>
  json(
    status,
    { type: 'about:blank', title, status, error_code: code, cloudflare_error: true, retryable: false },
    { 'content-type': 'application/problem+json', 'cf-ray': '8f0c1d2e3a4b5c6d-FRA' },
  );

const PERMISSION = /Zero Trust: PII Read/;
const rows: Record<string, Row> = {};
const row = (
  name: string,
  reply: Reply,
  code: ErrorCode,
  exit: number,
  requests: number,
  ...says: RegExp[]
) => {
  rows[name] = { reply, code, exit, requests, says };
};

for (const status of [400, 401, 403]) {
  const code = status === 403 ? 'PERMISSION_DENIED' : 'AUTHENTICATION_FAILED';
  row(
    `10000 with ${status}`,
    failed(status, 10000, 'Authentication error'),
    code,
    77,
    1,
    PERMISSION,
    /code 10000/,
  );
  row(
    `9109 with ${status}`,
    failed(status, 9109, 'Invalid access token'),
    code,
    77,
    1,
    PERMISSION,
    /code 9109/,
  );
}
row('10000 with 200', failed(200, 10000), 'AUTHENTICATION_FAILED', 77, 1, PERMISSION);
row('10000 as text', failed(400, '10000' as never), 'AUTHENTICATION_FAILED', 77, 1);
row('401 alone', text(401, ''), 'AUTHENTICATION_FAILED', 77, 1, PERMISSION, /firewall/);
row('403 alone', html(403), 'PERMISSION_DENIED', 77, 1, PERMISSION, /firewall/);
row('403 with another code', failed(403, 4711), 'PERMISSION_DENIED', 77, 1, /code 4711/);
for (const code of [6003, 6103])
  row(`${code}`, failed(400, code), 'KEY_FORMAT', 78, 1, /CLOUDFLARE_API_TOKEN/, /Global API Key/);
row(
  '6103 inside another',
  json(400, {
    success: false,
    errors: [{ code: 5, message: 'x', error_chain: [{ code: 6103, message: 'y' }] }],
  }),
  'KEY_FORMAT',
  78,
  1,
);
for (const status of [400, 404]) {
  row(
    `7003 with ${status}`,
    failed(status, 7003),
    'ACCOUNT_NOT_FOUND',
    78,
    1,
    /CLOUDFLARE_ACCOUNT_ID/,
    new RegExp(ACCOUNT),
  );
}
row('404 alone', html(404), 'ENDPOINT_NOT_FOUND', 78, 1, /CLOUDFLARE_BASE_URL/);
row('404 with another code', failed(404, 7000, 'No route'), 'ENDPOINT_NOT_FOUND', 78, 1, /No route/);
for (const code of [971, 10429, 1015])
  row(`${code}`, failed(429, code), 'RATE_LIMITED', 75, 20, /dashboard/, new RegExp(`code ${code}`));
row('429 alone', text(429, 'slow down'), 'RATE_LIMITED', 75, 20, /dashboard/);
for (const status of [408, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530]) {
  row(`${status}`, html(status), 'CLOUDFLARE_UNAVAILABLE', 75, 6, new RegExp(`status ${status}`));
  rows[status]!.slow = [408, 504, 524].includes(status);
}
row(
  '400 unknown',
  failed(400, 1001, 'per_page too large'),
  'REQUEST_REFUSED',
  1,
  1,
  /code 1001: "per_page too large"/,
);
rows['400 unknown']!.smaller = true;
row('400 without anything', text(400, 'Bad Request'), 'REQUEST_REFUSED', 1, 1, /"Bad Request"/);
rows['400 without anything']!.smaller = true;
row('400 with a record inside', text(400, JSON.stringify(PAGE)), 'REQUEST_REFUSED', 1, 1);
rows['400 with a record inside']!.smaller = true;
row(
  '409',
  failed(409, 1234, 'the moon is in the wrong house'),
  'REQUEST_REFUSED',
  1,
  1,
  /status 409, code 1234: "the moon is in the wrong house"/,
);
row('418', text(418, 'teapot'), 'REQUEST_REFUSED', 1, 1, /status 418/);
for (const status of [413, 414, 416, 422]) {
  row(`${status}`, failed(status, 8000024, 'per_page'), 'REQUEST_REFUSED', 1, 1, /per_page/);
  rows[status]!.smaller = true;
}
row('200 with HTML', html(200), 'BAD_ANSWER', 75, 4, /"Just a moment\.\.\."/);
row('200 with success false', failed(200, 1234, 'odd'), 'BAD_ANSWER', 75, 4, /code 1234: "odd"/);
row('200 with success false, no code', json(200, { success: false }), 'BAD_ANSWER', 75, 4, /did not succeed/);
row(
  '200 without success',
  json(200, { result: PAGE.result }),
  'BAD_ANSWER',
  75,
  4,
  /JSON of an unexpected form/,
);
row(
  '200 with users that are not a list',
  json(200, { success: true, result: { users: 'x' } }),
  'BAD_ANSWER',
  75,
  4,
);
row(
  '200 as text/html',
  text(200, JSON.stringify(PAGE), { 'content-type': 'text/html; charset=utf-8' }),
  'BAD_ANSWER',
  75,
  4,
  /content type text\/html; charset=utf-8, under which JSON is not read/,
);
row(
  '200 with an empty body',
  text(200, '', { 'content-type': 'application/json' }),
  'BAD_ANSWER',
  75,
  4,
  /empty body/,
);
row(
  '200 with truncated JSON',
  text(200, JSON.stringify(PAGE).slice(0, 90), { 'content-type': 'application/json' }),
  'BAD_ANSWER',
  75,
  4,
  /incomplete JSON/,
);
row('204', text(204, ''), 'BAD_ANSWER', 75, 4, /status 204/);
row('206', text(206, JSON.stringify(PAGE)), 'BAD_ANSWER', 75, 4, /status 206/);
for (const status of [301, 302, 303, 307, 308]) {
  row(
    `${status}`,
    text(status, '', { location: `https://login.example.net/x?token=${TOKEN}` }),
    'REDIRECTED',
    78,
    1,
    /login\.example\.net/,
  );
}
row('302 to the same host', text(302, '', { location: '/elsewhere' }), 'REDIRECTED', 78, 1);
row('304', text(304, ''), 'BAD_ANSWER', 75, 4, /not modified.*A cache/);

// The token, and where it is used.
for (const status of [200, 400, 401, 403]) {
  row(
    `9109 from location with ${status}`,
    failed(status, 9109, 'Cannot use the access token from location: 203.0.113.9'),
    'ADDRESS_REFUSED',
    77,
    1,
    /203\.0\.113\.9/,
    /Client IP Address Filtering/,
  );
}
row(
  '10001',
  failed(400, 10001, 'Unable to authenticate request'),
  'AUTHENTICATION_FAILED',
  77,
  1,
  PERMISSION,
);
row('9103', failed(400, 9103, 'Unknown X-Auth-Key or X-Auth-Email'), 'AUTHENTICATION_FAILED', 77, 1);
row('9106', failed(400, 9106, 'Missing X-Auth-Key'), 'AUTHENTICATION_FAILED', 77, 1);
row(
  '403 without a code',
  json(403, { success: false, errors: [{ message: 'Forbidden' }] }),
  'PERMISSION_DENIED',
  77,
  1,
);

// The plan.
for (const [status, code, message] of [
  [403, 10010, 'riskscoring.api.not_entitled'],
  [403, 1000, 'This account is not entitled to use this feature'],
  [400, 12130, 'access.api.error.not_enabled: Access is not enabled. Visit the Access dashboard'],
  [404, 1000, 'This feature is not available on your plan'],
  [403, 10000, 'Only available for Enterprise customers'],
] as const)
  row(
    `the plan lacks it: ${message}`,
    failed(status, code, message),
    'NOT_IN_PLAN',
    78,
    1,
    /Enterprise/,
    new RegExp(ACCOUNT),
  );
row('402', failed(402, 1, 'Payment required'), 'NOT_IN_PLAN', 78, 1);

// The edge.
for (const status of [200, 403, 429, 503]) {
  row(
    `a challenge with ${status}`,
    text(status, '<html><title>Just a moment...</title></html>', {
      'content-type': 'text/html',
      'cf-mitigated': 'challenge',
      'cf-ray': '8f0c1d2e3a4b5c6d-FRA',
    }),
    'CHALLENGED',
    77,
    4,
    /a program cannot pass/,
    /ray 8f0c1d2e3a4b5c6d-FRA/,
  );
}
for (const code of [1005, 1006, 1007, 1008, 1009, 1010, 1012, 1020, 1106])
  row(`${code} as a problem`, problem(403, code), 'BLOCKED', 77, 1, new RegExp(`Error ${code}`), /ray 8f0c/);
row('1020 as text', text(403, 'error code: 1020'), 'BLOCKED', 77, 1, /Error 1020/);
row(
  '1020 as HTML',
  text(403, '<title>Access denied</title><h1>Error <span>1020</span></h1><p>Ray ID: 8f0c</p>', {
    'content-type': 'text/html',
  }),
  'BLOCKED',
  77,
  1,
  /firewall/,
);
row(
  '1015 as a problem',
  problem(429, 1015, 'Error 1015: You are being rate limited'),
  'RATE_LIMITED',
  75,
  20,
  /rule/,
);
row('1015 as text', text(429, 'error code: 1015'), 'RATE_LIMITED', 75, 20, /rate limiting rule/);
row('1003 as text', text(403, 'error code: 1003'), 'ENDPOINT_NOT_FOUND', 78, 1, /CLOUDFLARE_BASE_URL/);
row('1016 as text', text(530, 'error code: 1016'), 'CLOUDFLARE_UNAVAILABLE', 75, 6);
row(
  '502 as a problem',
  json(502, { title: 'Error 502: Bad gateway', cloudflare_error: true }),
  'CLOUDFLARE_UNAVAILABLE',
  75,
  6,
);
row(
  'a page about maintenance',
  html(503, 'Scheduled maintenance'),
  'CLOUDFLARE_UNAVAILABLE',
  75,
  6,
  /Scheduled maintenance/,
);

for (const [name, expected] of Object.entries(rows)) {
  test(`tells the operator what to do about ${name}`, async (t) => {
    const h = await harness(t, [expected.reply], { timing: { maxThrottles: 20 } });
    const error = await h.refusal();
    assert.deepEqual(
      [error.code, error.exit, h.usage.requests],
      [expected.code, expected.exit, expected.requests],
    );
    for (const pattern of expected.says) assert.match(error.message, pattern);
    assert.equal(isPageSizeRefused(error), expected.smaller ?? false);
    assert.equal(isPageTimeout(error), expected.slow ?? false);
    for (const secret of [TOKEN, RECORD.email, RECORD.name]) assert.ok(!error.message.includes(secret));
    for (const part of [error.happened, error.means, error.todo]) assert.doesNotMatch(part, /\.$/);
    assert.ok(error.happened.length < 300 && !/[<>{}]/.test(error.happened), error.happened);
  });
}

test('reads JSON under the content types that proxies give it', async (t) => {
  const types = [
    'text/json',
    'text/plain; charset=utf-8',
    'application/octet-stream',
    'application/vnd.api+json',
    '',
  ];
  for (const type of types) {
    const h = await harness(t, [text(200, JSON.stringify(PAGE), { 'content-type': type })]);
    assert.equal((await h.ask()).count, 1, type);
    assert.equal(h.usage.retries, 0);
  }
});

test('names the variables of the authentication scheme in use', async (t) => {
  const auth = { kind: 'key', email: 'me@example.com', key: 'k'.repeat(37) } as const;
  const key = await (await harness(t, [failed(400, 6003)], { auth })).refusal();
  assert.match(key.todo, /set it as CLOUDFLARE_API_TOKEN/);
  const denied = await (await harness(t, [failed(403, 10000, 'me@example.com')], { auth })).refusal();
  assert.match(denied.todo, /CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY/);
  assert.doesNotMatch(denied.message, /me@example\.com/);
});

test('quotes an error of the API with what it has: a code, a text or both', async (t) => {
  for (const [error, said] of [
    [{ code: 4321, message: 'told so' }, '(status 400, code 4321: "told so")'],
    [{ message: 'told so' }, '(status 400, "told so")'],
    [{ code: 4321 }, '(status 400, code 4321)'],
  ] as const) {
    const h = await harness(t, [json(400, { success: false, errors: [error], messages: [], result: null })]);
    const { code, happened } = await h.refusal();
    assert.equal(code, 'REQUEST_REFUSED');
    assert.ok(happened.includes(said), happened);
  }
});

test('an error of a library is reduced to its code, and its text is kept nowhere', () => {
  const coded = (code: unknown) => Object.assign(new Error(TOKEN), { code });
  for (const [thrown, code] of [
    [coded('ECONNRESET'), 'ECONNRESET'],
    [new Error(TOKEN, { cause: coded('ENOTFOUND') }), 'ENOTFOUND'],
    [coded(TOKEN), 'UNKNOWN'],
    [coded(7), 'UNKNOWN'],
    [TOKEN, 'UNKNOWN'],
    [undefined, 'UNKNOWN'],
  ] as const) {
    const failure = ExchangeError.from(thrown);
    assert.deepEqual([failure.code, failure.said, failure.cause], [code, null, undefined]);
    assert.ok(!failure.message.includes(TOKEN));
  }
});

test('the predicates are false for any other value', () => {
  const other = new OperatorError({ code: 'REQUEST_REFUSED', happened: 'a', means: 'b', todo: 'c' });
  for (const error of [null, undefined, 'x', new Error('x'), other]) {
    assert.equal(isPageSizeRefused(error), false);
    assert.equal(isPageTimeout(error), false);
  }
});

test('quotes one short line without control characters, secrets or addresses', () => {
  const clean = createCleaner([TOKEN, 'a+b@c/d']);
  assert.equal(clean(' a\n\tb\u0000\u001b[31m\u202ec '), 'a b[31mc');
  assert.equal(clean(`x ${TOKEN.slice(0, 9)}\u0000${TOKEN.slice(9)} y`), 'x [secret] y');
  assert.equal(clean(`x ${TOKEN.toLowerCase()} ${encodeURIComponent('a+b@c/d')}`), 'x [secret] [secret]');
  assert.equal(clean('mail ada@example.com now'), 'mail [email] now');
  assert.equal([...clean('😀'.repeat(500))].length, 120);
});

test('never passes on a secret or a record, wherever the server puts it', () => {
  const status = fc.constantFrom(200, 204, 301, 302, 400, 401, 403, 404, 407, 418, 429, 500, 503, 524, 530);
  const code = fc.constantFrom(971, 10000, 9109, 6003, 6103, 7003, 1001, 1015, 10429);
  const noise = fc.string({ maxLength: 30 });
  const secretText = fc
    .tuple(noise, fc.constantFrom(TOKEN, TOKEN.toUpperCase(), RECORD.email, encodeURIComponent(TOKEN)), noise)
    .map((parts) => parts.join(' '));
  const record = { name: RECORD.name, email: RECORD.email };
  const body = fc.oneof(
    secretText,
    fc
      .tuple(code, secretText)
      .map(([n, message]) => JSON.stringify({ success: false, errors: [{ code: n, message }] })),
    secretText.map((message) => `<html><b title="${message}">${message}</b></html>`),
    noise.map((message) => JSON.stringify({ success: true, note: message, result: { users: [record] } })),
    fc.nat(60).map((cut) => JSON.stringify({ result: { users: [record, record] } }).slice(0, -1 - cut)),
  );
  const location = fc.oneof(
    secretText,
    fc.constant(`https://${TOKEN.replaceAll('_', '-')}.example.net/${TOKEN}`),
    fc.constant(`https://${TOKEN}:${TOKEN}@example.net/?${TOKEN}`),
  );
  fc.assert(
    fc.property(status, body, location, fc.constantFrom('token', 'key'), secretText, (...args) => {
      const [answerStatus, text, where, authKind, accountId] = args;
      const judge = createJudge({
        host: `${TOKEN}.example`,
        authKind,
        secrets: [TOKEN, TOKEN.replaceAll('_', '-')],
      });
      const answer = {
        status: answerStatus,
        text,
        body: 'held' as const,
        header: (name: string) => (name === 'location' ? where : null),
      };
      const failures = [
        judge.ofAnswer(answer, parseJson(text), { accountId, subject: 'summary' }),
        judge.ofAnswer(answer, parseJson(text), { accountId, subject: 'user' }),
        judge.ofBadAnswer(answer, 'summary'),
        judge.ofExchange(new ExchangeError('ENOTFOUND')),
        judge.ofExchange(ExchangeError.from(Object.assign(new Error(text), { code: TOKEN }))),
        judge.ofExchange(ExchangeError.from(new Error(`Proxy response (407) ${TOKEN}`))),
      ];
      for (const failure of failures) {
        if (failure === null) continue;
        const { problem } = failure;
        const all = [
          problem.message,
          problem.stack,
          String(problem.cause),
          JSON.stringify(problem),
          failure.message,
        ]
          .join(' ')
          .toLowerCase();
        for (const secret of [TOKEN, TOKEN.replaceAll('_', '-'), RECORD.email, RECORD.name]) {
          assert.ok(!all.includes(secret.toLowerCase()), secret);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
