// The heartbeat while its connections fail, through a proxy in front of a real database.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import { startHeartbeat } from '../../../src/sync/claim/heartbeat.ts';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { startFaultProxy, type FaultProxy } from '../../support/faults/fault-proxy.ts';
import { claimRequest } from '../../support/database/claimed-leases.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';

const TIMING = { heartbeatMs: 10, leaseMs: 900, pollMs: 50, graceMs: 1_000 };

describe('the heartbeat', () => {
  let db: MigratedDatabase;
  let proxy: FaultProxy;
  let pool: Pool;
  let lease: Lease;
  const logs: string[] = [];
  const said = () => logs.map((line) => (JSON.parse(line) as { message: string }).message);

  before(async () => {
    db = await migratedDatabase();
    proxy = await startFaultProxy(db.url);
  });
  after(async () => {
    await proxy.close();
    await db.close();
  });
  beforeEach(async () => {
    logs.length = 0;
    pool = testPool(proxy.url);
    const claim = await claimLease(db.pool, claimRequest(randomUUID(), { timing: TIMING }));
    assert.ok(claim.kind === 'claimed');
    ({ lease } = claim);
  });
  afterEach(async () => {
    await proxy.heal();
    await pool.end();
  });

  const logger = createLogger({
    level: 'info',
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => logs.push(line) },
  });

  /** Sends heartbeats from here to the end of the test. */
  function start(t: TestContext) {
    const abort = new AbortController();
    let beats = 0;
    const heart = startHeartbeat({ pool, logger, timing: TIMING }, lease, abort, () => ({ beats: ++beats }));
    t.after(() => heart.stop());
    return { signal: abort.signal, beats: () => beats };
  }
  async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const began = performance.now();
    while (!(await isSo())) {
      assert.ok(performance.now() - began < 20_000, `never: ${what}`);
      await sleep(5);
    }
  }
  const isFresh = async (since: number) => {
    const [row] = await db.rows<{ beats: number }>(
      `select (progress ->> 'beats')::integer as beats from risk_internal.leases where account_key = $1`,
      [lease.accountKey],
    );
    return (row?.beats ?? 0) > since;
  };

  test('logs one line when it fails again and again, and another when it works again', async (t) => {
    const { beats } = start(t);
    await until('it beats', () => isFresh(0));
    for (const round of [1, 2]) {
      await proxy.refuse();
      proxy.reset();
      const before = beats();
      await until('ten beats', () => beats() > before + 10);
      assert.equal(said().length, 2 * round - 1);
      await proxy.heal();
      await until('it beats again', () => said().length === 2 * round);
      assert.ok(await isFresh(before));
    }
    assert.deepEqual(said(), [
      'heartbeat failed',
      'heartbeat works again',
      'heartbeat failed',
      'heartbeat works again',
    ]);
  });

  test('over a silent connection uses one connection, and gives it up well before the lease expires', async (t) => {
    const { beats } = start(t);
    await until('it beats', () => isFresh(0));
    proxy.stall();
    const [began, before] = [performance.now(), beats()];
    await until('it gives up', () => said().length === 1);
    assert.ok(performance.now() - began < TIMING.leaseMs, 'within the lease');
    assert.ok(beats() <= before + 2, 'one at a time');
    assert.ok(pool.totalCount <= 1, `${pool.totalCount} connections`);
    await proxy.heal();
    await until('it beats again', () => said().length === 2);
    assert.ok(await isFresh(before));
    assert.deepEqual(said(), ['heartbeat failed', 'heartbeat works again']);
  });

  test('ends the run when another run holds its lease', async (t) => {
    const { signal } = start(t);
    await db.rows('update risk_internal.leases set owner = $1 where account_key = $2', [
      randomUUID(),
      lease.accountKey,
    ]);
    await until('it is told', () => signal.aborted);
    assert.equal((signal.reason as { code?: string }).code, 'LEASE_LOST');
  });
});
