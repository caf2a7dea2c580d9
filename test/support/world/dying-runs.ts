// Runs that tests kill, stop or cut off, in a world that moves on by a day, and what must hold afterwards.
import { rebuild } from '../oracle/assert-promises.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { startSimulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import type { RunDeps, RunResult } from '../../../src/sync/run-sync.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import type { Child, ChildScript } from '../child.ts';
import { migratedDatabase } from '../database/migrated-database.ts';
import type { SyncChild } from '../children/sync-child.ts';
import { clientOf, runSyncOf } from '../stage.ts';
import { PRESENT_USERS } from '../database/record-columns.ts';

const TOKEN = 'crash-test-token';
const DAY = 86_400_000;
const START = new Date('2026-02-02T08:00:00Z');
/** A run that waits for this lease waits until the test fails. */
export const ENDLESS: LeaseTiming = { ...LEASE_TIMING, leaseMs: 3_600_000 };
export const SHORT: LeaseTiming = { heartbeatMs: 100, leaseMs: 700, pollMs: 50, graceMs: 1_000 };
type Over = Partial<Pick<RunDeps, 'pool' | 'timing' | 'failpoint'>> & { dryRun?: boolean };

export type DyingRuns = Awaited<ReturnType<typeof dyingRuns>>;

/** Closed after the test file. */
export async function dyingRuns() {
  // Several pages, and so many changes a day that half a publish would be visible.
  const world = createWorld({ seed: 11, users: 220, start: START, days: 60, campaign: null });
  let instant = START;
  const db = await migratedDatabase();
  const simulator = await startSimulator({
    worlds: world,
    now: () => instant,
    auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
    perPageMax: 8,
    rateLimit: null,
  });
  const aDayLater = () => void (instant = new Date(instant.getTime() + DAY));
  const newAccount = () => randomBytes(16).toString('hex');

  const clientFor = (t: TestContext) => clientOf(t, simulator.url, { token: TOKEN, limit: null });

  async function sync(t: TestContext, accountId: string, over: Over = {}): Promise<RunResult> {
    const { dryRun = false, ...deps } = over;
    return runSyncOf(accountId, { pool: db.pool, client: clientFor(t), ...deps }, { dryRun });
  }

  async function succeed(t: TestContext, accountId: string, over: Over = {}): Promise<number> {
    const result = await sync(t, accountId, over);
    assert.equal(result.error, null);
    assert.equal(result.published?.verdict, 'complete');
    return result.published?.snapshotId ?? 0;
  }

  function startChild(
    script: ChildScript,
    accountId: string,
    stopAt: string[] = [],
    timing?: LeaseTiming,
  ): Child {
    const argument: SyncChild = {
      databaseUrl: db.url,
      apiUrl: simulator.url,
      token: TOKEN,
      accountId,
      stopAt,
      ...(timing === undefined ? {} : { timing }),
    };
    return script.start(argument);
  }

  const snapshotsOf = async (accountId: string) =>
    await db.rows<{ id: number; user_count: number }>(
      `select snapshot_id::integer as id, user_count from risk.snapshots join risk.accounts using (account_key)
          where account_id = $1 order by 1`,
      [accountId],
    );

  const truth = (at: Date) =>
    world
      .at(at)
      .map((user) => ({ ...user }))
      .toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1));

  async function assertSnapshot(accountId: string, snapshotId: number, at: Date): Promise<void> {
    assert.deepEqual(await rebuild(db.pool, snapshotId, accountId), truth(at), `snapshot ${snapshotId}`);
  }

  /** Must hold in every case: current state, counts and newest snapshot agree, and nothing is left over. */
  async function assertConsistent(accountId: string): Promise<void> {
    const newest = (await snapshotsOf(accountId)).at(-1);
    assert.ok(newest);
    const present = await db.rows<UserRisk & { absent: boolean }>(PRESENT_USERS, [accountId]);
    const current = present.map(({ absent: _absent, ...record }) => record);
    assert.deepEqual(current, await rebuild(db.pool, newest.id, accountId));
    assert.equal(current.length, newest.user_count);
    const [published] = await db.rows<{ snapshots: number; runs: number }>(
      `select (select count(*)::integer from risk.snapshots s where s.account_key = a.account_key) as snapshots,
              (select count(distinct r.snapshot_id)::integer from risk.sync_runs r
                where r.account_key = a.account_key and r.status = 'succeeded') as runs
         from risk.accounts a where account_id = $1`,
      [accountId],
    );
    assert.equal(published?.runs, published?.snapshots, 'one successful run per snapshot');
  }

  async function assertNothingLeft(accountId: string): Promise<void> {
    for (const table of ['staged_changes', 'leases']) {
      const left = await db.rows(
        `select 1 from risk_internal.${table} join risk.accounts using (account_key) where account_id = $1`,
        [accountId],
      );
      assert.equal(left.length, 0, table);
    }
  }

  const runsOf = async (accountId: string) =>
    (
      await db.rows<{ run: string }>(
        `select status || coalesce(' ' || error_code, '') as run from risk.sync_runs join risk.accounts using (account_key)
          where account_id = $1 order by run_id`,
        [accountId],
      )
    ).map((row) => row.run);

  return {
    db,
    simulator,
    /** The instant of the world. */
    now: () => instant,
    aDayLater,
    newAccount,
    clientFor,
    sync,
    succeed,
    startChild,
    snapshotsOf,
    truth,
    assertSnapshot,
    assertConsistent,
    assertNothingLeft,
    runsOf,
    async close() {
      await simulator.close();
      await db.close();
    },
  };
}
