import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { compareInstants, readUserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import {
  ACCOUNT,
  failed,
  harness,
  json,
  refusalOf,
  text,
  TOKEN,
  type Reply,
} from '../../support/api/api-server.ts';

const USER = '182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e';
const record = (result: unknown) => ({ success: true, errors: [], messages: [], result });
const event = (timestamp: unknown) => ({ id: 'e', name: 'n', risk_level: 'low', timestamp });

async function look(t: TestContext, replies: readonly Reply[]) {
  const h = await harness(t, replies);
  const asking = h.client.lookUpUser({
    accountId: ACCOUNT,
    userId: USER,
    signal: new AbortController().signal,
    countUse: h.countUse,
  });
  return { h, asking };
}

test('asks for one user, and returns what decides whether the user has a level', async (t) => {
  const { h, asking } = await look(t, [
    json(
      200,
      record({
        email: 'ada@example.com',
        name: 'Ada',
        risk_level: 'high',
        last_reset_time: '2026-10-01T00:00:00Z',
        events: [
          event('2026-11-01T10:00:00.000001Z'),
          event('2026-11-01T12:00:00.000002+01:00'),
          event('never'),
        ],
      }),
    ),
  ]);
  assert.deepEqual(await asking, {
    riskLevel: 'high',
    lastResetTime: '2026-10-01T00:00:00Z',
    newestEvent: '2026-11-01T12:00:00.000002+01:00',
    hasUnreadableEvents: true,
    email: 'ada@example.com',
    name: 'Ada',
  });
  assert.equal(h.requests[0]?.url, `/client/v4/accounts/${ACCOUNT}/zt_risk_scoring/${USER}`);
  assert.equal(h.requests[0]?.headers.authorization, `Bearer ${TOKEN}`);
});

describe('a record', () => {
  const NONE = {
    riskLevel: null,
    lastResetTime: null,
    newestEvent: null,
    hasUnreadableEvents: false,
    email: null,
    name: null,
  };
  const cases: [title: string, json: unknown, read: ReturnType<typeof readUserRecord>][] = [
    ['without any field has no level', record({}), NONE],
    ['with nulls has no level', record({ risk_level: null, last_reset_time: null, events: null }), NONE],
    [
      'with an unknown level has a level',
      record({ risk_level: 'critical' }),
      { ...NONE, riskLevel: 'critical' },
    ],
    ['with a name that is not text has no name', record({ name: 7, email: ['a'] }), NONE],
    [
      'with an event that cannot be read says so',
      record({ events: [event('2026-11-01T10:00:00Z'), null, event(5)] }),
      { ...NONE, newestEvent: '2026-11-01T10:00:00Z', hasUnreadableEvents: true },
    ],
    // Each of these might hide a level, and none of them says that there is no level.
    ['that is null is not an answer', record(null), null],
    ['that is missing is not an answer', { success: true }, null],
    ['that is a list is not an answer', record([]), null],
    ['that failed is not an answer', { ...record({}), success: false }, null],
    ['with a level that is not text is not an answer', record({ risk_level: 3 }), null],
    ['with an empty level is not an answer', record({ risk_level: '' }), null],
    [
      'with a reset time that cannot be read is not an answer',
      record({ last_reset_time: 'yesterday' }),
      null,
    ],
    ['with events that are not a list is not an answer', record({ events: {} }), null],
  ];
  for (const [title, given, read] of cases) test(title, () => assert.deepEqual(readUserRecord(given), read));
});

test('a 404 about the user means that there is no such user, and is not retried', async (t) => {
  const { h, asking } = await look(t, [failed(404, 1002, 'User not found')]);
  assert.equal(await asking, null);
  assert.equal(h.requests.length, 1);
});

test('a refusal by something in front of the API is no refused lookup: it says nothing about users', async (t) => {
  for (const [reply, code] of [
    [text(403, '<title>Just a moment...</title>', { 'cf-mitigated': 'challenge' }), 'CHALLENGED'],
    [text(404, 'error code: 1020'), 'BLOCKED'],
    [failed(403, 9109, 'Cannot use the access token from location: 203.0.113.9'), 'ADDRESS_REFUSED'],
  ] as const) {
    const { asking } = await look(t, [reply]);
    assert.equal((await refusalOf(asking)).code, code);
  }
});

describe('lookups are refused, and not retried,', () => {
  const refusals: [title: string, reply: Reply][] = [
    ['by 403', failed(403, 9109, 'Unauthorized')],
    ['by 401', failed(401, 10000, 'Authentication error')],
    ['by 400', failed(400, 1001, 'Bad request')],
    ['by a 405', failed(405, 7001, 'Method not allowed')],
    ['by a 404 about the address', failed(404, 7000, 'No route for that URI')],
    ['by a 404 about the account', failed(404, 7003, 'Could not route')],
    [
      'by a 404 that the API did not write',
      text(404, '<html>nothing here</html>', { 'content-type': 'text/html' }),
    ],
  ];
  for (const [title, reply] of refusals) {
    test(title, async (t) => {
      const { h, asking } = await look(t, [reply]);
      const error = await refusalOf(asking);
      assert.equal(error.code, 'LOOKUPS_REFUSED');
      assert.match(error.message, /PII Read/);
      assert.equal(h.requests.length, 1);
      assert.ok(!error.message.includes(USER) && !error.message.includes(TOKEN));
    });
  }
});

test('waits out a 429 and an outage as it does for a page', async (t) => {
  const { h, asking } = await look(t, [
    failed(429, 971, 'slow down', { 'retry-after': '7' }),
    failed(503, 1003),
    json(200, record({ risk_level: 'low' })),
  ]);
  assert.equal((await asking)?.riskLevel, 'low');
  assert.equal(h.usage.retries, 2);
  assert.ok(h.slept.includes(7_000));
  for (const { fields } of h.logs) assert.ok(!JSON.stringify(fields).includes(USER), 'an id was logged');
});

test('an answer that is not a record is BAD_ANSWER after a few tries', async (t) => {
  const { h, asking } = await look(t, [json(200, record(null))]);
  const error = await refusalOf(asking);
  assert.deepEqual([error.code, error.exit], ['BAD_ANSWER', 75]);
  assert.match(error.happened, /not a user's record/);
  assert.equal(h.requests.length, 4);
});

test('an outage that does not end fails with the same error as for a page', async (t) => {
  const { asking } = await look(t, [failed(503, 1003)]);
  assert.equal((await refusalOf(asking)).code, 'CLOUDFLARE_UNAVAILABLE');
});

test('compares instants to the last digit, whatever their offsets', () => {
  const instant = fc.record({
    ms: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    digits: fc.integer({ min: 0, max: 999_999 }),
    offset: fc.constantFrom('Z', 'z', '+00:00', '+05:30', '-11:00'),
  });
  const spell = ({ ms, digits, offset }: { ms: number; digits: number; offset: string }) => {
    const minutes = /^[+-]/.test(offset) ? Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4)) : 0;
    const local = ms - (ms % 1000) + minutes * (offset.startsWith('-') ? -60_000 : 60_000);
    const fraction = String(digits).padStart(6, '0').replace(/0+$/, '');
    return `${new Date(local).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}${offset}`;
  };
  fc.assert(
    fc.property(instant, instant, fc.boolean(), (a, other, near) => {
      const b = near ? { ...other, ms: a.ms } : other;
      const micros = (i: typeof a) => BigInt(i.ms - (i.ms % 1000)) * 1000n + BigInt(i.digits);
      const expected = micros(a) < micros(b) ? -1 : micros(a) > micros(b) ? 1 : 0;
      assert.equal(Math.sign(compareInstants(spell(a), spell(b))), expected);
    }),
    { numRuns: 2_000 },
  );
});
