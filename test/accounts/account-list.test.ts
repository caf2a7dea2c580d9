// The list of accounts over time: a file that people edit, and the list of the token, with all that can go wrong.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { readAccountFile } from '../../src/account-file.ts';
import { createAccountList } from '../../src/accounts/account-list.ts';
import type { ListReading } from '../../src/accounts/reading.ts';
import { readTokenList } from '../../src/accounts/read-token-list.ts';
import { createCloudflareClient, type CloudflareClient } from '../../src/cloudflare/client.ts';
import { createLogger } from '../../src/logger.ts';
import { simulatedAccounts } from '../../src/simulator/account-listing.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { AUTH, NOON, world } from '../simulator/ask.ts';

type Line = { level: string; message: string; count?: number; account_ids?: string[]; error_code?: string };
const AT_ONCE = { freshMs: 0, retryMs: 0, longestRetryMs: 0 };
const idsOf = (count: number) => simulatedAccounts('5e1f0000000000000000000000000001', count, 3);
const logs: Line[] = [];
const logger = createLogger({
  level: 'info',
  secrets: [],
  pretty: false,
  destination: { write: (line: string) => logs.push(JSON.parse(line) as Line) },
});
let folder: string;
let simulator: Simulator;
let client: CloudflareClient;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-list-'));
  simulator = await startSimulator({ worlds: world, now: () => NOON, auth: AUTH, rateLimit: null });
  const auth = { kind: 'token', token: AUTH.token } as const;
  const baseUrl = new URL(simulator.url);
  client = createCloudflareClient({ baseUrl, auth, logger, limit: null, sleep: async () => undefined });
});
beforeEach(() => void logs.splice(0));
after(async () => {
  await client.close();
  await simulator.close();
  await rm(folder, { recursive: true });
});

let slots = 0;
const nextSlot = () => ({ at: new Date((slots += 1) * 3_600_000) });

function fromFile(first: readonly string[], only: readonly string[] | null = null) {
  const file = path.join(folder, 'accounts');
  const list = createAccountList({
    source: { kind: 'file', read: () => readAccountFile(file) },
    first,
    only: only && new Set(only),
    logger,
    onChange: () => assert.fail('a file is read while the scheduler looks'),
    timing: AT_ONCE,
  });
  return { list, write: (text: string) => writeFile(file, text), remove: () => rm(file, { force: true }) };
}

function fromToken() {
  let reading: Promise<ListReading> | null = null;
  let changes = 0;
  const list = createAccountList({
    source: {
      kind: 'token',
      read: () => (reading = readTokenList(client, { signal: new AbortController().signal })),
    },
    first: [],
    only: null,
    logger,
    onChange: () => void (changes += 1),
    timing: AT_ONCE,
  });
  return {
    list,
    changes: () => changes,
    /** Runs one slot, to the end of the reading that it begins. */
    async slot(accountIds: readonly string[], ...faults: Fault[]): Promise<ListReading> {
      simulator.setAccounts(accountIds);
      simulator.setFaults(faults);
      reading = null;
      list.refresh(nextSlot());
      assert.ok(reading !== null, 'a slot reads the list');
      const read = await (reading as Promise<ListReading>);
      // The list uses the reading in the next turn of the event loop.
      await new Promise(setImmediate);
      return read;
    },
  };
}

const said = (message: RegExp) => logs.filter((line) => message.test(line.message));

test('the file is read again at each slot, and each change is reported once, with the ids', async () => {
  const [a, b, c] = idsOf(3) as [string, string, string];
  const { list, write } = fromFile([a, b]);
  await write(`${a}\n${b}\n`);
  const slot = nextSlot();
  list.refresh(slot);
  await write(`${b}\n${c} # new\n`);
  list.refresh(slot);
  assert.deepEqual(list.ids(), [a, b], 'within a slot, the list stays');
  list.refresh(nextSlot());
  list.refresh(nextSlot());
  assert.deepEqual(list.ids(), [b, c]);
  assert.deepEqual(
    logs.map(({ message, count, account_ids }) => [message.split(',')[0], count, account_ids]),
    [
      ['accounts were added', 1, [c]],
      ['accounts were removed from the file', 1, [a]],
    ],
  );
});

