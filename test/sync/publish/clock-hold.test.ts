// All accounts wait while one transaction holds the feed clock: few round trips, and no limit that fails a waiting
// transaction.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { imports } from '../../../src/db/schema.ts';
import { OperatorError } from '../../../src/errors.ts';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import type { Lease } from '../../../src/sync/claim/lease.ts';
import { publish } from '../../../src/sync/publish/publish.ts';
import { recordFailure } from '../../../src/sync/record-run.ts';
import { labelAccount } from '../../../src/upkeep/accounts.ts';
import type { Pool } from '../../../src/db/pool.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { claimAccount, claimRequest, newAccount } from '../../support/database/claimed-leases.ts';
import { clockWatch } from '../../support/database/clock-watch.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { emptyFacts, lookAt } from '../../support/world/publish-request.ts';

const FAILED = new OperatorError({ code: 'NETWORK', happened: "it's", means: 'b', todo: 'c' });

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const record = () => ({
  user_id: randomUUID(),
  email: null,
  name: null,
  max_risk_level: 'high',
  event_count: 1,
  last_event: '2026-01-01T00:00:00.000001Z',
});

async function requestOf(lease: Lease, users = 1) {
  const look = await lookAt(db.pool, lease);
  await look.meet(Array.from({ length: users }, record));
  return look.request();
}

const claim = (pool: Pool, accountId: string) => claimLease(pool, claimRequest(accountId));

describe('a transaction that holds the feed clock needs three round trips, up to the reply to COMMIT:', () => {
  const writers: [title: string, prepare: (lease: Lease) => Promise<(pool: Pool) => Promise<unknown>>][] = [
    [
      'a publish with changes of every kind',
      async (lease) => {
        const look = await lookAt(db.pool, lease);
        const there = [record(), record(), record()];
        await look.meet(there);
        await publish(db.pool, await look.request());
        const next = await lookAt(db.pool, await claimAccount(db.pool, lease.accountId));
        await next.meet([
          { ...there[0]!, max_risk_level: 'low', name: "O'Brien" },
          { ...there[1]!, event_count: 9 },
          record(),
        ]);
        const request = await next.request();
        return (pool) => publish(pool, request);
      },
    ],
    [
      'a publish of an import, with the digests of its files',
      async (lease) => {
        const request = await requestOf(lease);
        return (pool) =>
          publish(pool, request, {
            alongside: (tx, { accountKey, snapshotId, observedAt }) => [
              {
                sql: tx.insert(imports).values({
                  account_key: accountKey,
                  observed_at: observedAt,
                  digest: 'a'.repeat(64),
                  snapshot_id: snapshotId,
                }),
                rows: 1,
              },
            ],
          });
      },
    ],
    ['a failed run', async (lease) => (pool) => recordFailure(pool, lease, emptyFacts(), FAILED, false)],
    [
      'an abandoned run',
      async (lease) => {
        await db.rows(
          `update risk_internal.leases set heartbeat_at = now() - interval '1 hour' where account_key = $1`,
          [lease.accountKey],
        );
        return (pool) => claim(pool, lease.accountId);
      },
    ],
    ['a label', async (lease) => (pool) => labelAccount(pool, lease.accountId, "the people's")],
    ['a new account', async () => (pool) => claim(pool, newAccount())],
  ];
  for (const [title, prepare] of writers) {
    test(title, async (t) => {
      // The first writer in a place begins an epoch.
      const write = await prepare(await claimAccount(db.pool));
      const pool = testPool(db.url);
      t.after(() => pool.end());
      const watch = clockWatch(pool);
      await write(pool);
      assert.equal(watch.trips(), 3, watch.texts().join('\n---\n'));
      assert.equal(watch.texts().at(-1), 'commit');
    });
  }
});

