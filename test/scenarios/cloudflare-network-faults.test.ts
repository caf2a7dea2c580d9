// What the network between us and the API may do: lines 6, 7 and 9 of the faults in docs/reliability.md. Each ends healed, and
// every promise is asserted.
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startScenario, type Account, type Scenario } from '../support/faults/fault-scenario.ts';
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
} from '../support/faults/faults.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

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

/** An account with a history that is a day old. */
async function yesterdays(): Promise<Account> {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  return account;
}

// 6

test('a name that DNS does not know, a port that nobody listens on, a TLS handshake with plain HTTP: exit 75, and the cause is named', async () => {
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
    timing: { connectMs: 100, maxAttempts: 1, pageMs: 10_000 },
  });
  assert.match(error.happened, /TIMEOUT/);
  await new Promise((resolve) => mute.close(resolve));
  await account.assertPromises();
});

test('the API is away for a moment in the middle of a walk: the walk goes on', async () => {
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

test('headers that never come, a body that stalls, a body that drips, each once: the page is asked for again within its deadline', async () => {
  const account = await yesterdays();
  scenario.api.script([
    { page: 2, nth: 1, fault: silence },
    { page: 3, nth: 1, fault: stall },
    { page: 4, nth: 1, fault: drip(50) },
  ]);
  const ran = await account.succeed();
  assert.deepEqual(scenario.api.done(), { silence: 1, stall: 1, drip: 1 });
  assert.equal(ran.facts?.retries, 3);
  await account.assertPromises();
});

test('timeouts of headers and of the body have names of their own, and are given up with exit 75', async () => {
  const account = await yesterdays();
  // undici looks at its timers about once a second.
  for (const [fault, timing, cause] of [
    [silence, { headersMs: 100, pageMs: 10_000 }, /UND_ERR_HEADERS_TIMEOUT/],
    [stall, { bodyMs: 100, pageMs: 10_000 }, /UND_ERR_BODY_TIMEOUT/],
    [drip(50), {}, /PAGE_DEADLINE/],
  ] as const) {
    scenario.api.script([{ page: 3, fault }]);
    const { error } = await account.fail('NETWORK', 75, { timing: { maxTimeouts: 1, ...timing } });
    assert.match(error.happened, cause);
  }
  await account.assertPromises();
});

test('keep-alive connections that are closed between pages: nobody notices', async () => {
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
  ['JSON that breaks off', truncatedJson()],
  ['a body that is shorter than its length', wrongLength(50)],
  ['a body that is longer than its length', wrongLength(-50)],
] as const) {
  test(`${what}: the whole page is fetched again, never resumed`, async () => {
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

test('a page that is cut for ever: exit 75, and nothing is published', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 4, fault: cutBody() }]);
  await account.fail('NETWORK', 75);
  scenario.api.script([{ page: 4, fault: truncatedJson() }]);
  await account.fail('BAD_ANSWER', 75);
  await account.assertPromises();
});

for (const seed of [1, 2, 3]) {
  test(`a network that breaks a quarter of all answers in every way (seed ${seed}): one complete snapshot all the same`, async () => {
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

/** Megabytes that the peak of this process grew by. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) / 1024;
}

test('a body of 2 GB: refused at its stated length without being read, exit 1', async () => {
  const account = await yesterdays();
  const grown = await growth(async () => {
    scenario.api.script([{ page: 2, fault: huge(2048 * MIB, true) }]);
    const { error } = await account.fail('BODY_TOO_LARGE', 1);
    assert.match(error.message, /SYNC_PER_PAGE/);
  });
  assert.ok((scenario.api.done()['huge bytes'] ?? 0) < 10 * MIB, 'it was read all the same');
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

test('a body that is too large only for large pages: asked again with smaller ones', async () => {
  const account = await yesterdays();
  scenario.api.script([{ when: ({ perPage }) => perPage > 100, fault: huge(200 * MIB, true) }]);
  await account.succeed();
  assert.ok((scenario.api.done()['huge'] ?? 0) >= 1);
  await account.assertPromises();
});

test('a gzip bomb of 1 GB is not unpacked: exit 75, and no memory goes to it', async () => {
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

test('one byte at a time, without an end: refused at the deadline of the page, in bounded memory', async () => {
  const account = await yesterdays();
  scenario.api.script([{ page: 2, fault: drip(10) }]);
  const { facts } = await account.fail('NETWORK', 75);
  assert.ok((facts?.bytes ?? MIB) < MIB);
  await account.assertPromises();
});