test('while the file cannot be used, the last good list stays, the problem is reported once, and the file is read again', async () => {
  const [a, b] = idsOf(2) as [string, string];
  const { list, write, remove } = fromFile([a]);
  await write('');
  const slot = nextSlot();
  list.refresh(slot);
  list.refresh(slot);
  await remove();
  list.refresh(nextSlot());
  assert.deepEqual(list.ids(), [a]);
  const errors = said(/cannot be trusted/);
  assert.deepEqual(
    errors.map((line) => line.error_code),
    ['ACCOUNT_FILE_UNUSABLE', 'ACCOUNT_FILE_UNUSABLE'],
  );
  await write(`${a}\n${b}`);
  list.refresh(slot);
  assert.deepEqual(list.ids(), [a, b]);
  assert.equal(said(/can be trusted again/).length, 1);
});

test('four thousand ids are read, --account selects among them, and the log does not list them all', async () => {
  const ids = idsOf(4_000);
  const { list, write } = fromFile([ids[0]!]);
  await write(ids.join('\n'));
  list.refresh(nextSlot());
  assert.equal(list.ids().length, 4_000);
  assert.deepEqual(
    logs.map(({ count, account_ids }) => [count, account_ids]),
    [[3_999, undefined]],
  );
  const narrow = fromFile(ids.slice(0, 2), ids.slice(0, 2));
  await narrow.write(ids.slice(1).join('\n'));
  narrow.list.refresh(nextSlot());
  assert.deepEqual(narrow.list.ids(), [ids[1]]);
});

test('after any edits of the file, the accounts are those of the newest version that can be used', async () => {
  const ids = idsOf(5);
  const version = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.subarray(ids, { minLength: 1 }).map((good) => ({ good, text: good.join('\n') })),
    },
    fc
      .constantFrom('', '*', `${ids[0]}\n${ids[0]}`, `${ids[1]},${ids[2]}`, '# none')
      .map((text) => ({ good: null, text })),
    fc.constant({ good: null, text: null }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(version, { maxLength: 8 }), async (versions) => {
      const { list, write, remove } = fromFile([ids[0]!]);
      let expected: readonly string[] = [ids[0]!];
      for (const { good, text } of versions) {
        await (text === null ? remove() : write(text));
        list.refresh(nextSlot());
        expected = good ?? expected;
        assert.deepEqual(list.ids().toSorted(), expected.toSorted());
      }
    }),
    { numRuns: 40 },
  );
});

test('an account that leaves the list of the token is reported, is synced until a second list lacks it, and can come back', async () => {
  const ids = idsOf(60);
  const served = fromToken();
  await served.slot(ids);
  assert.equal(served.changes(), 1);
  await served.slot(ids.slice(1));
  assert.equal(served.list.ids().length, 60);
  assert.deepEqual(
    said(/looking once more/).map((line) => line.account_ids),
    [[ids[0]]],
  );
  await served.slot(ids.slice(1));
  assert.deepEqual([served.list.ids().length, served.list.state().unlisted], [59, 1]);
  assert.deepEqual(
    said(/no longer in the list of the token/).map((line) => line.account_ids),
    [[ids[0]]],
  );
  await served.slot(ids);
  assert.deepEqual([served.list.ids().length, served.list.state().unlisted], [60, 0]);
  assert.equal(served.changes(), 3);
});

test('whatever goes wrong with the list of the token, an account is dropped only if two complete lists lack it', async () => {
  const ids = idsOf(70);
  const faults: Fault[][] = [
    ['unavailable'],
    ['no-list'],
    ['no-accounts'],
    ['ignore-page'],
    ['drift'],
    ['refuse-beyond'],
    ['no-info'],
    ['flaky'],
    ['forbidden'],
  ];
  const served = fc.record({
    from: fc.integer({ min: 0, max: 10 }),
    faults: fc.oneof(fc.constant<Fault[]>([]), fc.constantFrom(...faults)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(served, { maxLength: 6 }), async (rounds) => {
      const token = fromToken();
      await token.slot(ids);
      // How many complete readings there were since the last one that showed the account.
      const lacked = new Map(ids.map((id) => [id, 0]));
      const followedNow = () => new Set(token.list.ids());
      for (const { from, faults: wrong } of rounds) {
        const followed = followedNow();
        const shown = new Set(ids.slice(from));
        const { ids: read, isComplete } = await token.slot([...shown], ...wrong);
        for (const id of ids) lacked.set(id, read.includes(id) ? 0 : lacked.get(id)! + (isComplete ? 1 : 0));
        const now = followedNow();
        for (const id of followed) assert.ok(now.has(id) || lacked.get(id)! >= 2, `${id} was dropped`);
        if (isComplete) assert.ok(shown.isSubsetOf(now), 'what a complete list shows is synced');
      }
    }),
    { numRuns: 25 },
  );
});
