// The simulated list of accounts: its pages, its limits and its faults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedAccounts } from '../../src/simulator/account-listing.ts';
import { ask, ACCOUNT, AUTH, withSimulator } from './ask.ts';

const ids = simulatedAccounts(ACCOUNT, 120, 5);
type Listed = {
  result: { id: string }[];
  result_info: { page: number; per_page: number; total_count: number };
};

test('has well-formed ids that follow from the seed', () => {
  assert.equal(new Set(ids).size, 120);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
  assert.deepEqual(simulatedAccounts(ACCOUNT, 120, 5), ids);
  assert.notDeepEqual(simulatedAccounts(ACCOUNT, 120, 6), ids);
});

test('serves the list over its pages, 20 by default and 50 at most, to credentials that may see it', async () => {
  await withSimulator({ accountIds: ids }, async (simulator) => {
    const page = async (query: string) =>
      (await ask(simulator, `/accounts${query}`)).body as unknown as Listed;
    assert.deepEqual((await page('')).result_info.per_page, 20);
    const pages = await Promise.all([1, 2, 3].map((n) => page(`?page=${n}&per_page=1000`)));
    assert.deepEqual(
      pages.flatMap(({ result }) => result.map(({ id }) => id)),
      ids,
    );
    assert.deepEqual((await page('?page=4&per_page=50')).result, []);
    simulator.setFaults(['no-list']);
    assert.equal((await ask(simulator, '/accounts')).status, 403);
    simulator.setFaults(['no-accounts']);
    assert.deepEqual((await page('')).result, []);
    simulator.setFaults([]);
    simulator.setAuth({ ...AUTH, accounts: ids.slice(0, 3) });
    assert.equal((await page('')).result_info.total_count, 3);
  });
});
