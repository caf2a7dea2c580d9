import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { takeFeedValue } from '../../../src/db/feed-clock.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { claimLease, judgeHolder, type Claim } from '../../../src/sync/claim/claim-lease.ts';
import {
  beat,
  fence,
  findPublished,
  LEASE_TIMING,
  releaseLease,
  type Lease,
} from '../../../src/sync/claim/lease.ts';
import { isKnownDead, processIdentity } from '../../../src/host/process-identity.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';

const onLinux = { skip: process.platform !== 'linux' };

test('a holder is running, silent or expired by the length of its silence, and expired at once when it is known to be dead', () => {
  const timing = { heartbeatMs: 5_000, leaseMs: 30_000, pollMs: 1_000, graceMs: 20_000 };
  const cases: [silentMs: number, dead: boolean, expected: string][] = [
    [0, false, 'running'],
    // If the database's clock steps back, that is not silence.
    [-60_000, false, 'running'],
    [7_500, false, 'running'],
    [7_500.001, false, 'silent'],
    [30_000, false, 'silent'],
    [30_000.001, false, 'expired'],
    [86_400_000, false, 'expired'],
    [0, true, 'expired'],
    [7_501, true, 'expired'],
  ];
  for (const [silentMs, dead, expected] of cases) {
    const holder = { runId: 1, startedAt: new Date(0), host: 'h', process: '', silentMs };
    assert.equal(judgeHolder(holder, timing, dead), expected, `${silentMs} ms, dead: ${dead}`);
  }
  assert.deepEqual(LEASE_TIMING, timing);
});

test(
  'a process is known to be dead only on the same boot and in the same pid namespace',
  onLinux,
  async () => {
    const me = processIdentity();
    assert.equal(isKnownDead(me.process), false);
    const [boot, namespace, , started] = me.process.split('/');
    const child = spawn('sleep', ['60']);
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const begun = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const theirs = `${boot}/${namespace}/${child.pid}/${begun}`;
    assert.equal(isKnownDead(theirs), false);
    assert.equal(isKnownDead(`${boot}/${namespace}/${child.pid}/1`), true, 'its pid is used again');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(isKnownDead(theirs), true);
    assert.equal(isKnownDead(`other/${namespace}/${child.pid}/${begun}`), false);
    assert.equal(isKnownDead(`${boot}/other/${child.pid}/${begun}`), false);
    assert.equal(namespace, readlinkSync('/proc/self/ns/pid').replace(/\D/g, ''));
    for (const text of ['', 'x', '///', `${boot}/${namespace}`, `a/b/c/d/${started}`]) {
      assert.equal(isKnownDead(text), false, JSON.stringify(text));
    }
  },
);

