// The fault server that the scenarios use: it passes on what no rule spoils, and spoils the same requests every time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFaultServer, type Rule } from '../../support/faults/fault-server.ts';
import { failure, hangUp } from '../../support/faults/faults.ts';

const USER = '182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e';
const summary = (page: number) => `/accounts/a/zt_risk_scoring/summary?page=${page}&per_page=5`;

test('passes on status, headers and body unchanged, for pages, users and everything else, in both directions', async (t) => {
  const server = await startFaultServer((request, response) => {
    response.writeHead(404, {
      'x-seen': String(request.headers['authorization']),
      ratelimit: '"default";r=1;t=2',
    });
    response.end(request.url);
  });
  t.after(() => server.close());
  server.script([{ page: 9, fault: hangUp }]);
  for (const path of [summary(1), `/accounts/a/zt_risk_scoring/${USER}`, '/user/tokens/verify']) {
    const response = await fetch(server.url.href + path, { headers: { authorization: 'Bearer x' } });
    assert.equal(response.status, 404);
    assert.deepEqual(
      [response.headers.get('x-seen'), response.headers.get('ratelimit')],
      ['Bearer x', '"default";r=1;t=2'],
    );
    assert.equal(await response.text(), `/client/v4${path}`);
  }
  assert.deepEqual(
    server.asked().map(({ kind }) => kind),
    ['summary', 'user', 'other'],
  );
  assert.deepEqual(server.done(), {});
});

test('spoils the same requests for the same script and seed, in whatever order they arrive, and others for another seed', async (t) => {
  const server = await startFaultServer((_request, response) => response.end());
  t.after(() => server.close());
  const rules: Rule[] = [
    { chance: 0.3, fault: failure(503, 1) },
    { chance: 0.3, fault: failure(429, 1) },
  ];
  const pages = Array.from({ length: 40 }, (_, n) => n + 1);
  async function statuses(order: readonly number[], seed: number): Promise<number[]> {
    server.script(rules, seed);
    const answers = await Promise.all(
      order.map(async (page) => [page, (await fetch(server.url.href + summary(page))).status] as const),
    );
    return answers.toSorted(([a], [b]) => a - b).map(([, status]) => status);
  }
  const first = await statuses(pages, 1);
  assert.deepEqual(await statuses(pages.toReversed(), 1), first);
  assert.notDeepEqual(await statuses(pages, 2), first);
  const count = (status: number) => first.filter((one) => one === status).length;
  await statuses(pages, 1);
  assert.deepEqual(server.done(), { 'status 503': count(503), 'status 429': count(429) });
  assert.ok(count(503) > 3 && count(429) > 3 && count(200) > 3);
});

test('counts the nth request for each rule separately', async (t) => {
  const server = await startFaultServer((_request, response) => response.end());
  t.after(() => server.close());
  server.script([
    { nth: [1, 4], fault: failure(500, 1) },
    { page: 2, nth: 2, fault: failure(404, 1) },
    { nth: { from: 5 }, fault: failure(403, 1) },
  ]);
  const statuses: number[] = [];
  for (const page of [2, 2, 1, 1, 1, 2]) statuses.push((await fetch(server.url.href + summary(page))).status);
  assert.deepEqual(statuses, [500, 404, 200, 500, 403, 403]);
  server.heal();
  assert.equal((await fetch(server.url.href + summary(1))).status, 200);
});
