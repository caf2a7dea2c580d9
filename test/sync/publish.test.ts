// What publish refuses, on staged rows and a lease of its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimLease, LEASE_TIMING, type Lease } from '../../src/sync/lease.ts';
import { publish, type PublishRequest } from '../../src/sync/publish.ts';
import { createStager } from '../../src/sync/stage.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/migrated-database.ts';

describe('publish', () => {
  let db: MigratedDatabase;
  let lease: Lease;
  let request: PublishRequest;

  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  beforeEach(async () => {
    const claim = await claimLease(db.pool, {
      accountId: `account-${randomUUID()}`,
      owner: randomUUID(),
      trigger: 'cli',
      scheduledFor: null,
      identity: { host: 'here', process: '' },
      timing: LEASE_TIMING,
    });
    assert.ok(claim.kind === 'claimed');
    ({ lease } = claim);
    const stager = createStager(db.pool, lease);
    const user = {
      user_id: randomUUID(),
      email: null,
      name: null,
      max_risk_level: 'high' as const,
      event_count: 1,
      last_event: '2026-01-01T00:00:00.000001Z',
    };
    await stager.add({ pass: 1, page: 1, readOrder: 0, users: [user], rejected: [] });
    await stager.flush();
    request = {
      lease,
      observedAt: lease.startedAt,
      verdict: 'complete',
      expectedUnseen: null,
      acknowledged: stager.acknowledged(),
      records: 1,
      unreadable: 0,
      answers: { confirmation: 'asked', byUser: new Map() },
      acceptMassClear: false,
      maxClearedRatio: 0.5,
      dryRun: false,
      facts: {
        passes: 1,
        pages: 1,
        requests: 1,
        retries: 0,
        bytes: 0,
        usersMet: 1,
        duplicates: 0,
        rejected: 0,
        totalFirst: 1,
        totalLast: 1,
        lookups: 0,
        evidence: {},
      },
    };
  });

  const published = async (): Promise<number> =>
    (await db.rows(`select from risk.snapshots where account_key = ${lease.accountKey}`)).length;

  test('publishes what was staged under its own lease, and gives the lease free', async () => {
    const result = await publish(db.pool, request);
    assert.equal(result.users, 1);
    assert.equal(await published(), 1);
    assert.deepEqual(
      await db.rows(`select from risk_internal.leases where account_key = ${lease.accountKey}`),
      [],
    );
  });

  // A takeover also empties staging, which alone would stop most late publishers, but not one of an empty account.
  test('refuses a lease that is somebody else’s by now, though everything it staged is there', async () => {
    await db.pool.query('update risk_internal.leases set owner = $1 where account_key = $2', [
      randomUUID(),
      lease.accountKey,
    ]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  test('refuses a lease that is gone', async () => {
    await db.pool.query('delete from risk_internal.leases where account_key = $1', [lease.accountKey]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  test('refuses staging that does not hold what was acknowledged, in either direction', async () => {
    for (const rows of [0, 2]) {
      await assert.rejects(publish(db.pool, { ...request, acknowledged: new Map([[1, rows]]) }), {
        code: 'STAGING_LOST',
      });
    }
    assert.equal(await published(), 0);
  });

  /** Runs `work` while another transaction holds what `sql` locks, and publish waits for it. */
  async function whileWaiting(
    sql: string,
    work: (release: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const other = await db.pool.connect();
    await other.query('begin');
    await other.query(sql);
    let open = true;
    const release = async () => {
      if (open) await other.query('rollback');
      open = false;
    };
    try {
      await work(release);
    } finally {
      await release();
      other.release();
    }
  }
  const comesToWait = async () => {
    for (let tries = 0; !(await isWaiting()); tries += 1) {
      assert.ok(tries < 2_000, 'nobody waits');
      await sleep(5);
    }
  };
  const isWaiting = async () =>
    (
      await db.rows(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
    ).length > 0;
  test('that is tried again and again beats in between: another claimer never finds its lease run out', async () => {
    // The server refuses two attempts as it does when another account holds the feed clock for too long; a sequence is not rolled back.
    await db.pool.query(`
      create sequence public.refused;
      create function public.refuse() returns trigger language plpgsql as $$ begin
        if nextval('public.refused') <= 2 then raise exception 'injected' using errcode = '55P03'; end if;
        return null;
      end $$;
      create trigger refuse after insert on risk.snapshots for each statement execute function public.refuse()`);
    // Longer than each pause (0.5 and 1 s), and shorter than both.
    const timing = { ...LEASE_TIMING, leaseMs: 1_400 };
    await db.pool.query('update risk_internal.leases set heartbeat_at = now() where account_key = $1', [
      lease.accountKey,
    ]);
    const ended = new AbortController();
    const claimer = (async () => {
      while (!ended.signal.aborted) {
        const claim = await claimLease(db.pool, {
          accountId: lease.accountId,
          owner: randomUUID(),
          trigger: 'cron',
          scheduledFor: null,
          identity: { host: 'there', process: '' },
          timing,
        });
        if (claim.kind === 'claimed') return claim.tookOver ?? 'after the end';
        await sleep(20);
      }
      return 'nothing';
    })();
    try {
      await publish(db.pool, request);
    } finally {
      ended.abort();
      const took = await claimer;
      await db.pool.query(
        'drop trigger refuse on risk.snapshots; drop function public.refuse(); drop sequence public.refused',
      );
      assert.notEqual(took, lease.runId);
    }
    assert.equal(await published(), 1);
  });

  const FEED_CLOCK = 'select 1 from risk_internal.feed_clock for update';

  test('is rolled back when it is cancelled, and the same staging can be published later', async () => {
    const cancel = new AbortController();
    const reason = new Error('enough');
    await whileWaiting(FEED_CLOCK, async () => {
      const publishing = publish(db.pool, request, { cancel: cancel.signal });
      publishing.catch(() => undefined);
      await comesToWait();
      const began = performance.now();
      cancel.abort(reason);
      await assert.rejects(publishing, (error) => error === reason);
      // The limit on the lock it waits for would have ended it after 20 s.
      assert.ok(performance.now() - began < 15_000);
    });
    assert.equal(await published(), 0);
    assert.equal(await isWaiting(), false);
    assert.notEqual((await publish(db.pool, request)).snapshotId, null);
  });

  test('that was cancelled between two statements is rolled back, too, and no later statement is hit', async () => {
    const cancel = new AbortController();
    const reason = new Error('enough');
    const failpoint = async () => {
      cancel.abort(reason);
      await sleep(250);
    };
    await assert.rejects(
      publish(db.pool, request, { cancel: cancel.signal, failpoint }),
      (e) => e === reason,
    );
    assert.equal(await published(), 0);
    for (let n = 0; n < 30; n += 1) await db.rows('select 1');
  });

  test('waits for a migration that is under way, and refuses what it leaves behind', async () => {
    await whileWaiting(`select pg_advisory_xact_lock(2054451827)`, async (release) => {
      const publishing = publish(db.pool, request);
      publishing.catch(() => undefined);
      await comesToWait();
      await db.pool.query(
        `insert into risk_internal.migrations (hash, created_at) values ('of a newer release', 4102444800000)`,
      );
      await release();
      await assert.rejects(publishing, { code: 'DATABASE_NEWER', exit: 78 });
    });
    assert.equal(await published(), 0);
    await db.pool.query(`delete from risk_internal.migrations where hash = 'of a newer release'`);
  });

  test('is waited for by a migration', async () => {
    let migrated = false;
    let migrating: Promise<unknown> = Promise.resolve();
    const failpoint = async () => {
      migrating = db.pool
        .query(`select pg_advisory_lock(2054451827), pg_advisory_unlock(2054451827)`)
        .then(() => (migrated = true));
      await comesToWait();
      assert.equal(migrated, false);
    };
    await publish(db.pool, request, { failpoint });
    await migrating;
    assert.equal(await published(), 1);
  });
});
