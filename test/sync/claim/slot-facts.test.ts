// What replicas learn about a slot, at a cost that does not grow with the history.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { sql } from 'drizzle-orm';
import { factsOf, slotFacts } from '../../../src/sync/claim/slot-facts.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const MINUTE = 60_000;
const ago = (minutes: number) => new Date(Date.now() - minutes * MINUTE).toISOString();
const factsFor = async (accountId: string, slot: Date | null) =>
  (await slotFacts(db.pool, [accountId], slot)).known.get(accountId)!;
const about = (found: number | null, minutes: number) =>
  assert.ok(found !== null && Math.abs(found - minutes * MINUTE) < MINUTE, `${found} ms`);

test('counts only the attempts for this slot, and finds the newest by the order of run ids', async () => {
  const history = sampleHistory(db.pool);
  const key = await history.account('busy');
  const slot = new Date(ago(-3));
  const attempt = {
    account_key: key,
    status: 'failed',
    error_code: 'NETWORK',
    scheduled_for: slot.toISOString(),
  };
  await history.snapshot(key, ago(90));
  await history.run({ ...attempt, started_at: ago(60), scheduled_for: ago(60) });
  // One attempt while the database's clock was ahead, one with the right clock: behind the clock that fired the slot.
  await history.run({ ...attempt, started_at: ago(-500) });
  await history.run({ ...attempt, started_at: ago(2), status: 'abandoned' });
  await history.run({ ...attempt, started_at: ago(1), scheduled_for: null });
  const found = await factsFor('busy', slot);
  assert.deepEqual([found.isDone, found.attempts], [false, 2]);
  about(found.sinceAttemptMs, 2);
  about(found.sinceSuccessMs, 90);

  await db.pool.query('update risk.sync_runs set scheduled_for = $1 where snapshot_id is not null', [slot]);
  const done = await factsFor('busy', slot);
  assert.deepEqual([done.isDone, done.attempts, done.sinceSuccessMs], [true, 0, null]);
  about((await factsFor('busy', null)).sinceSuccessMs, -3);
  assert.equal((await factsFor('busy', null)).isDone, false);
  assert.deepEqual(await factsFor('nobody', slot), {
    isDone: false,
    isHeld: false,
    isRetired: false,
    attempts: 0,
    sinceAttemptMs: null,
    sinceSuccessMs: null,
  });
});

test('reads only the newest runs of an account that has failed for years', async () => {
  const key = await sampleHistory(db.pool).account('failing');
  await db.rows(
    `insert into risk.sync_runs (account_key, run_id, trigger, status, scheduled_for, started_at, finished_at, host, error_code, feed_id)
     select $1, 1000000 + n, 'cron', 'failed', at, at, at, 'a-host', 'NETWORK', n
       from (select n, date_trunc('hour', now()) - (50000 - n) * interval '1 hour' as at from generate_series(1, 50000) n) hours`,
    [key],
  );
  await db.rows('analyze risk.sync_runs');
  const slot = new Date(Math.floor(Date.now() / (60 * MINUTE)) * 60 * MINUTE);
  assert.equal((await factsFor('failing', slot)).attempts, 1);
  const { rows } = await drizzle(db.pool).execute<{ 'QUERY PLAN': { Plan: Plan }[] }>(
    sql`explain (analyze, format json) ${factsOf({ ids: ['failing'] }, slot)}`,
  );
  const scans = scansOf(rows[0]!['QUERY PLAN'][0]!.Plan);
  assert.ok(scans.length >= 3);
  assert.deepEqual(
    scans.filter(({ table, node, read }) => (table === 'sync_runs' && node === 'Seq Scan') || read > 100),
    [],
  );
});

test('says the same about accounts that are named by their keys, which is how nodes of a cluster are asked', async () => {
  const history = sampleHistory(db.pool);
  const keys = [await history.account('by key'), await history.account('by key too')];
  await history.snapshot(keys[0]!, ago(30));
  await history.account('not asked about');
  const slot = new Date(ago(30));
  await db.rows('update risk.sync_runs set scheduled_for = $1 where account_key = $2', [slot, keys[0]]);
  const rowsOf = async (of: Parameters<typeof factsOf>[0]) =>
    (await drizzle(db.pool).execute(factsOf(of, slot))).rows.map(({ accountId, isDone, attempts }) => ({
      accountId,
      isDone,
      attempts,
    }));
  const byKeys = await rowsOf({ keys });
  assert.deepEqual(byKeys.map(({ isDone }) => isDone).toSorted(), [false, true]);
  assert.deepEqual(byKeys, await rowsOf({ ids: ['by key', 'by key too'] }));
});

test('sends no query for an empty list of accounts, and fails with the reason when the database does not answer', async (t) => {
  const pool = testPool('postgres://x:y@127.0.0.1:9/none');
  t.after(() => pool.end());
  const none = await slotFacts(pool, [], new Date());
  assert.deepEqual([none.known.size, none.away.size], [0, 0]);
  await assert.rejects(slotFacts(pool, ['a'], new Date()), { code: 'DATABASE_UNAVAILABLE' });
});

test('answers for thousands of accounts with one statement, and says which ones are held or retired', async () => {
  const history = sampleHistory(db.pool);
  const [held, silent, retired] = [
    await history.account('held'),
    await history.account('silent'),
    await history.account('retired'),
  ];
  await db.rows(
    `insert into risk_internal.leases (account_key, run_id, owner, trigger, started_at, heartbeat_at, host, process)
     select k, k, gen_random_uuid(), 'cron', now(), now() - s * interval '1 second', 'elsewhere', ''
       from (values ($1::integer, 1), ($2::integer, 20)) l (k, s)`,
    [held, silent],
  );
  await db.rows('update risk.accounts set retired_at = now() where account_key = $1', [retired]);
  const ids = Array.from({ length: 4_000 }, (_, n) => `e${n.toString(16).padStart(31, '0')}`);
  const { known: found } = await slotFacts(db.pool, ['held', 'silent', 'retired', ...ids], new Date());
  assert.equal(found.size, 4_003);
  assert.deepEqual(
    [...found].flatMap(([id, facts]) => (facts.isHeld ? [id] : [])),
    ['held'],
  );
  assert.deepEqual(
    [...found].flatMap(([id, facts]) => (facts.isRetired ? [id] : [])),
    ['retired'],
  );
});

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};

/** How each scan of a table looked for rows, and how many rows it looked at. */
function scansOf(plan: Plan): { table: string; node: string; read: number }[] {
  const read = (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
  const table = plan['Relation Name'];
  const own = table === undefined ? [] : [{ table, node: plan['Node Type'], read }];
  return [...own, ...(plan.Plans ?? []).flatMap(scansOf)];
}
