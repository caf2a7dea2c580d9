// What bodies too large to hold in memory cost, and where they are refused.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { uuidOf } from '../support/world/random-world.ts';
import { ACCOUNT, harness, listen, refusalOf } from '../support/api/api-server.ts';
import { ask, MIB, repeated, sending, users } from '../support/api/large-bodies.ts';

async function grown(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) / 1024;
}

const oneLongRecord = function* () {
  yield '{"success":true,"result":{"users":[{"user_id":"a","name":"';
  yield* repeated('x', 200 * MIB);
};
const longEnvelope = function* () {
  yield '{"success":true,"messages":["';
  yield* repeated('x', 200 * MIB);
};
const manyRecords = function* () {
  yield '{"success":true,"result":{"users":[7';
  yield* repeated(',{"user_id":"a"}', 200 * MIB);
};

for (const [title, pieces, code, said, extra] of [
  ['30 MB of opening brackets', () => repeated('[', 30 * MIB), 'BAD_ANSWER', /not JSON/, {}],
  ['30 MB of opening braces', () => repeated('{"a":', 30 * MIB), 'BAD_ANSWER', /not JSON/, {}],
  ['one record of 200 MB', oneLongRecord, 'BODY_TOO_LARGE', /a record of more than 1 MiB/, {}],
  ['200 MB outside the records', longEnvelope, 'BODY_TOO_LARGE', /more than 1 MiB besides its records/, {}],
  ['endless white space', () => repeated(' ', 200 * MIB), 'BODY_TOO_LARGE', /besides its records/, {}],
  [
    'more than any summary',
    manyRecords,
    'BODY_TOO_LARGE',
    /longer than the limit/,
    { bodyLimits: { summaryBytes: 20 * MIB } },
  ],
] as const) {
  test(`${title}: refused as ${code} before the whole body has arrived, in little memory`, async (t: TestContext) => {
    const h = await harness(t, [(...args) => sending(pieces())(...args)], extra);
    const megabytes = await grown(async () => {
      const error = await refusalOf(ask(h, () => ({ add() {}, end() {} })));
      assert.equal(error.code, code);
      assert.match(error.happened, said);
    });
    const bytes = h.usage.bytes / h.usage.requests;
    assert.ok(bytes < 21 * MIB, `${bytes} bytes`);
    assert.ok(megabytes < 100, `${megabytes} MB`);
  });
}

test("a user's own record is held in memory, and refused when it is too long", async (t) => {
  const h = await harness(t, [(...args) => sending(repeated(' ', 200 * MIB))(...args)]);
  const { signal } = new AbortController();
  const error = await refusalOf(
    h.client.lookUpUser({ accountId: ACCOUNT, userId: 'a', signal, countUse: h.countUse }),
  );
  assert.equal(error.code, 'BODY_TOO_LARGE');
  assert.ok(h.usage.bytes < 18 * MIB);
});

const CHILD = `
const { createCloudflareClient } = await import(process.argv[1]);
const held = process.argv[3] === 'held';
const client = createCloudflareClient({
  baseUrl: new URL(process.argv[2]), auth: { kind: 'token', token: 't'.repeat(40) },
  logger: { debug() {}, info() {}, warn() {} }, ...(held ? { bodyLimits: { heldBytes: 2 ** 30 } } : {}),
});

const countUse = () => undefined;
const { signal } = new AbortController();
const page = (accountId) => client.summaryPage({
  accountId, page: 1, perPage: 5, signal, countUse, openReader: () => ({ add() {}, end() {} }),
});
await page('small');
const before = process.resourceUsage().maxRSS;
const cpu = process.cpuUsage();
const { count, bytes } = await page('large');
const { user, system } = process.cpuUsage(cpu);
const grown = (process.resourceUsage().maxRSS - before) / 1024;
console.log(JSON.stringify({ count, bytes, grown, microseconds: (user + system) / count }));
await client.close();
`;

test('200,000 users in one answer are read in a few megabytes', async (t) => {
  const baseUrl = await listen(t, (request, response) => {
    const count = request.url!.includes('/large/') ? 200_000 : 10;
    const body = function* () {
      yield '{"success":true,"errors":[],"messages":[],"result":{"users":[';
      for (let n = 0; n < count; n += 1_000) {
        const some = users(Math.min(1_000, count - n)).map((one, at) =>
          JSON.stringify({
            ...one,
            user_id: uuidOf(`user ${n + at}`),
            email: `${'x'.repeat(60)}@example.com`,
          }),
        );
        yield (n === 0 ? '' : ',') + some.join(',');
      }
      yield `]},"result_info":{"total_count":${count}}}`;
    };
    sending(body())(request, response, 0);
  });
  const client = new URL('../../src/cloudflare/client.ts', import.meta.url).href;
  const read = async (how: 'held' | 'streamed') => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      CHILD,
      client,
      String(baseUrl),
      how,
    ]);
    return JSON.parse(stdout) as { count: number; bytes: number; grown: number; microseconds: number };
  };
  const [streamed, held] = [await read('streamed'), await read('held')];
  t.diagnostic(JSON.stringify({ streamed, held }));
  assert.deepEqual([streamed.count, streamed.bytes], [held.count, held.bytes]);
  assert.ok(streamed.grown < 60, `${streamed.grown} MB`);
  assert.ok(held.grown > 2 * streamed.grown, `${held.grown} MB when the body is held`);
});
