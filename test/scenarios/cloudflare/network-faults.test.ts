// What the network before the API may do: lines 6, 7 and 9 of the faults in docs/reliability.md. Each test ends with a
// healthy network, and checks every promise.
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startScenario, type Account, type Scenario } from '../../support/faults/fault-scenario.ts';
import {
  closeAfter,
  cutBody,
  drip,
  failure,
  gzipBomb,
  hangUp,
  huge,
  silence,
  stall,
  truncatedJson,
  wrongLength,
} from '../../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

const MIB = 2 ** 20;

let db: MigratedDatabase;
let scenario: Scenario;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url });
});
after(async () => {
  await scenario.close();
  await db.close();
});

/** An account with a snapshot from a day ago. */
async function yesterdays(): Promise<Account> {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  return account;
}

// 6

test('an unknown DNS name, a closed port, a TLS handshake with a plain HTTP server: exit 75, and the message names the cause', async () => {
  const account = await yesterdays();
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  for (const [baseUrl, cause] of [
    ['http://nowhere.invalid/client/v4', /ENOTFOUND|EAI_AGAIN/],
    [`http://127.0.0.1:${port}/client/v4`, /ECONNREFUSED/],
    [scenario.api.url.href.replace('http:', 'https:'), /SSL|EPROTO|TLS/],
  ] as const) {
    const { error } = await account.fail('NETWORK', 75, { baseUrl: new URL(baseUrl) });
    assert.match(error.happened, cause);
  }
  await account.assertPromises();
});

test('a handshake that is never answered: the connection times out, exit 75', async () => {
  const account = await yesterdays();
  const mute = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as AddressInfo;
  const { error } = await account.fail('NETWORK', 75, {
    baseUrl: new URL(`https://127.0.0.1:${port}/client/v4`),
    timing: { connectMs: 100, maxAttempts: 1 },
  });
  assert.match(error.happened, /TIMEOUT/);
  await new Promise((resolve) => mute.close(resolve));
  await account.assertPromises();
});

test('an API that is down for a moment during a walk: the walk goes on', async () => {
  const account = await yesterdays();
  let away = 0;
  scenario.api.script([]);
  scenario.api.onRequest(async ({ page }) => {
    if (page !== 3 || ++away > 1) return;
    await scenario.api.refuse();
    await scenario.api.listen();
  });
  const ran = await account.succeed({ sleep: 'real', timing: { backoffBaseMs: 20, backoffCapMs: 200 } });
  scenario.api.onRequest(null);
  assert.ok(away > 1);
  assert.ok((ran.facts?.retries ?? 0) > 0);
  await account.assertPromises();
});

test('headers that never arrive, a body that stalls, a body that drips, once each: the page is requested again at its deadline', async () => {
  const account = await yesterdays();
  scenario.api.script([
    { page: 2, nth: 1, fault: silence },
    { page: 3, nth: 1, fault: stall },
    { page: 4, nth: 1, fault: drip(50) },
  ]);
  // Another page may also miss a deadline as short as this one.
  const ran = await account.succeed({ timing: { pageMs: 700, maxTimeouts: 100, maxAttempts: 100 } });
  assert.deepEqual(scenario.api.done(), { silence: 1, stall: 1, drip: 1 });
  assert.ok((ran.facts?.retries ?? 0) >= 3);
  await account.assertPromises();
});

test('timeouts of the headers and of the body have separate names, and fail with exit 75 in the end', async () => {
  const account = await yesterdays();
  // undici checks its timers about once a second.
  for (const [fault, timing, cause] of [
    [silence, { headersMs: 100 }, /UND_ERR_HEADERS_TIMEOUT/],
    [stall, { bodyMs: 100 }, /UND_ERR_BODY_TIMEOUT/],
    [drip(50), { pageMs: 700 }, /PAGE_DEADLINE/],
  ] as const) {
    scenario.api.script([{ page: 3, fault }]);
    const { error } = await account.fail('NETWORK', 75, { timing: { maxTimeouts: 1, ...timing } });
    assert.match(error.happened, cause);
  }
  await account.assertPromises();
});

test('keep-alive connections that close between pages: the run is not affected', async () => {
  const account = await yesterdays();
  scenario.api.script([{ fault: closeAfter }]);
  await account.succeed();
  assert.ok((scenario.api.done()['close after'] ?? 0) > 1);
  await account.assertPromises();
});

// 7

