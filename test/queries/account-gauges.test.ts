// What a scrape reports about the accounts, at a cost that does not grow with the history.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { eq, sql } from 'drizzle-orm';
import { leases, retention, snapshotLevels, snapshots, syncRuns } from '../../src/db/schema.ts';
import { accountGauges, gaugesOfAll, STREAK_LIMIT } from '../../src/queries/accounts/account-gauges.ts';
import { readOnly } from '../../src/db/read-only.ts';
import { snapshotAges } from '../../src/queries/accounts/snapshot-ages.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const seconds = (instant: string) => Date.parse(instant) / 1000;
const gauges = async (accountId: string) =>
  (await readOnly(db.pool, { statementMs: 60_000, lockMs: 60_000 }, accountGauges)).find(
    ({ account_id }) => account_id === accountId,
  );

test('reports the newest snapshot, the streaks since the newest success, and what waits', async () => {
  const history = sampleHistory(db.pool);
  const key = await history.account('busy');
  const at = (hour: number) => `2026-01-01T${String(hour).padStart(2, '0')}:00:00Z`;
  await history.snapshot(key, at(1));
  await history.snapshot(key, at(2), { verdict: 'partial' });
  const failure = { status: 'failed', error_code: 'NETWORK', error_message: 'x' };
  await history.run({ account_key: key, started_at: at(3), ...failure });
  const newest = await history.snapshot(key, at(4), { verdict: 'partial' });
  await history.run({ account_key: key, started_at: at(5), ...failure });
  const last = await history.run({
    account_key: key,
    started_at: at(6),
    status: 'abandoned',
    error_code: 'ABANDONED',
  });
  const d = drizzle(db.pool);
  await d.update(snapshots).set({ user_count: 7, met_count: 4, carried_count: 3 });
  await d.insert(snapshotLevels).values(
    Object.entries({ low: 4, medium: 0, high: 3 }).map(([max_risk_level, user_count]) => ({
      account_key: key,
      snapshot_id: newest,
      max_risk_level,
      user_count,
      event_count: 9,
    })),
  );
  // Of the newest walk over all pages; the counts of others are outdated.
  const counted = (one: number, other: number) => ({
    rejected_not_kept: { 'a: missing': one, 'b: missing': other },
  });
  for (const [run, evidence] of [
    [1, counted(100, 100)],
    [newest, counted(5, 7)],
    [last, counted(100, 100)],
  ] as const)
    await d.update(syncRuns).set({ evidence }).where(eq(syncRuns.run_id, run));
  // Last met before the newest walk that read all pages; by that walk; by a later attempt.
  for (const [index, run] of [1, newest, last].entries())
    await history.rejected({ account_key: key, record_hash: `hash${index}`, raw: '{}', last_run_id: run });
  await d.insert(retention).values(
    Object.entries({ activity: 40, runs: 2 }).map(([dataset, row_count], nth) => ({
      account_key: key,
      dataset,
      whole_since: at(2),
      row_count,
      pruned_at: at(5 + nth),
      feed_id: 1,
    })),
  );
  await d.insert(leases).values({
    account_key: key,
    run_id: 99,
    owner: '00000000-0000-4000-8000-000000000001',
    trigger: 'cron',
    started_at: at(7),
    heartbeat_at: sql`now() - interval '90 seconds'`,
    host: 'a-host',
    process: 'a-host/1/1',
  });

  const found = await gauges('busy');
  assert.ok(found);
  const { added_at, lease_heartbeat_age, ...rest } = found;
  assert.ok(Math.abs(Date.now() / 1000 - added_at) < 60);
  assert.ok(lease_heartbeat_age !== null && lease_heartbeat_age >= 90 && lease_heartbeat_age < 150);
  assert.deepEqual(rest, {
    account_id: 'busy',
    users: { low: 4, medium: 0, high: 3 },
    users_carried: 3,
    observed_at: seconds(at(4)),
    last_success_at: seconds(at(4)),
    last_complete_at: seconds(at(1)),
    failed_runs: 2,
    partial_runs: 2,
    rejected_waiting: 2,
    rejected_not_kept: 12,
    pruned_rows: { activity: 40, runs: 2 },
    last_prune_at: seconds(at(6)),
    lease_started_at: seconds(at(7)),
  });
});

