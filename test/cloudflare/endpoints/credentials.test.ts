import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMember, readTokenState } from '../../../src/cloudflare/endpoints/credentials.ts';
import { ACCOUNT, failed, harness, json, refusalOf } from '../../support/api/api-server.ts';

const { signal } = new AbortController();
const STATE = {
  success: true,
  errors: [],
  messages: [],
  result: { id: 'x', status: 'active', expires_on: '2027-01-01T00:00:00Z' },
};

test("asks about a user's token and an account's token at separate addresses, and returns every answer", async (t) => {
  const statuses: number[] = [];
  const h = await harness(t, [failed(401, 1000, 'Invalid API Token'), json(200, STATE)], {
    onAnswer: ({ status }) => void statuses.push(status),
  });
  const error = await refusalOf(h.client.verifyToken({ accountId: null, signal, countUse: h.countUse }));
  assert.equal(error.code, 'AUTHENTICATION_FAILED');
  assert.deepEqual(await h.client.verifyToken({ accountId: ACCOUNT, signal, countUse: h.countUse }), {
    status: 'active',
    expiresOn: '2027-01-01T00:00:00Z',
    notBefore: null,
  });
  assert.deepEqual(
    h.requests.map(({ url }) => url),
    ['/client/v4/user/tokens/verify', `/client/v4/accounts/${ACCOUNT}/tokens/verify`],
  );
  assert.deepEqual(statuses, [401, 200]);
});

test('asks whether a member is suspended, and reads nothing else about the member', async (t) => {
  const member = { success: true, result: { email: 'me@example.com', suspended: true } };
  const h = await harness(t, [json(200, member)], {
    auth: { kind: 'key', email: 'me@example.com', key: 'k'.repeat(37) },
  });
  assert.deepEqual(await h.client.verifyKey({ signal, countUse: h.countUse }), { suspended: true });
  assert.equal(h.requests[0]?.url, '/client/v4/user');
});

test('an answer without credentials is a BAD_ANSWER', async (t) => {
  const h = await harness(t, [json(200, { success: true, result: { users: [] } })]);
  const error = await refusalOf(h.client.verifyToken({ accountId: null, signal, countUse: h.countUse }));
  assert.equal(error.code, 'BAD_ANSWER');
  assert.match(error.happened, /is not an answer about the credentials/);
});

test('a token has a status; dates that cannot be read count as missing', () => {
  const read = (result: unknown) => readTokenState({ success: true, result });
  assert.deepEqual(read({ status: 'expired', expires_on: 'soon', not_before: null }), {
    status: 'expired',
    expiresOn: null,
    notBefore: null,
  });
  for (const result of [{}, { status: 3 }, { status: 'a\u001bb' }, null]) assert.equal(read(result), null);
  assert.equal(readTokenState({ ...STATE, success: false }), null);
  assert.deepEqual(readMember({ success: true, result: {} }), { suspended: false });
  assert.equal(readMember({ success: true, result: null }), null);
});
