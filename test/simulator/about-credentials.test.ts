import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Credentials } from '../../src/simulator/credentials.ts';
import { ACCOUNT, ask, askSummary, AUTH, BEARER, KEY, withSimulator } from './ask.ts';

const USER = '/user/tokens/verify';
const OWNED = `/accounts/${ACCOUNT}/tokens/verify`;

async function said(auth: Partial<Credentials>, path: string, headers: Record<string, string> = BEARER) {
  let answer: unknown[] = [];
  await withSimulator({ auth: { ...AUTH, ...auth } }, async (simulator) => {
    const { status, body, text } = await ask(simulator, path, headers);
    assert.equal(text.includes(AUTH.token) || text.includes(AUTH.key), false);
    answer = [status, body.errors[0]?.code ?? (body.result as { status?: string } | null)?.status ?? null];
  });
  return answer;
}

it("knows a token only at its owner's address", async () => {
  assert.deepEqual(await said({}, USER), [200, 'active']);
  assert.deepEqual(await said({}, OWNED), [401, 1000]);
  assert.deepEqual(await said({ tokenOwner: 'account' }, USER), [401, 1000]);
  assert.deepEqual(await said({ tokenOwner: 'account' }, OWNED), [200, 'active']);
  const elsewhere = { tokenOwner: 'account', accounts: ['f'.repeat(32)] } as const;
  assert.deepEqual(await said(elsewhere, OWNED), [401, 1000]);
});

it('says that a token is disabled or expired, and refuses it everywhere', async () => {
  for (const tokenStatus of ['disabled', 'expired'] as const) {
    assert.deepEqual(await said({ tokenStatus }, USER), [200, tokenStatus]);
    await withSimulator({ auth: { ...AUTH, tokenStatus } }, async (simulator) => {
      assert.equal((await askSummary(simulator)).status, 403);
    });
  }
});

it('tells a member about themselves by email and key, and not by a token', async () => {
  assert.deepEqual(await said({}, '/user', KEY), [200, null]);
  assert.deepEqual(await said({}, '/user'), [403, 9109]);
  assert.deepEqual(await said({}, USER, KEY), [400, 1001]);
  assert.deepEqual(await said({}, USER, { Authorization: 'Bearer wrong' }), [403, 10000]);
});
