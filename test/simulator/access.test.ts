import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startSimulator } from '../../src/simulator/server.ts';
import { ACCOUNT, ask, askSummary, AUTH, BEARER, KEY, NOON, withSimulator, world } from './ask.ts';

const SUMMARY = `/accounts/${ACCOUNT}/zt_risk_scoring/summary`;

describe('access to the simulator', () => {
  const cases: [string, Record<string, string>, number, number | null][] = [
    ['a token', BEARER, 200, null],
    ['an email and a key', KEY, 200, null],
    ['nothing', {}, 401, 10000],
    ['a wrong token', { Authorization: 'Bearer wrong' }, 403, 10000],
    ['a wrong key', { ...KEY, 'X-Auth-Key': 'deadbeef' }, 403, 10000],
    ['another email', { ...KEY, 'X-Auth-Email': 'eve@example.com' }, 403, 10000],
    ['a key of the wrong shape', { ...KEY, 'X-Auth-Key': 'not a key!' }, 400, 6003],
    ['a key as the token', { Authorization: `Bearer ${AUTH.key}` }, 400, 6003],
    ['another scheme', { Authorization: 'Basic b3BzOng=' }, 400, 6003],
    ['a token as the key', { ...KEY, 'X-Auth-Key': AUTH.token }, 400, 6103],
  ];
  for (const [what, headers, status, code] of cases) {
    it(`answers ${status}${code === null ? '' : ` with code ${code}`} to ${what}`, async () => {
      await withSimulator({}, async (simulator) => {
        const said = await ask(simulator, SUMMARY, headers);
        assert.equal(said.status, status);
        assert.equal(said.body.success, code === null);
        assert.equal(said.body.errors[0]?.code ?? null, code);
        if (code !== null) assert.equal(said.body.result, null);
        const everything = said.text + JSON.stringify([...said.headers]);
        for (const secret of [AUTH.token, AUTH.key]) assert.equal(everything.includes(secret), false);
      });
    });
  }

  it('answers 403 with code 9109 to a token of another account', async () => {
    await withSimulator({ auth: { ...AUTH, accounts: ['f'.repeat(32)] } }, async (simulator) => {
      const said = await askSummary(simulator);
      assert.deepEqual([said.status, said.body.errors[0]?.code], [403, 9109]);
    });
  });

  it('answers 404 with code 7003 for an unknown account, and does not repeat the request', async () => {
    await withSimulator({}, async (simulator) => {
      const said = await ask(simulator, `/accounts/${AUTH.token}/zt_risk_scoring/summary`);
      assert.deepEqual([said.status, said.body.errors[0]?.code], [404, 7003]);
      assert.equal(said.text.includes(AUTH.token), false);
    });
  });

  it('answers 404 to other paths and 405 to other methods', async () => {
    await withSimulator({}, async (simulator) => {
      for (const path of ['/zones', `/accounts/${ACCOUNT}/zt_risk_scoring/nobody`, '//', '/%']) {
        assert.equal((await ask(simulator, path)).status, 404, path);
      }
      assert.equal((await ask(simulator, SUMMARY, BEARER, 'POST')).status, 405);
    });
  });
});

describe('the rate limit', () => {
  it('refuses requests beyond the budget until the simulated window has passed', async () => {
    let now = NOON;
    const rateLimit = { requests: 3, windowSeconds: 300 };
    await withSimulator({ now: () => now, rateLimit }, async (simulator) => {
      const first = await askSummary(simulator);
      assert.equal(first.headers.get('ratelimit'), '"default";r=2;t=300');
      assert.equal(first.headers.get('ratelimit-policy'), '"default";q=3;w=300');
      now = new Date(NOON.getTime() + 100_000);
      await askSummary(simulator);
      assert.equal((await askSummary(simulator)).headers.get('ratelimit'), '"default";r=0;t=200');

      const refused = await askSummary(simulator);
      assert.deepEqual([refused.status, refused.body.errors[0]?.code], [429, 971]);
      assert.equal(refused.headers.get('retry-after'), '200');
      assert.equal((await ask(simulator, SUMMARY, KEY)).status, 200, 'another caller has a separate budget');

      now = new Date(NOON.getTime() + 299_999);
      assert.equal((await askSummary(simulator)).status, 429);
      now = new Date(NOON.getTime() + 300_000);
      assert.equal((await askSummary(simulator)).status, 200);
    });
  });

  it("is Cloudflare's limit by default", async () => {
    await withSimulator({}, async (simulator) => {
      assert.equal((await askSummary(simulator)).headers.get('ratelimit'), null);
    });
    const simulator = await startSimulator({ worlds: world, now: () => NOON, auth: AUTH });
    const said = await ask(simulator, SUMMARY, {});
    await simulator.close();
    assert.equal(said.headers.get('ratelimit-policy'), '"default";q=1200;w=300');
  });
});
