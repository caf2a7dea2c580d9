// The lease of a run that is silent or dead, and what stops a run that has lost it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { judgeHolder } from '../../../src/sync/claim/claim-lease.ts';
import { beat, fence, LEASE_TIMING, releaseLease, type Lease } from '../../../src/sync/claim/lease.ts';
import { processIdentity } from '../../../src/host/process-identity.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { LEASE_TEST_TIMING, leasesOf, newAccount } from '../../support/database/claimed-leases.ts';

const onLinux = { skip: process.platform !== 'linux' };

let db: MigratedDatabase;
let leases: ReturnType<typeof leasesOf>;
before(async () => {
  db = await migratedDatabase();
  leases = leasesOf(db);
});
after(() => db.close());

describe('the lease', () => {
  test('is taken over once it has expired, and the dead run is recorded as abandoned', async () => {
    const accountId = newAccount();
    const dead = await leases.claimed(accountId, { identity: { host: 'dead-host', process: '' } });
    await leases.silence(dead, 20_000);
    assert.equal((await leases.claim(accountId)).kind, 'held');
    await leases.silence(dead, 30_001);
    const taken = await leases.claim(accountId);
    assert.ok(taken.kind === 'claimed');
    assert.equal(taken.tookOver, dead.runId);
    assert.ok(taken.lease.runId > dead.runId);
    assert.deepEqual(await leases.runs(accountId), [
      { run_id: String(dead.runId), status: 'abandoned', error_code: 'ABANDONED', host: 'dead-host' },
    ]);
    // The new holder has a fresh heartbeat: a third run is refused.
    assert.equal((await leases.claim(accountId)).kind, 'held');
  });

  test('is taken over at once from a process that is known to be dead', onLinux, async () => {
    const accountId = newAccount();
    const [boot, namespace] = processIdentity().process.split('/');
    const dead = await leases.claimed(accountId, {
      identity: { host: 'here', process: `${boot}/${namespace}/4194305/1` },
    });
    const taken = await leases.claim(accountId, { timing: LEASE_TIMING });
    assert.ok(taken.kind === 'claimed');
    assert.equal(taken.tookOver, dead.runId);
    assert.equal((await leases.runs(accountId))[0]?.status, 'abandoned');
  });

  test('is renewed by a heartbeat, which shows progress and tells whether the lease is still its own', async () => {
    const accountId = newAccount();
    const lease = await leases.claimed(accountId);
    await leases.silence(lease, 60_000);
    assert.equal(await beat(db.pool, lease, { pages: 7 }), true);
    const [row] = await db.rows<{ progress: unknown; silent: boolean }>(
      `select progress, heartbeat_at < now() - interval '5 seconds' as silent from risk_internal.leases where account_key = $1`,
      [lease.accountKey],
    );
    assert.deepEqual(row, { progress: { pages: 7 }, silent: false });

    await leases.silence(lease, 60_000);
    const other = await leases.claimed(accountId);
    assert.equal(await beat(db.pool, lease, { pages: 8 }), false);
    assert.equal(await beat(db.pool, other, {}), true);
    await leases.release(other);
    assert.equal(await beat(db.pool, other, {}), false);
  });

  test('lets its owner pass the fence, and stops a run that has lost it', async () => {
    const accountId = newAccount();
    const lease = await leases.claimed(accountId);
    const pass = (who: Lease) => inTransaction(db.pool, DEFAULT_LIMITS, (tx) => fence(tx, who));
    await pass(lease);
    await leases.silence(lease, 60_000);
    // No run has taken it over: the silent owner still holds it.
    await pass(lease);
    const other = await leases.claimed(accountId);
    await assert.rejects(pass(lease), { code: 'LEASE_LOST', exit: 75 });
    await pass(other);
    await leases.release(other);
    await assert.rejects(pass(other), { code: 'LEASE_LOST' });
  });

  test('cannot be taken over while its owner is inside the fence, not even by a claim that waits', async () => {
    const accountId = newAccount();
    const lease = await leases.claimed(accountId);
    await leases.silence(lease, 60_000);
    await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
      await fence(tx, lease);
      const result = await leases.claim(accountId);
      assert.ok(result.kind === 'held', result.kind);
      assert.equal(result.holder.runId, lease.runId);
      await releaseLease(tx, lease);
    });
    assert.deepEqual(await leases.runs(accountId), []);
  });

  test(
    'a killed process whose transaction is still open on the server is waited for, and does not count as running',
    onLinux,
    async () => {
      const child = spawn('sleep', ['60']);
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
      const begun = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
      const [boot, namespace] = processIdentity().process.split('/');
      const identity = { host: 'here', process: `${boot}/${namespace}/${child.pid}/${begun}` };
      const accountId = newAccount();
      const lease = await leases.claimed(accountId, { identity });
      await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
        await fence(tx, lease);
        const held = async () => {
          const result = await leases.claim(accountId);
          assert.ok(result.kind === 'held');
          return judgeHolder(result.holder, LEASE_TEST_TIMING, false);
        };
        assert.equal(await held(), 'running');
        child.kill('SIGKILL');
        await once(child, 'exit');
        assert.equal(await held(), 'expired');
      });
      await leases.release(await leases.claimed(accountId));
    },
  );
});
