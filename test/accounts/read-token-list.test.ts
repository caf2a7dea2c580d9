// The list of accounts that the token sees, read from the simulated API in all the ways in which it may answer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { doubtOf, listedAccounts, readTokenList } from '../../src/accounts/read-token-list.ts';
import { createCloudflareClient, type CloudflareClient } from '../../src/cloudflare/client.ts';
import { simulatedAccounts } from '../../src/simulator/account-listing.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { startFaultServer, type FaultServer } from '../support/faults/fault-server.ts';
import { AUTH, NOON, world } from '../simulator/ask.ts';

const logger = { debug() {}, info() {}, warn() {} };
const signal = new AbortController().signal;
let simulator: Simulator;
let api: FaultServer;
let client: CloudflareClient;
before(async () => {
  simulator = await startSimulator({ worlds: world, now: () => NOON, auth: AUTH, rateLimit: null });
  api = await startFaultServer(new URL(simulator.url));
  client = createCloudflareClient({
    baseUrl: api.url,
    auth: { kind: 'token', token: AUTH.token },
    logger,
    limit: null,
    sleep: async () => undefined,
  });
});
after(async () => {
  await client.close();
  await api.close();
  await simulator.close();
});

const idsOf = (count: number) => simulatedAccounts('5e1f0000000000000000000000000001', count, 7);
const serve = (count: number, ...faults: Fault[]) => {
  simulator.setAccounts(idsOf(count));
  simulator.setFaults(faults);
};
const sorted = (ids: readonly string[]) => ids.toSorted();

for (const [faults, why] of [
  [[], 'as documented'],
  [['no-totals'], 'without totals'],
  [['no-info'], 'without result_info'],
  [['everything'], 'all accounts in every answer'],
  [['refuse-above-25'], 'at most 25 a page'],
  [['refuse-per-page'], 'no size of pages at all'],
  [['refuse-beyond'], 'a refusal beyond the end'],
  [['flaky', 'throttle'], 'errors in between'],
  [['text-plain'], 'another content type'],
] as [Fault[], string][]) {
  test(`a list is read to its end: ${why}`, async () => {
    for (const count of [1, 20, 49, 50, 51, 137, 1_000]) {
      serve(count, ...faults);
      const { ids, isComplete, problem } = await readTokenList(client, { signal });
      assert.deepEqual(
        [sorted(ids), isComplete, problem],
        [sorted(idsOf(count)), true, null],
        `${count} accounts`,
      );
    }
  });
}

test('a list is incomplete if page is ignored, unless the totals say that there is only one page', async () => {
  serve(30, 'ignore-page');
  assert.equal((await readTokenList(client, { signal })).isComplete, true);
  serve(50, 'ignore-page', 'no-info');
  const full = await readTokenList(client, { signal });
  assert.deepEqual(
    [full.ids.length, full.isComplete, full.problem?.code],
    [50, false, 'ACCOUNTS_INCOMPLETE'],
  );
  serve(120, 'ignore-page');
  const cut = await readTokenList(client, { signal });
  assert.deepEqual([cut.ids.length, cut.isComplete, cut.problem?.code], [50, false, 'ACCOUNTS_INCOMPLETE']);
  assert.doesNotMatch(cut.problem?.message ?? '', /user|SYNC_PER_PAGE/);
});

test('a list that moves while it is read is never called complete with an account missing', async () => {
  for (const count of [60, 137, 420]) {
    serve(count, 'drift');
    const { ids, isComplete } = await readTokenList(client, { signal });
    assert.ok(new Set(ids).isSubsetOf(new Set(idsOf(count))));
    if (isComplete) assert.deepEqual(sorted(ids), sorted(idsOf(count)));
  }
});

test('an empty list is never complete, and its problem names the permission', async () => {
  serve(5, 'no-accounts');
  const { ids, isComplete, problem } = await readTokenList(client, { signal });
  assert.deepEqual([ids, isComplete, problem?.code, problem?.exit], [[], false, 'ACCOUNTS_NOT_LISTED', 77]);
  assert.match(problem?.todo ?? '', /Account Settings: Read/);
  serve(5, 'no-list');
  const refused = await readTokenList(client, { signal });
  assert.deepEqual([refused.problem?.code, refused.problem?.exit], ['PERMISSION_DENIED', 77]);
  assert.match(refused.problem?.todo ?? '', /Account Settings: Read.*CLOUDFLARE_ACCOUNT_ID_FILE/);
  await assert.rejects(listedAccounts(client, { signal }), { code: 'PERMISSION_DENIED' });
});

test('accounts that were read before the API failed are kept, and the reading is not trusted', async () => {
  serve(300);
  let asked = 0;
  api.onRequest(() => {
    if ((asked += 1) === 4) simulator.setFaults(['unavailable']);
  });
  const { ids, isComplete, problem } = await readTokenList(client, { signal });
  api.onRequest(null);
  assert.deepEqual([isComplete, problem?.code], [false, 'CLOUDFLARE_UNAVAILABLE']);
  assert.ok(ids.length >= 50 && ids.length < 300 && new Set(ids).isSubsetOf(new Set(idsOf(300))));
  const problems: string[] = [];
  simulator.setFaults(['ignore-page']);
  const some = await listedAccounts(client, { signal }, ({ code }) => problems.push(code));
  assert.deepEqual([some.length, problems], [50, ['ACCOUNTS_INCOMPLETE']]);
});

test('two readings that agree are complete without a total, but never below a stated one', () => {
  const facts = { records: 3, unusable: 0, totalLast: null, totalsMoved: false, oneResponse: false };
  const met = new Set(['a', 'b', 'c']);
  assert.match(doubtOf({ ...facts, met }, null), /states no total/);
  assert.match(doubtOf({ ...facts, met }, new Set(['a', 'b'])), /states no total/);
  assert.equal(doubtOf({ ...facts, met }, new Set(met)), '');
  assert.match(doubtOf({ ...facts, met, totalLast: 4 }, new Set(met)), /states 4 accounts, and shows 3/);
  assert.match(doubtOf({ ...facts, met, unusable: 1 }, new Set(met)), /no id/);
});

test('an id in capitals is read in small letters', async () => {
  simulator.setAccounts(['AB'.repeat(16)]);
  simulator.setFaults([]);
  assert.deepEqual((await readTokenList(client, { signal })).ids, ['ab'.repeat(16)]);
});
