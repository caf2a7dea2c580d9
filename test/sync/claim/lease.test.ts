// Who gets the lease of an account, and who is refused.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { takeFeedValue } from '../../../src/db/feed-clock.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { claimLease, type Claim } from '../../../src/sync/claim/claim-lease.ts';
import { beat, dropLease, LEASE_TIMING, type Lease } from '../../../src/sync/claim/lease.ts';
import { startCutProxy } from '../../support/faults/cut-proxy.ts';
import { onOnePostgres } from '../../support/database/distributed-database.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { LEASE_TEST_TIMING, leasesOf, newAccount } from '../../support/database/claimed-leases.ts';

let db: MigratedDatabase;
let leases: ReturnType<typeof leasesOf>;
before(async () => {
  db = await migratedDatabase();
  leases = leasesOf(db);
});
after(() => db.close());

describe('the lease', () => {
  test('goes to the first run that asks, and adds the account', async () => {
    const accountId = newAccount();
    const result = await leases.claim(accountId, { trigger: 'http' });
    assert.equal(result.kind, 'claimed');
    assert.ok(result.kind === 'claimed' && result.tookOver === null);
    const { lease } = result;
    assert.equal(lease.accountId, accountId);
    assert.equal(lease.trigger, 'http');
    assert.equal(lease.host, 'here');
    assert.ok(Math.abs(Date.parse(lease.startedAt) - Date.now()) < 60_000);
    assert.deepEqual(await leases.runs(accountId), []);
  });

  test('is refused to a second run while the first one lives, and names the first run', async () => {
    const accountId = newAccount();
    const lease = await leases.claimed(accountId);
    const second = await leases.claim(accountId, { identity: { host: 'there', process: '' } });
    assert.ok(second.kind === 'held');
    assert.equal(second.holder.runId, lease.runId);
    assert.equal(second.holder.host, 'here');
    assert.equal(second.holder.startedAt.getTime(), Date.parse(lease.startedAt));
    assert.ok(second.holder.silentMs >= 0 && second.holder.silentMs < 30_000);
    assert.deepEqual(await leases.runs(accountId), []);
  });

  test('takes only a few round trips to claim: the database may be 10 ms away', async (t) => {
    const accountId = newAccount();
    await leases.release(await leases.claimed(accountId));
    const pool = testPool(db.url, 1);
    t.after(() => pool.end());
    const client = await pool.connect();
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    let trips = 0;
    client.query = ((...args: unknown[]) => {
      trips += 1;
      return query(...args);
    }) as typeof client.query;
    client.release();
    const result = await claimLease(pool, {
      accountId,
      owner: randomUUID(),
      trigger: 'cli',
      scheduledFor: null,
      identity: { host: 'here', process: '' },
      timing: LEASE_TEST_TIMING,
    });
    assert.equal(result.kind, 'claimed');
    assert.ok(trips <= 8, `${trips} round trips`);
  });

  for (const [cut, title] of [
    ['before', 'before the server has received it'],
    ['after', 'and the reply is lost'],
  ] as const)
    test(`is dropped although the connection breaks at COMMIT, ${title}`, async (t) => {
      const accountId = newAccount();
      const lease = await leases.claimed(accountId);
      const proxy = await startCutProxy(db.url);
      const pool = testPool(proxy.url);
      t.after(async () => {
        await pool.end();
        await proxy.close();
      });
      proxy.arm(cut);
      await dropLease(pool, lease);
      assert.equal(proxy.cuts(), 1);
      const next = await leases.claim(accountId);
      assert.ok(next.kind === 'claimed' && next.tookOver === null);
      await assert.rejects(dropLease(pool, lease), { code: 'LEASE_LOST' });
    });

  test('does not keep other accounts from being claimed', async () => {
    const [one, other] = [newAccount(), newAccount()];
    assert.notEqual((await leases.claimed(one)).accountKey, (await leases.claimed(other)).accountKey);
  });

  test('is granted again to the same owner: a lost reply does no harm', async () => {
    const accountId = newAccount();
    const owner = randomUUID();
    const first = await leases.claimed(accountId, { owner });
    await leases.silence(first, 60_000);
    const again = await leases.claim(accountId, { owner });
    assert.ok(again.kind === 'claimed' && again.tookOver === null);
    assert.deepEqual(again.lease, first);
    assert.deepEqual(await leases.runs(accountId), []);
  });

  test('is released only by its owner, which makes the account free', async () => {
    const accountId = newAccount();
    const lease = await leases.claimed(accountId);
    await leases.release(lease);
    const next = await leases.claimed(accountId);
    await leases.release(lease);
    assert.equal((await leases.claim(accountId)).kind, 'held');
    await leases.release(next);
  });

  test('is not given for a cron slot that already has a success', async () => {
    const accountId = newAccount();
    const slot = new Date('2026-01-01T12:00:00Z');
    const slotOf = (hour: number) => new Date(slot.getTime() + hour * 3_600_000);
    const finish = async (lease: Lease, status: 'succeeded' | 'failed') => {
      await db.rows(
        `insert into risk.sync_runs (account_key, run_id, trigger, scheduled_for, status, verdict, started_at, finished_at, host, snapshot_id, error_code, feed_id)
       values ($1, $2, 'cron', $3, $4, $5, now(), now(), 'h', $6, $7, 1)`,
        [
          lease.accountKey,
          lease.runId,
          lease.scheduledFor,
          status,
          ...(status === 'succeeded' ? ['complete', 1, null] : [null, null, 'X']),
        ],
      );
      await leases.release(lease);
    };
    const cron = { trigger: 'cron' as const, scheduledFor: slot };
    await finish(await leases.claimed(accountId, cron), 'failed');
    const won = await leases.claimed(accountId, cron);
    assert.equal(new Date(won.scheduledFor ?? '').getTime(), slot.getTime());
    await finish(won, 'succeeded');
    assert.deepEqual(await leases.claim(accountId, cron), { kind: 'slot_done', runId: won.runId });
    const next = await leases.claimed(accountId, { trigger: 'cron', scheduledFor: slotOf(1) });
    await leases.release(next);
    // By hand, the account may run at any time.
    await leases.release(await leases.claimed(accountId));
    // Another account has its own slot.
    await leases.release(await leases.claimed(newAccount(), cron));
  });

  const skip = onOnePostgres('a new account gets a clock of its own there');
  test('of a new account waits for the feed clock, until a signal ends the wait', { skip }, async () => {
    const accountId = newAccount();
    const signal = new AbortController();
    const reason = new Error('stopped');
    await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
      await takeFeedValue(tx, 1);
      const claiming = leases.claim(accountId, { signal: signal.signal });
      claiming.catch(() => undefined);
      await untilLockWaiters(db.pool);
      signal.abort(reason);
      await assert.rejects(claiming, (error) => error === reason);
    });
    assert.deepEqual(await db.rows('select from risk.accounts where account_id = $1', [accountId]), []);
    await leases.release(await leases.claimed(accountId));
  });

  test('is not given for a retired account', async () => {
    const accountId = newAccount();
    await leases.release(await leases.claimed(accountId));
    await db.rows('update risk.accounts set retired_at = now() where account_id = $1', [accountId]);
    await assert.rejects(leases.claim(accountId), { code: 'ACCOUNT_RETIRED', exit: 78 });
  });

  for (const state of ['of a new account', 'of a known account', 'that has expired']) {
    test(`thirty simultaneous claims for a lease ${state}: exactly one wins`, async (t) => {
      const pool = testPool(db.url, 30);
      t.after(() => pool.end());
      // Open the connections first, so that the claims themselves collide.
      await Promise.all(Array.from({ length: 30 }, () => pool.query('select pg_sleep(0.05)')));
      const accountId = newAccount();
      if (state !== 'of a new account') {
        const lease = await leases.claimed(accountId);
        if (state === 'that has expired') await leases.silence(lease, 60_000);
        else await leases.release(lease);
      }
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          leases.claim(
            accountId,
            {
              identity: { host: `host-${n}`, process: '' },
              timing: LEASE_TIMING,
              ...(state === 'that has expired' ? { timing: { ...LEASE_TIMING, leaseMs: 50_000 } } : {}),
            },
            pool,
          ),
        ),
      );
      const winners = results.filter((result) => result.kind === 'claimed');
      assert.equal(winners.length, 1);
      const winner = winners[0] as Extract<Claim, { kind: 'claimed' }>;
      for (const result of results) {
        // A claim that met the dead lease while the winner had it locked must look again.
        const looksAgain = result.kind === 'held' && result.holder.silentMs > 50_000;
        if (looksAgain) assert.equal(state, 'that has expired');
        else if (result.kind === 'held') assert.equal(result.holder.runId, winner.lease.runId);
        else assert.equal(result, winner);
      }
      assert.equal((await leases.runs(accountId)).length, state === 'that has expired' ? 1 : 0);
      assert.equal(await beat(db.pool, winner.lease, {}), true);
    });
  }
});
