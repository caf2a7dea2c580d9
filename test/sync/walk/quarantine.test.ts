// What happens to rejected records when a reply is lost, when a batch arrives late, and when two runs meet the same
// records.
import assert from 'node:assert/strict';
import { keepAll } from '../../../src/pii-policy.ts';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { Client } from 'pg';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import {
  createQuarantine,
  type QuarantineOptions,
  type Rejection,
} from '../../../src/sync/walk/quarantine.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { startCutProxy } from '../../support/faults/cut-proxy.ts';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';

let db: MigratedDatabase;
let lease: Lease;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
beforeEach(async () => {
  lease = await claimAccount(db.pool);
});

const rejected = (over: Partial<Rejection> = {}): Rejection => ({
  userId: randomUUID(),
  reason: 'email: not text',
  raw: '{"email":1}',
  ...over,
});

const DAY = 86_400_000;

type Writer = { pool?: typeof db.pool; runId?: number; owner?: string };

function open(over: Partial<QuarantineOptions> & Writer = {}) {
  const { pool = db.pool, runId = lease.runId, owner = lease.owner, ...options } = over;
  const signal = new AbortController().signal;
  const { accountKey, accountId } = lease;
  const quarantine = createQuarantine(
    pool,
    { accountKey, accountId, runId, owner },
    { retentionMs: 30 * DAY, pii: keepAll, signal, ...options },
  );
  return {
    add: (rejections: readonly Rejection[], unkept = new Map<string, number>()) =>
      quarantine.add({ rejections, unkept }),
    end: () => quarantine.end(),
  };
}

async function write(records: readonly Rejection[], over: Parameters<typeof open>[0] = {}) {
  const quarantine = open(over);
  await quarantine.add(records);
  await quarantine.end();
}

const kept = () =>
  db.rows<{ user_id: string | null; first_run_id: string; last_run_id: string }>(
    `select user_id, reason, raw, first_run_id, last_run_id, last_seen_at >= first_seen_at as in_order
       from risk_internal.rejected_records where account_key = $1 order by user_id, raw`,
    [lease.accountKey],
  );
const runsOf = async () => (await kept()).map((row) => [Number(row.first_run_id), Number(row.last_run_id)]);

test('records are read back as they were added, each once, and the next batch is a new one', async () => {
  // Characters with a meaning in COPY's text format, and a record without a readable user.
  const first = rejected({ userId: null, raw: '{"email":"\\\\N\\t\\n\u{1f600}"}' });
  const second = rejected({ reason: 'name: longer than 1,024 characters' });
  const quarantine = open();
  await quarantine.add([first, second, first]);
  await quarantine.end();
  await quarantine.add([second]);
  await quarantine.end();
  await quarantine.end();
  const runs = { first_run_id: String(lease.runId), last_run_id: String(lease.runId), in_order: true };
  assert.deepEqual(
    await kept(),
    [second, first].map(({ userId, reason, raw }) => ({ user_id: userId, reason, raw, ...runs })),
  );
});

test('a full batch is written while the walk goes on, and parallel pages lose no record', async () => {
  const quarantine = open();
  const pages = Array.from({ length: 30 }, () => Array.from({ length: 100 }, () => rejected()));
  await Promise.all(pages.map((page) => quarantine.add(page)));
  assert.ok((await kept()).length >= 1_000);
  await quarantine.end();
  assert.equal((await kept()).length, 3_000);
});

test('an account keeps a limited number of records: the others of a run are counted by reason, and older records make room', async () => {
  const keptRecords = 3;
  const [old, again] = [rejected(), rejected()];
  await write([old, again], { runId: 7, keptRecords });
  const quarantine = open({ runId: 8, keptRecords });
  const name = (n: number) => rejected({ reason: 'name: not text', raw: `{"name":${n}}` });
  assert.deepEqual(
    await quarantine.add([again, rejected()], new Map([['email: not text', 5]])),
    new Map([['email: not text', 5]]),
  );
  assert.deepEqual(
    await quarantine.add([name(1), name(2), again, name(3), rejected()]),
    new Map([
      ['name: not text', 2],
      ['email: not text', 1],
    ]),
  );
  await quarantine.end();
  assert.deepEqual((await runsOf()).toSorted(), [
    [7, 8],
    [8, 8],
    [8, 8],
  ]);
});

test('a record that was not met for the time of the retention is deleted when a run ends, whatever the run met', async () => {
  const [expired, recent] = [rejected(), rejected()];
  await write([expired, recent], { runId: 7 });
  await db.rows(
    `update risk_internal.rejected_records set first_seen_at = first_seen_at - interval '40 days',
            last_seen_at = last_seen_at - case when user_id = $2 then interval '31 days' else interval '29 days' end
      where account_key = $1`,
    [lease.accountKey, expired.userId],
  );
  await write([], { runId: 8 });
  assert.deepEqual(
    (await kept()).map((row) => row.user_id),
    [recent.userId],
  );
  await write([], { runId: 9, retentionMs: 28 * DAY });
  assert.deepEqual(await kept(), []);
});

