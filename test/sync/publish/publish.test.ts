// What publish refuses, waits for and retries: on a state that was read and records that were compared, under its own
// lease.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimLease } from '../../../src/sync/claim/claim-lease.ts';
import { LEASE_TIMING, type Lease } from '../../../src/sync/claim/lease.ts';
import { publish, type PublishRequest } from '../../../src/sync/publish/publish.ts';
import { lockWaiters, untilLockWaiters } from '../../support/database/lock-waits.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { startFaultProxy } from '../../support/faults/fault-proxy.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { lookAt } from '../../support/world/publish-request.ts';

const record = (over: Record<string, unknown> = {}) => ({
  user_id: randomUUID(),
  email: null,
  name: null,
  max_risk_level: 'high',
  event_count: 1,
  last_event: '2026-01-01T00:00:00.000001Z',
  ...over,
});

describe('publish', () => {
  let db: MigratedDatabase;
  let lease: Lease;
  let request: PublishRequest;

  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  /** Reads the account, and compares `records` with it. */
  async function compared(records: readonly unknown[]): Promise<PublishRequest> {
    const look = await lookAt(db.pool, lease);
    await look.meet(records);
    return look.request();
  }

  beforeEach(async () => {
    lease = await claimAccount(db.pool);
    request = await compared([record()]);
  });

  const published = async (): Promise<number> =>
    (await db.rows(`select from risk.snapshots where account_key = ${lease.accountKey}`)).length;

  test('publishes what was compared under its own lease, releases the lease, and leaves nothing staged', async () => {
    const { counts } = await publish(db.pool, request);
    assert.deepEqual([counts.appeared, counts.sums.high.users], [1, 1]);
    assert.equal(await published(), 1);
    assert.deepEqual(
      await db.rows(`select from risk_internal.leases where account_key = ${lease.accountKey}`),
      [],
    );
    assert.deepEqual(await db.rows('select from risk_internal.staged_changes'), []);
  });

  // The run that took over may not have published yet. Then the state is still the one that was read.
  test('refuses a lease that now belongs to another run, although the state has not changed', async () => {
    await db.pool.query('update risk_internal.leases set owner = $1 where account_key = $2', [
      randomUUID(),
      lease.accountKey,
    ]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  test('refuses a lease that does not exist any more', async () => {
    await db.pool.query('delete from risk_internal.leases where account_key = $1', [lease.accountKey]);
    await assert.rejects(publish(db.pool, request), { code: 'LEASE_LOST' });
    assert.equal(await published(), 0);
  });

  describe('refuses a state that has changed since it was read, and does not retry:', () => {
    const id = randomUUID();
    const there = (over: Record<string, unknown> = {}) => record({ user_id: id, ...over });
    const ofUser = () => `account_key = ${lease.accountKey} and user_id = '${id}'`;
    const ofKey = () =>
      `account_key = ${lease.accountKey} and user_key = (select user_key from risk.users where ${ofUser()})`;
    const cases: [title: string, records: () => unknown[], meanwhile: () => string][] = [
      [
        'another writer has published',
        () => [there({ event_count: 2 })],
        () =>
          `update risk_internal.account_writers set last_snapshot_id = last_snapshot_id + 1 where account_key = ${lease.accountKey}`,
      ],
      [
        'the newest commit is lost, and its snapshot with it',
        () => [there()],
        () =>
          `update risk_internal.account_writers set last_snapshot_id = last_snapshot_id - 1 where account_key = ${lease.accountKey}`,
      ],
      [
        'the account has no row in account_writers any more',
        () => [there()],
        () => `delete from risk_internal.account_writers where account_key = ${lease.accountKey}`,
      ],
      [
        'a changed user is gone',
        () => [there({ event_count: 2 })],
        () => `delete from risk.users where ${ofUser()}`,
      ],
      [
        'a changed user has another level now',
        () => [there({ event_count: 2 })],
        () => `update risk.users set max_risk_level = 'low' where ${ofUser()}`,
      ],
      [
        'the open level of a user whose level changed is gone',
        () => [there({ max_risk_level: 'low' })],
        () => `delete from risk.user_levels where ${ofKey()}`,
      ],
      [
        'the open level of a user whose level changed is another one',
        () => [there({ max_risk_level: 'low' })],
        () => `update risk.user_levels set max_risk_level = 'medium' where ${ofKey()}`,
      ],
      [
        'the open identity of a user who was renamed is gone',
        () => [there({ name: 'Another' })],
        () => `delete from risk.user_identities where ${ofKey()}`,
      ],
      ['a missing user is gone', () => [record()], () => `delete from risk.users where ${ofUser()}`],
      [
        'a missing user is already marked as absent',
        () => [record()],
        () => `update risk.users set absent_since = now() where ${ofUser()}`,
      ],
      [
        'a new user already exists',
        () => [there(), there({ user_id: '00000000-0000-4000-8000-000000000001' })],
        () =>
          `insert into risk.users select account_key, user_key + 1000, '00000000-0000-4000-8000-000000000001', max_risk_level, event_count,
             last_event, level_since, identity_since, first_seen_at, absent_since, cleared_at, snapshot_id from risk.users where ${ofUser()}`,
      ],
      [
        'the key of a new user is taken',
        () => [there(), record()],
        () =>
          `insert into risk.users select account_key, user_key + 1, '00000000-0000-4000-8000-000000000002', max_risk_level, event_count,
             last_event, level_since, identity_since, first_seen_at, absent_since, cleared_at, snapshot_id from risk.users where ${ofUser()}`,
      ],
    ];
    for (const [title, records, meanwhile] of cases) {
      test(title, async () => {
        await publish(db.pool, await compared([there()]));
        lease = await claimAccount(db.pool, lease.accountId);
        const moved = await compared(records());
        const meddled = await db.pool.query(meanwhile());
        assert.equal(meddled.rowCount, 1);
        const clock = 'select last_snapshot_id from risk_internal.feed_clock';
        const before = await db.rows(clock);
        let attempts = 0;
        await assert.rejects(
          publish(db.pool, {
            ...moved,
            readChanges() {
              attempts++;
              return moved.readChanges();
            },
          }),
          { code: 'STATE_MOVED', exit: 75 },
        );
        assert.equal(attempts, 1);
        assert.equal(await published(), 1);
        assert.deepEqual(await db.rows(clock), before);
        assert.deepEqual(await db.rows('select from risk_internal.staged_changes'), []);
      });
    }
  });

  test('refuses a first publish when another run has published first', async () => {
    await db.pool.query(
      `insert into risk_internal.account_writers (account_key, last_user_key, last_snapshot_id) values ($1, 1, 1)
         on conflict (account_key) do update set last_user_key = 1, last_snapshot_id = 1`,
      [lease.accountKey],
    );
    await assert.rejects(publish(db.pool, request), { code: 'STATE_MOVED' });
    assert.equal(await published(), 0);
  });

  describe('refuses staged changes when their number differs from the sent ones:', () => {
    const lose = `create function public.lose() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger lose before insert on risk_internal.staged_changes for each row execute function public.lose()`;
    const double = `create function public.double() returns trigger language plpgsql as $$ begin
        if pg_trigger_depth() = 1 then insert into risk_internal.staged_changes select new.*; end if; return null; end $$;
      create trigger double after insert on risk_internal.staged_changes for each row execute function public.double()`;
    for (const [title, name, sql] of [
      ['some are lost', 'lose', lose],
      ['some are doubled', 'double', double],
    ] as const) {
      test(title, async () => {
        await db.pool.query(sql);
        try {
          await assert.rejects(publish(db.pool, request), { code: 'STATE_MOVED' });
        } finally {
          await db.pool.query(
            `drop trigger ${name} on risk_internal.staged_changes; drop function public.${name}()`,
          );
        }
        assert.equal(await published(), 0);
      });
    }
  });

  /** Runs `work` while another transaction holds what `sql` locks, and publish waits for it. */
  async function whileWaiting(
    sql: string,
    work: (release: (how?: 'commit') => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const other = await db.pool.connect();
    await other.query('begin');
    await other.query(sql);
    let open = true;
    const release = async (how: 'commit' | 'rollback' = 'rollback') => {
      if (open) await other.query(how);
      open = false;
    };
    try {
      await work(release);
    } finally {
      await release();
      other.release();
    }
  }
  test('that is retried sends heartbeats in between: another run never finds its lease expired', async () => {
    // The server refuses two attempts, as if another account held the feed clock for too long. A sequence is not rolled
    // back.
    await db.pool.query(`
      create sequence public.refused;
      create function public.refuse() returns trigger language plpgsql as $$ begin
        if nextval('public.refused') <= 2 then raise exception 'injected' using errcode = '55P03'; end if;
        return null;
      end $$;
      create trigger refuse after insert on risk.snapshots for each statement execute function public.refuse()`);
    // Longer than each pause (0.5 and 1 s), and shorter than both together.
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

  test('is rolled back when it is cancelled, and the same changes can be published later', async () => {
    const cancel = new AbortController();
    const reason = new Error('enough');
    await whileWaiting(FEED_CLOCK, async () => {
      const publishing = publish(db.pool, request, { cancel: cancel.signal });
      publishing.catch(() => undefined);
      await untilLockWaiters(db.pool);
      const began = performance.now();
      cancel.abort(reason);
      await assert.rejects(publishing, (error) => error === reason);
      // Its lock timeout would have ended it after 20 s.
      assert.ok(performance.now() - began < 15_000);
      // The server itself has ended the wait: the client has not merely stopped listening.
      assert.equal(await lockWaiters(db.pool), 0);
    });
    assert.equal(await published(), 0);
    await publish(db.pool, request);
    assert.equal(await published(), 1);
  });

  for (const [at, when] of [
    ['copied', 'before anything is locked'],
    ['publishing', 'when all is written'],
  ] as const) {
    test(`that was cancelled between two statements, ${when}, is also rolled back, and no later statement is affected`, async () => {
      const cancel = new AbortController();
      const reason = new Error('enough');
      const failpoint = async (name: string) => {
        if (name !== at) return;
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
  }

  const MIGRATING = 'lock table risk_internal.migrations in exclusive mode';

  test('does not say whether it published when the database becomes unreachable at COMMIT and stays unreachable', async (t) => {
    const proxy = await startFaultProxy(db.url);
    const pool = testPool(proxy.url);
    t.after(async () => {
      await pool.end();
      await proxy.close();
    });
    const failpoint = async (name: string) => {
      if (name !== 'publishing') return;
      proxy.cutAt(/^commit$/i, 'after');
      await proxy.refuse();
    };
    const began = performance.now();
    await assert.rejects(publish(pool, request, { failpoint }), { code: 'COMMIT_UNKNOWN', exit: 75 });
    // A restart of the database would be over by then.
    assert.ok(performance.now() - began > 7_000);
    assert.equal(await published(), 1);
  });

  test('waits for a migration under way, and refuses the newer database that it leaves', async () => {
    const migrating = `${MIGRATING}; insert into risk_internal.migrations (hash, created_at) values ('of a newer release', 4102444800000)`;
    await whileWaiting(migrating, async (release) => {
      const publishing = publish(db.pool, request);
      publishing.catch(() => undefined);
      await untilLockWaiters(db.pool);
      await release('commit');
      await assert.rejects(publishing, { code: 'DATABASE_NEWER', exit: 78 });
    });
    assert.equal(await published(), 0);
    await db.pool.query(`delete from risk_internal.migrations where hash = 'of a newer release'`);
  });

  test('makes a migration wait', async () => {
    let migrated = false;
    let migrating: Promise<unknown> = Promise.resolve();
    const failpoint = async (name: string) => {
      if (name !== 'publishing') return;
      migrating = db.pool.query(`begin; ${MIGRATING}; rollback`).then(() => (migrated = true));
      await untilLockWaiters(db.pool);
      assert.equal(migrated, false);
    };
    await publish(db.pool, request, { failpoint });
    await migrating;
    assert.equal(await published(), 1);
  });
});