test('leaves out values that an account does not have yet', async () => {
  await sampleHistory(db.pool).account('new');
  const found = await gauges('new');
  assert.ok(found);
  const { added_at, ...rest } = found;
  assert.ok(added_at > 0);
  assert.deepEqual(rest, {
    account_id: 'new',
    users: {},
    users_carried: null,
    observed_at: null,
    last_success_at: null,
    last_complete_at: null,
    failed_runs: 0,
    partial_runs: 0,
    rejected_waiting: 0,
    rejected_not_kept: 0,
    pruned_rows: {},
    last_prune_at: null,
    lease_started_at: null,
    lease_heartbeat_age: null,
  });
});

test('leaves out retired accounts', async () => {
  await sampleHistory(db.pool).account('retired');
  await db.rows(`update risk.accounts set retired_at = now() where account_id = 'retired'`);
  assert.equal(await gauges('retired'), undefined);
});

test('counts an account without a recent snapshot as stale in the freshness, and names no account', async () => {
  const own = await migratedDatabase();
  try {
    assert.deepEqual(await snapshotAges(drizzle(own.pool), 7_200_000), {
      accounts: 0,
      stale: 0,
      oldest_snapshot_age_seconds: null,
    });
    const history = sampleHistory(own.pool);
    const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
    await history.account('never');
    const young = await history.account('young');
    await history.snapshot(young, ago(9));
    await history.snapshot(young, ago(1));
    await history.snapshot(await history.account('old'), ago(5));
    const found = await snapshotAges(drizzle(own.pool), 7_200_000);
    assert.deepEqual([found.accounts, found.stale], [3, 2]);
    assert.ok(Math.abs((found.oldest_snapshot_age_seconds ?? 0) - 5 * 3_600) < 60);
  } finally {
    await own.close();
  }
});

test('reads only a few rows of an account with years of hourly runs', async () => {
  const key = await sampleHistory(db.pool).account('old');
  const years = 5 * 365 * 24;
  await db.rows(
    `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count, carried_count,
       event_count, appeared, raised, lowered, cleared, returned)
     select $1, 1000000 + n, date_trunc('hour', now()) - (${years} - n) * interval '1 hour', 'complete', false, 0, 0, 0, 0, 0, 0, 0, 0, 0
       from generate_series(1, ${years}) n`,
    [key],
  );
  await db.rows(
    `insert into risk.sync_runs (account_key, run_id, trigger, status, verdict, started_at, finished_at, host, snapshot_id, feed_id, evidence)
     select $1, 1000000 + n, 'cron', 'succeeded', 'complete', now() - (${years} - n) * interval '1 hour',
            now() - (${years} - n) * interval '1 hour', 'a-host', 1000000 + n, 1000000 + n, jsonb_build_object('filler', repeat('x', 300))
       from generate_series(1, ${years}) n`,
    [key],
  );
  await db.rows('analyze risk.sync_runs, risk.snapshots');
  const { rows } = await drizzle(db.pool).execute<{ 'QUERY PLAN': { Plan: Plan }[] }>(
    sql`explain (analyze, format json) ${gaugesOfAll()}`,
  );
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
  assert.ok(plan);
  assert.equal((await gauges('old'))?.failed_runs, 0);
  assert.deepEqual(
    scansOf(plan).filter(({ table, read }) => read > 10 || table === ''),
    [],
  );
  assert.ok(scansOf(plan).some(({ table }) => table === 'sync_runs'));
});

test('counts a streak up to its limit', async () => {
  const key = await sampleHistory(db.pool).account('failing');
  await db.rows(
    `insert into risk.sync_runs (account_key, run_id, trigger, status, started_at, finished_at, host, error_code, feed_id)
     select $1, 2000000 + n, 'cron', 'failed', now(), now(), 'a-host', 'NETWORK', n from generate_series(1, $2) n`,
    [key, STREAK_LIMIT + 50],
  );
  assert.equal((await gauges('failing'))?.failed_runs, STREAK_LIMIT);
});

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
};

/** Rows that each scan of a table looked at. */
function scansOf(plan: Plan): { table: string; read: number }[] {
  const own =
    plan['Relation Name'] === undefined
      ? []
      : [
          {
            table: plan['Relation Name'],
            read: (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'],
          },
        ];
  return [...own, ...(plan.Plans ?? []).flatMap(scansOf)];
}