test('a run that is out of time no longer waits for the database, and its attempt leaves nothing locked', async () => {
  const record = rejected();
  await write([record]);
  const blocker = await db.pool.connect();
  const over = new AbortController();
  const reason = new Error('out of time');
  try {
    await blocker.query('begin; lock risk_internal.rejected_records in share mode');
    const quarantine = open({ signal: over.signal });
    await quarantine.add([record]);
    const ended = quarantine.end();
    setTimeout(() => over.abort(reason), 50);
    await assert.rejects(ended, reason);
  } finally {
    await blocker.query('rollback');
    blocker.release();
  }
  await write([record]);
  assert.equal((await kept()).length, 1);
});

test('expired records that cannot be deleted fail no run, and the next run deletes them', async (t) => {
  const proxy = await startFaultProxy(db.url);
  const pool = testPool(proxy.url);
  t.after(async () => {
    await pool.end();
    await proxy.close();
  });
  await write([rejected()], { runId: 7 });
  proxy.cutAt(/^select .*rejected_records/s, 'before');
  await write([], { runId: 8, retentionMs: 0, pool });
  assert.equal(proxy.cuts(), 1);
  assert.equal((await kept()).length, 1);
  await write([], { runId: 9, retentionMs: 0, pool });
  assert.deepEqual(await kept(), []);
});

test('a run that is told to stop does not wait for the deletion of expired records', async () => {
  const blocker = await db.pool.connect();
  const stop = new AbortController();
  const reason = new Error('interrupted');
  try {
    await blocker.query('begin; lock risk_internal.rejected_records in access exclusive mode');
    const ended = open({ signal: stop.signal }).end();
    await untilLockWaiters(db.pool);
    stop.abort(reason);
    await assert.rejects(ended, reason);
  } finally {
    await blocker.query('rollback');
    blocker.release();
  }
});

for (const [when, title] of [
  ['before', 'before the server has received it'],
  ['after', 'and the reply is lost'],
  ['late', 'and it arrives later'],
] as const) {
  test(`a batch whose connection breaks at COMMIT, ${title}, is sent again and stored once`, async (t) => {
    const proxy = await startCutProxy(db.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const records = [rejected(), rejected()];
    await write([records[0]!], { pool });
    proxy.arm(when);
    await write(records, { pool });
    assert.equal(proxy.cuts(), 1);
    assert.equal((await kept()).length, 2);
  });
}

test('a batch whose connection breaks in the middle of COPY is sent again and stored once', async (t) => {
  const proxy = await startFaultProxy(db.url);
  const pool = testPool(proxy.url);
  t.after(async () => {
    await pool.end();
    await proxy.close();
  });
  proxy.cutAt(/^copy data$/, 'before');
  await write([rejected(), rejected()], { pool });
  assert.equal(proxy.cuts(), 1);
  assert.equal((await kept()).length, 2);
});

test('a run that lost its lease keeps no record: its person may have been erased since', async () => {
  await write([rejected(), rejected()], { owner: randomUUID() });
  assert.deepEqual(await kept(), []);
  assert.deepEqual(await db.rows('select from risk_internal.staged_rejected'), []);
});

test('a late batch of an older run does not overwrite a newer last run', async () => {
  const records = [rejected()];
  for (const runId of [7, 9, 8]) await write(records, { runId });
  assert.deepEqual(await runsOf(), [[7, 9]]);
});

test('a record that two runs meet is one row with the first and the last run', async () => {
  const record = rejected();
  await write([record], { runId: 7 });
  await write([record, rejected({ userId: record.userId, raw: '{"email":2}' })], { runId: 8 });
  assert.deepEqual(await runsOf(), [
    [7, 8],
    [8, 8],
  ]);
});

test('a record that two batches write for the first time at the same moment is stored once', async () => {
  const records = Array.from({ length: 500 }, () => rejected());
  await Promise.all([8, 9].map((runId) => write(records, { runId })));
  const runs = await runsOf();
  assert.equal(runs.length, 500);
  assert.ok(runs.every(([first, last]) => (first === 8 || first === 9) && last === 9));
});

test("no part of a record is in a statement's text or parameters, because the server may log these", async (t) => {
  const said: string[] = [];
  const { query } = Client.prototype;
  t.mock.method(Client.prototype, 'query', function (this: Client, ...args: unknown[]) {
    said.push(JSON.stringify(args.filter((arg) => typeof arg !== 'function')));
    return Reflect.apply(query, this, args);
  });
  const record = rejected({
    reason: 'email: not text, but {"of":"ada"}',
    raw: '{"email":"ada@example.com","name":"Ada Lovelace"}',
  });
  await write([record], { runId: 7 });
  await write([record, rejected()], { runId: 8 });
  t.mock.restoreAll();
  assert.deepEqual(await runsOf().then((runs) => runs.length), 2);
  const all = said.join('\n');
  assert.match(all, /rejected_records/);
  for (const word of ['ada', 'Lovelace', 'not text', record.userId!]) assert.ok(!all.includes(word), word);
});
