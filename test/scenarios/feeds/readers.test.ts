// Readers while the worker runs: line 20 of the faults in docs/reliability.md.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { startScenario, type Scenario } from '../../support/faults/fault-scenario.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

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

/** Everything that a reader may read, as one digest, and the newest snapshot. */
const EVERYTHING = `select
  (select md5(string_agg(u::text, ',' order by user_id, account_id)) from risk_bi.users u) as users,
  (select md5(string_agg(l::text, ',' order by snapshot_id, max_risk_level)) from risk_bi.risk_level_by_snapshot l) as levels,
  (select md5(string_agg(p::text, ',' order by p::text)) from risk.user_levels p) as periods,
  (select md5(string_agg(r::text, ',' order by r::text)) from risk.snapshots s cross join lateral risk_bi.snapshot_users(s.snapshot_id) r) as rebuilt,
  (select max(snapshot_id)::integer from risk.snapshots) as newest`;

test('a reader in a long transaction sees one state throughout, delays no publish, and sees all publishes afterwards', async (t) => {
  const account = scenario.account();
  await account.succeed();
  const reader = new Client({ connectionString: db.url });
  await reader.connect();
  t.after(() => reader.end());
  const read = async () => (await reader.query<{ newest: number }>(EVERYTHING)).rows[0];
  await reader.query('begin isolation level repeatable read read only');
  const before = await read();
  for (let turn = 1; turn <= 3; turn++) {
    scenario.later();
    await account.succeed();
    assert.deepEqual(await read(), before);
  }
  await reader.query('commit');
  assert.equal((await read())?.newest, (before?.newest ?? 0) + 3);
  await account.assertPromises();
});

test('a reader that locks rows of the contract for a while only delays a publish', async (t) => {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  const reader = new Client({ connectionString: db.url });
  await reader.connect();
  t.after(() => reader.end());
  await reader.query('begin');
  await reader.query('select from risk.users for share');
  const publishing = account.succeed();
  await untilLockWaiters(db.pool);
  await reader.query('commit');
  await publishing;
  await account.assertPromises();
});

test('readers that poll by snapshot_id while many accounts publish miss nothing, and never see half a snapshot', async (t) => {
  const accounts = Array.from({ length: 10 }, () => scenario.account());
  const [own, readers] = [testPool(db.url, 20), testPool(db.url, 4)];
  t.after(async () => {
    await own.end();
    await readers.end();
  });
  const [quick, slow] = [createWatermarkReader(readers), createWatermarkReader(readers)];
  let halves = 0;
  let looks = 0;
  for (let round = 1; round <= 3; round++) {
    // Ten runs in parallel on a busy machine: a page may take longer than the deadline of a single run allows.
    const timing = { pageMs: 60_000 };
    const publishing = Promise.all(accounts.map((account) => account.succeed({ pool: own, timing })));
    const looking = lookUntil(publishing, async () => {
      looks++;
      const { rows } = await readers.query(HALF_PUBLISHED);
      halves += rows.length;
    });
    await quick.pollDuring(publishing);
    await looking;
    if (round === 2) await slow.poll();
    scenario.later();
  }
  await quick.verify();
  await slow.verify();
  assert.ok(quick.polls() > 10 && looks > 10);
  assert.equal(halves, 0);
  for (const account of accounts.slice(0, 3)) await account.assertPromises({ pool: own });
});

/** Accounts with a current state other than the counts of their newest snapshot, in one statement of a reader. */
const HALF_PUBLISHED = `
  select s.account_key from (
    select distinct on (account_key) * from risk.snapshots order by account_key, snapshot_id desc) s
   where s.user_count <> (select count(*) from risk.users u
       where u.account_key = s.account_key and u.max_risk_level is not null)
      or s.user_count <> (select sum(user_count) from risk.snapshot_levels l
       where l.account_key = s.account_key and l.snapshot_id = s.snapshot_id)
      or not exists (select from risk.sync_runs r where r.account_key = s.account_key and r.snapshot_id = s.snapshot_id)`;

async function lookUntil(work: Promise<unknown>, look: () => Promise<void>): Promise<void> {
  let over = false;
  const ended = work.then(
    () => (over = true),
    () => (over = true),
  );
  while (!over) await look();
  await ended;
}