describe('the lease', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  // Silence is written into the lease, so that no test waits for it, and no slow machine can bring it.
  const timing = { heartbeatMs: 5_000, leaseMs: 30_000, pollMs: 20, graceMs: 1_000 };
  let accounts = 0;
  const newAccount = () => `account-${++accounts}`;
  const claim = (accountId: string, over: Partial<Parameters<typeof claimLease>[1]> = {}, pool = db.pool) =>
    claimLease(pool, {
      accountId,
      owner: randomUUID(),
      trigger: 'cli',
      scheduledFor: null,
      identity: { host: 'here', process: '' },
      timing,
      ...over,
    });
  const claimed = async (...args: Parameters<typeof claim>): Promise<Lease> => {
    const result = await claim(...args);
    assert.equal(result.kind, 'claimed');
    return result.lease;
  };
  const runs = (accountId: string) =>
    db.rows<{ run_id: string; status: string; error_code: string | null; host: string }>(
      `select run_id, status, error_code, host from risk.sync_runs join risk.accounts using (account_key)
        where account_id = $1 order by run_id`,
      [accountId],
    );
  const silence = (lease: Lease, ms: number) =>
    db.rows(
      `update risk_internal.leases set heartbeat_at = now() - $2 * interval '1 millisecond' where account_key = $1`,
      [lease.accountKey, ms],
    );
  const release = (lease: Lease) => inTransaction(db.pool, DEFAULT_LIMITS, (tx) => releaseLease(tx, lease));

  test('goes to the first run that asks, and adds the account', async () => {
    const accountId = newAccount();
    const result = await claim(accountId, { trigger: 'http' });
    assert.equal(result.kind, 'claimed');
    assert.ok(result.kind === 'claimed' && result.tookOver === null);
    const { lease } = result;
    assert.equal(lease.accountId, accountId);
    assert.equal(lease.trigger, 'http');
    assert.equal(lease.host, 'here');
    assert.ok(Math.abs(Date.parse(lease.startedAt) - Date.now()) < 60_000);
    assert.deepEqual(await runs(accountId), []);
  });

  test('is refused to a second run while the first one lives, and names the first run', async () => {
    const accountId = newAccount();
    const lease = await claimed(accountId);
    const second = await claim(accountId, { identity: { host: 'there', process: '' } });
    assert.ok(second.kind === 'held');
    assert.equal(second.holder.runId, lease.runId);
    assert.equal(second.holder.host, 'here');
    assert.equal(second.holder.startedAt.getTime(), Date.parse(lease.startedAt));
    assert.ok(second.holder.silentMs >= 0 && second.holder.silentMs < 30_000);
    assert.deepEqual(await runs(accountId), []);
  });

  test('takes only a few round trips to claim: the database may be 10 ms away', async (t) => {
    const accountId = newAccount();
    await release(await claimed(accountId));
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
      timing,
    });
    assert.equal(result.kind, 'claimed');
    assert.ok(trips <= 8, `${trips} round trips`);
  });

  test('does not keep other accounts from being claimed', async () => {
    const [one, other] = [newAccount(), newAccount()];
    assert.notEqual((await claimed(one)).accountKey, (await claimed(other)).accountKey);
  });

  test('is granted again to the same owner: a lost reply does no harm', async () => {
    const accountId = newAccount();
    const owner = randomUUID();
    const first = await claimed(accountId, { owner });
    await silence(first, 60_000);
    const again = await claim(accountId, { owner });
    assert.ok(again.kind === 'claimed' && again.tookOver === null);
    assert.deepEqual(again.lease, first);
    assert.deepEqual(await runs(accountId), []);
  });

  test('is taken over once it has expired, and the dead run is recorded as abandoned', async () => {
    const accountId = newAccount();
    const dead = await claimed(accountId, { identity: { host: 'dead-host', process: '' } });
    await silence(dead, 20_000);
    assert.equal((await claim(accountId)).kind, 'held');
    await silence(dead, 30_001);
    const taken = await claim(accountId);
    assert.ok(taken.kind === 'claimed');
    assert.equal(taken.tookOver, dead.runId);
    assert.ok(taken.lease.runId > dead.runId);
    assert.deepEqual(await runs(accountId), [
      { run_id: String(dead.runId), status: 'abandoned', error_code: 'ABANDONED', host: 'dead-host' },
    ]);
    // The new holder has a fresh heartbeat: a third run is refused.
    assert.equal((await claim(accountId)).kind, 'held');
  });

  test('is taken over at once from a process that is known to be dead', onLinux, async () => {
    const accountId = newAccount();
    const [boot, namespace] = processIdentity().process.split('/');
    const dead = await claimed(accountId, {
      identity: { host: 'here', process: `${boot}/${namespace}/4194305/1` },
    });
    const taken = await claim(accountId, { timing: LEASE_TIMING });
    assert.ok(taken.kind === 'claimed');
    assert.equal(taken.tookOver, dead.runId);
    assert.equal((await runs(accountId))[0]?.status, 'abandoned');
  });

  test('is renewed by a heartbeat, which shows progress and tells whether the lease is still its own', async () => {
    const accountId = newAccount();
    const lease = await claimed(accountId);
    await silence(lease, 60_000);
    assert.equal(await beat(db.pool, lease, { pages: 7 }), true);
    const [row] = await db.rows<{ progress: unknown; silent: boolean }>(
      `select progress, heartbeat_at < now() - interval '5 seconds' as silent from risk_internal.leases where account_key = $1`,
      [lease.accountKey],
    );
    assert.deepEqual(row, { progress: { pages: 7 }, silent: false });

    await silence(lease, 60_000);
    const other = await claimed(accountId);
    assert.equal(await beat(db.pool, lease, { pages: 8 }), false);
    assert.equal(await beat(db.pool, other, {}), true);
    await release(other);
    assert.equal(await beat(db.pool, other, {}), false);
  });

  test('lets its owner pass the fence, and stops a run that has lost it', async () => {
    const accountId = newAccount();
    const lease = await claimed(accountId);
    const pass = (who: Lease) => inTransaction(db.pool, DEFAULT_LIMITS, (tx) => fence(tx, who));
    await pass(lease);
    await silence(lease, 60_000);
    // No run has taken it over: the silent owner still holds it.
    await pass(lease);
    const other = await claimed(accountId);
    await assert.rejects(pass(lease), { code: 'LEASE_LOST', exit: 75 });
    await pass(other);
    await release(other);
    await assert.rejects(pass(other), { code: 'LEASE_LOST' });
  });

  test('cannot be taken over while its owner is inside the fence, not even by a claim that waits', async () => {
    const accountId = newAccount();
    const lease = await claimed(accountId);
    await silence(lease, 60_000);
    await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
      await fence(tx, lease);
      const result = await claim(accountId);
      assert.ok(result.kind === 'held', result.kind);
      assert.equal(result.holder.runId, lease.runId);
      await releaseLease(tx, lease);
    });
    assert.deepEqual(await runs(accountId), []);
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
      const lease = await claimed(accountId, { identity });
      await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
        await fence(tx, lease);
        const held = async () => {
          const result = await claim(accountId);
          assert.ok(result.kind === 'held');
          return judgeHolder(result.holder, timing, false);
        };
        assert.equal(await held(), 'running');
        child.kill('SIGKILL');
        await once(child, 'exit');
        assert.equal(await held(), 'expired');
      });
      await release(await claimed(accountId));
    },
  );

  test('is released only by its owner, which makes the account free', async () => {
    const accountId = newAccount();
    const lease = await claimed(accountId);
    await release(lease);
    const next = await claimed(accountId);
    await release(lease);
    assert.equal((await claim(accountId)).kind, 'held');
    await release(next);
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
      await release(lease);
    };
    const cron = { trigger: 'cron' as const, scheduledFor: slot };
    await finish(await claimed(accountId, cron), 'failed');
    const won = await claimed(accountId, cron);
    assert.equal(new Date(won.scheduledFor ?? '').getTime(), slot.getTime());
    await finish(won, 'succeeded');
    assert.deepEqual(await claim(accountId, cron), { kind: 'slot_done', runId: won.runId });
    const next = await claimed(accountId, { trigger: 'cron', scheduledFor: slotOf(1) });
    await release(next);
    // By hand, the account may run at any time.
    await release(await claimed(accountId));
    // Another account has its own slot.
    await release(await claimed(newAccount(), cron));
  });

  test('of a new account waits for the feed clock, until a signal ends the wait', async () => {
    const accountId = newAccount();
    const signal = new AbortController();
    const reason = new Error('stopped');
    await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
      await takeFeedValue(tx);
      const claiming = claim(accountId, { signal: signal.signal });
      claiming.catch(() => undefined);
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await db.rows(waiting)).length === 0) await sleep(10);
      signal.abort(reason);
      await assert.rejects(claiming, (error) => error === reason);
    });
    assert.deepEqual(await db.rows('select from risk.accounts where account_id = $1', [accountId]), []);
    await release(await claimed(accountId));
  });

  test('is not given for a retired account', async () => {
    const accountId = newAccount();
    await release(await claimed(accountId));
    await db.rows('update risk.accounts set retired_at = now() where account_id = $1', [accountId]);
    await assert.rejects(claim(accountId), { code: 'ACCOUNT_RETIRED', exit: 78 });
  });

  for (const state of ['of a new account', 'of a known account', 'that has expired']) {
    test(`thirty simultaneous claims for a lease ${state}: exactly one wins`, async (t) => {
      const pool = testPool(db.url, 30);
      t.after(() => pool.end());
      // Open the connections first, so that the claims themselves collide.
      await Promise.all(Array.from({ length: 30 }, () => pool.query('select pg_sleep(0.05)')));
      const accountId = newAccount();
      if (state !== 'of a new account') {
        const lease = await claimed(accountId);
        if (state === 'that has expired') await silence(lease, 60_000);
        else await release(lease);
      }
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          claim(
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
      assert.equal((await runs(accountId)).length, state === 'that has expired' ? 1 : 0);
      assert.equal(await beat(db.pool, winner.lease, {}), true);
    });
  }

  describe('after a COMMIT without a reply', () => {
    const publishRow = async (lease: Lease, snapshotId: number) => {
      await db.rows(
        `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count,
           carried_count, event_count, appeared, raised, lowered, cleared, returned)
         values ($1, $2, date_trunc('milliseconds', now()), 'complete', true, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
        [lease.accountKey, snapshotId],
      );
      await db.rows('update risk_internal.feed_clock set last_snapshot_id = $1', [snapshotId]);
    };
    const runRow = sql.raw(
      'insert into risk.sync_runs (account_key, run_id, trigger, status, verdict, started_at, finished_at, host, snapshot_id, feed_id) values',
    );

    test('a run without a row was not published', async () => {
      const lease = await claimed(newAccount());
      assert.equal(await findPublished(db.pool, lease), null);
    });

    test('a run that failed was not published', async () => {
      const lease = await claimed(newAccount());
      await db.rows(
        `insert into risk.sync_runs (account_key, run_id, trigger, status, started_at, finished_at, host, error_code, feed_id)
         values ($1, $2, 'cli', 'failed', now(), now(), 'h', 'X', 1)`,
        [lease.accountKey, lease.runId],
      );
      assert.equal(await findPublished(db.pool, lease), null);
    });

    for (const end of ['commits', 'rolls back'] as const) {
      test(`findPublished waits for the old transaction to end: it ${end}`, async () => {
        const lease = await claimed(newAccount());
        const snapshotId = 1_000_000 + lease.runId;
        await publishRow(lease, snapshotId);
        let answered = false;
        let finding: ReturnType<typeof findPublished> | undefined;
        await inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => {
          await fence(tx, lease);
          await tx.execute(
            sql`${runRow} (${lease.accountKey}, ${lease.runId}, 'cli', 'succeeded', 'complete', now(), now(), 'h', ${snapshotId}, ${snapshotId})`,
          );
          await releaseLease(tx, lease);
          finding = findPublished(db.pool, lease).then((found) => {
            answered = true;
            return found;
          });
          await sleep(150);
          assert.equal(answered, false, 'a plain read would have answered already');
          if (end === 'rolls back') throw new Error('rolled back');
        }).catch((error: Error) => assert.equal(error.message, 'rolled back'));
        assert.deepEqual(await finding, end === 'commits' ? { snapshotId } : null);
      });
    }
  });
});