describe('a run that waits for the feed clock', () => {
  const CLOCK = 'begin; select from risk_internal.feed_clock for update';
  /** Holds the clock while `work` runs. */
  async function whileHeld(
    work: (pid: number, release: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const holder = await db.pool.connect();
    let isHeld = true;
    const release = async () => {
      if (isHeld) await holder.query('rollback');
      isHeld = false;
    };
    try {
      const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
      await holder.query(CLOCK);
      await work(rows[0]!.pid, release);
    } finally {
      await release();
      holder.release();
    }
  }

  test('waits longer than its limit for other locks, says once who holds the clock, and publishes', async () => {
    const request = await requestOf(await claimAccount(db.pool));
    const told: string[] = [];
    await whileHeld(async (pid, release) => {
      const heard = Promise.withResolvers<void>();
      const publishing = publish(db.pool, request, {
        limits: { lockMs: 300 },
        onWait(heldBy) {
          told.push(heldBy);
          heard.resolve();
        },
      });
      publishing.catch(() => undefined);
      await Promise.race([heard.promise, publishing]);
      await sleep(1_000);
      assert.equal(told.length, 1);
      assert.match(told[0]!, new RegExp(`^process ${pid} \\(user .*, in a transaction since `));
      await release();
      await publishing;
    });
  });

  test('has no limit of the server or of the driver, and has the usual ones afterwards', async (t) => {
    const request = await requestOf(await claimAccount(db.pool));
    const pool = testPool(db.url);
    t.after(() => pool.end());
    const asked: { text: string; query_timeout?: number }[] = [];
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        if (typeof args[0] === 'object') asked.push(args[0] as never);
        return query(...args);
      }) as typeof client.query;
    });
    await publish(pool, request);
    const tick = asked.find(({ text }) => text?.includes('"feed_clock" set'))!;
    assert.match(tick.text, /set local lock_timeout = 0;[^;]*;\s*set local statement_timeout = 0;/);
    assert.match(
      tick.text,
      /set local lock_timeout = 20000;[^;]*;\s*set local statement_timeout = 25000; end \$set\$$/,
    );
    assert.ok(tick.query_timeout! >= 3_600_000);
  });

  test('and has failed gives up when it is cancelled, and the next run records it as abandoned', async () => {
    const lease = await claimAccount(db.pool);
    const cancel = new AbortController();
    const reason = new Error('enough');
    await whileHeld(async () => {
      const recording = recordFailure(db.pool, lease, emptyFacts(), FAILED, false, cancel.signal);
      recording.catch(() => undefined);
      await untilLockWaiters(db.pool);
      cancel.abort(reason);
      await assert.rejects(recording, (error) => error === reason);
    });
    await db.rows(
      `update risk_internal.leases set heartbeat_at = now() - interval '1 hour' where account_key = $1`,
      [lease.accountKey],
    );
    const next = await claim(db.pool, lease.accountId);
    assert.ok(next.kind === 'claimed' && next.tookOver === lease.runId);
  });

  test('gives up soon after a signal, but a publish that does not wait goes on', async () => {
    const [waits, goesOn] = [await claimAccount(db.pool), await claimAccount(db.pool)];
    const request = await requestOf(waits);
    const signal = new AbortController();
    const reason = new Error('stopped');
    await whileHeld(async () => {
      const publishing = publish(db.pool, request, { endWait: signal.signal });
      publishing.catch(() => undefined);
      await untilLockWaiters(db.pool);
      signal.abort(reason);
      await assert.rejects(publishing, (error) => error === reason);
    });
    await publish(db.pool, await requestOf(goesOn), { endWait: signal.signal });
  });

  test('keeps its turn: publishes get the clock in order of arrival', async (t) => {
    const pool = testPool(db.url, 30);
    t.after(() => pool.end());
    const requests = await Promise.all(
      Array.from({ length: 12 }, async () => requestOf(await claimAccount(pool))),
    );
    const publishing: Promise<{ snapshotId: number }>[] = [];
    await whileHeld(async (_, release) => {
      for (const request of requests) {
        publishing.push(publish(pool, request));
        publishing.at(-1)!.catch(() => undefined);
        await untilLockWaiters(db.pool, publishing.length);
      }
      await release();
      const ids = (await Promise.all(publishing)).map(({ snapshotId }) => snapshotId);
      assert.deepEqual(
        ids,
        ids.toSorted((a, b) => a - b),
      );
    });
  });

  test('keeps its account although its heartbeats have stopped: no other run takes it over', async () => {
    const lease = await claimAccount(db.pool);
    const request = await requestOf(lease);
    await whileHeld(async (_, release) => {
      await db.rows(
        `update risk_internal.leases set heartbeat_at = now() - interval '1 hour' where account_key = $1`,
        [lease.accountKey],
      );
      const publishing = publish(db.pool, request);
      publishing.catch(() => undefined);
      await untilLockWaiters(db.pool);
      const other = await claim(db.pool, lease.accountId);
      assert.ok(other.kind === 'held' && other.holder.runId === lease.runId);
      await release();
      await publishing;
    });
  });

  test('goes on when the holder has stopped in the middle: the server ends the holder, which publishes later', async () => {
    const stopped = await requestOf(await claimAccount(db.pool));
    const waiting = await Promise.all([1, 2, 3].map(async () => requestOf(await claimAccount(db.pool))));
    const [holds, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let attempts = 0;
    const holder = publish(db.pool, stopped, {
      limits: { idleMs: 500 },
      async failpoint(name) {
        if (name !== 'publishing') return;
        attempts++;
        holds.resolve();
        // No client is left to send the next statement.
        if (attempts === 1) await others.promise;
      },
    });
    holder.catch(() => undefined);
    await holds.promise;
    const pool = testPool(db.url, 12);
    try {
      const published = await Promise.all(waiting.map((request) => publish(pool, request)));
      others.resolve();
      const { snapshotId } = await holder;
      assert.equal(attempts, 2);
      assert.ok(published.every((one) => one.snapshotId < snapshotId));
    } finally {
      others.resolve();
      await pool.end();
    }
  });
});