for (const [what, fault] of [
  ['a connection that ends before the answer', hangUp],
  ['a body that is cut in the middle', cutBody()],
  ['a body that is cut before its last byte', cutBody(0.999)],
  ['JSON that ends too early', truncatedJson()],
  ['a body shorter than its stated length', wrongLength(50)],
  ['a body longer than its stated length', wrongLength(-50)],
] as const) {
  test(`${what}: the whole page is requested again, never resumed`, async () => {
    const account = await yesterdays();
    scenario.api.script([
      { page: 1, nth: 1, fault },
      { page: 2, nth: [1, 2], fault },
      { page: 5, nth: 1, fault },
    ]);
    const ran = await account.succeed();
    assert.deepEqual(scenario.api.done(), { [fault.name]: 4 });
    assert.ok((ran.facts?.retries ?? 0) >= 4);
    for (const { headers } of scenario.api.asked()) assert.equal(headers.range, undefined);
    await account.assertPromises();
  });
}

test('a page that is always cut: exit 75, and nothing is published', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 4, fault: cutBody() }]);
  await account.fail('NETWORK', 75);
  scenario.api.script([{ page: 4, fault: truncatedJson() }]);
  await account.fail('BAD_ANSWER', 75);
  await account.assertPromises();
});

for (const seed of [1, 2, 3]) {
  test(`a network that breaks a quarter of all answers in every way (seed ${seed}): one complete snapshot`, async () => {
    const account = await yesterdays();
    const faults = [hangUp, cutBody(0.3), truncatedJson(), wrongLength(20), closeAfter, failure(520, 1000)];
    const rules = faults.flatMap((fault) => [
      { chance: 0.05, fault },
      { kind: 'user' as const, chance: 0.05, fault },
    ]);
    scenario.api.script(rules, seed);
    const ran = await account.succeed();
    assert.ok((ran.facts?.retries ?? 0) > 0);
    await account.assertPromises();
  });
}

// 9

/** By how many megabytes this process' peak memory grew. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) / 1024;
}

test('a body of 2 GB: refused by its stated length, without reading it, exit 1', async () => {
  const account = await yesterdays();
  const grown = await growth(async () => {
    scenario.api.script([{ page: 2, fault: huge(2048 * MIB, true) }]);
    const { error } = await account.fail('BODY_TOO_LARGE', 1);
    assert.match(error.message, /SYNC_PER_PAGE/);
  });
  assert.ok((scenario.api.done()['huge bytes'] ?? 0) < 10 * MIB, 'it was read nevertheless');
  assert.ok(grown < 100, `${grown} MB`);
  await account.assertPromises();
});

test('200 MB of white space without a stated length: read up to the limit and no further', async () => {
  const account = await yesterdays();
  const grown = await growth(async () => {
    scenario.api.script([{ page: 2, fault: huge(200 * MIB, false) }]);
    await account.fail('BODY_TOO_LARGE', 1);
  });
  assert.equal(scenario.api.done()['huge'], 1);
  assert.ok((scenario.api.done()['huge bytes'] ?? 200 * MIB) < 20 * MIB, 'it was read beyond the limit');
  assert.ok(grown < 100, `${grown} MB`);
  await account.assertPromises();
});

test('a body that is too large only for large pages: requested again in smaller pages', async () => {
  const account = await yesterdays();
  scenario.api.script([{ when: ({ perPage }) => perPage > 100, fault: huge(200 * MIB, true) }]);
  await account.succeed();
  assert.ok((scenario.api.done()['huge'] ?? 0) >= 1);
  await account.assertPromises();
});

test('a gzip bomb of 1 GB is not unpacked: exit 75, and memory does not grow', async () => {
  const account = await yesterdays();
  const bomb = gzipBomb(1024);
  const grown = await growth(async () => {
    scenario.api.script([{ page: 3, fault: bomb }]);
    const { error } = await account.fail('BAD_ANSWER', 75);
    assert.match(error.happened, /compressed/);
  });
  assert.ok((scenario.api.done()['gzip bomb'] ?? 0) > 1);
  assert.ok(grown < 100, `${grown} MB`);
  await account.assertPromises();
});

test("one byte at a time, without end: refused at the page's deadline, in bounded memory", async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 2, fault: drip(10) }]);
  const { facts } = await account.fail('NETWORK', 75, { timing: { pageMs: 700, maxTimeouts: 2 } });
  assert.ok((facts?.bytes ?? MIB) < MIB);
  await account.assertPromises();
});
