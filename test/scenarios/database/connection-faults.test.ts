// Database connections that break, stall, or cannot be made: line 17 of the faults in docs/reliability.md, and the
// parts of line 18 that need no separate server. Each test ends with a healthy database, and checks every promise.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import dns from 'node:dns';
import { after, afterEach, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Pool } from '../../../src/db/pool.ts';
import { untilLockWaiters } from '../../support/database/lock-waits.ts';
import { startFaultProxy, type FaultProxy } from '../../support/faults/fault-proxy.ts';
import { startScenario, type Account, type Scenario } from '../../support/faults/fault-scenario.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';

const LEASE = { heartbeatMs: 100, leaseMs: 700, pollMs: 50, graceMs: 1_000 };

let db: MigratedDatabase;
let scenario: Scenario;
let proxy: FaultProxy;
/** Through the proxy. */
let pool: Pool;
before(async () => {
  db = await migratedDatabase();
  scenario = await startScenario({ databaseUrl: db.url });
  proxy = await startFaultProxy(db.url);
  pool = testPool(proxy.url);
});
after(async () => {
  await pool.end();
  await proxy.close();
  await scenario.close();
  await db.close();
});

afterEach(async () => {
  scenario.api.onRequest(null);
  await proxy.heal();
});

/** An account with a snapshot from a day ago. */
async function yesterdays(): Promise<Account> {
  const account = scenario.account();
  await account.succeed();
  scenario.later();
  return account;
}

/** Once, when a run reaches this point. */
function once<Name extends string>(at: Name, work: () => unknown) {
  let done = false;
  return async (name: Name | (string & {})) => {
    if (name !== at || done) return;
    done = true;
    await work();
  };
}

/** Ends sessions of the program, as an administrator or a failing host does. Returns how many. */
async function terminate(state: string): Promise<number> {
  const rows = await db.rows(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and state = $1`,
    [state],
  );
  return rows.length;
}

// 17

for (const [where, statement] of [
  ['while the state is read', /^copy \(.*to stdout/s],
  ['in the middle of COPY', /^copy data$/],
  ['while the feed clock advances', /update "risk_internal"\."feed_clock"/],
  ['while users are written', /update "risk"\."users"/],
  ['while the run is recorded', /insert into "risk"\."sync_runs"/],
] as const) {
  test(`a connection that breaks ${where}: retried, one success, one snapshot`, async () => {
    // The data of a COPY has no reply that could be lost.
    for (const cut of where.endsWith('COPY') ? (['before'] as const) : (['before', 'after'] as const)) {
      const account = await yesterdays();
      const cuts = proxy.cuts();
      await account.succeed({ pool, failpoint: once('claimed', () => proxy.cutAt(statement, cut)) });
      assert.equal(proxy.cuts() - cuts, 1);
      await account.assertPromises({ pool });
    }
  });
}

test('a lost reply to the COMMIT of a publish: the snapshot is found, and not published twice', async () => {
  for (const cut of ['before', 'after', 'late'] as const) {
    const account = await yesterdays();
    const cuts = proxy.cuts();
    await account.succeed({ pool, failpoint: once('publishing', () => proxy.cutAt(/^commit$/i, cut)) });
    assert.equal(proxy.cuts() - cuts, 1);
    const snapshots = await db.rows(
      'select 1 from risk.snapshots join risk.accounts using (account_key) where account_id = $1',
      [account.id],
    );
    assert.equal(snapshots.length, 2);
    await account.assertPromises({ pool });
  }
});

test('a session that is terminated during a publish: rolled back and retried', async () => {
  const account = await yesterdays();
  let ended = 0;
  const failpoint = once('publishing', async () => (ended = await terminate('idle in transaction')));
  await account.succeed({ failpoint });
  assert.equal(ended, 1);
  await account.assertPromises();
});

for (const point of ['claimed', 'reading', 'walked', 'asked'] as const) {
  test(`idle pool connections that are terminated when ${point}: replaced, and the run goes on`, async (t) => {
    const account = await yesterdays();
    const own = testPool(db.url);
    t.after(() => own.end());
    let ended = 0;
    await account.succeed({
      pool: own,
      failpoint: once(point, async () => (ended = await terminate('idle'))),
    });
    assert.ok(ended > 0);
    await account.assertPromises({ pool: own });
  });
}

test('connections that are cut after any number of bytes: the run succeeds or fails with exit 75, and nothing is half written', async (t) => {
  for (const direction of ['to server', 'to client'] as const) {
    for (const bytes of [0, 300, 2_500, 11_000, 16_000]) {
      const account = await yesterdays();
      proxy.cutAfter(bytes, direction);
      const { error } = await account.sync({ pool, lease: LEASE });
      t.diagnostic(`${bytes} bytes ${direction}: ${error?.code ?? 'succeeded'}`);
      assert.ok(error === null || error.exit === 75, error?.message);
      await proxy.heal();
      await account.assertPromises({ pool, lease: LEASE });
    }
  }
});

test('all connections reset (RST) between pages: the run goes on', async () => {
  const account = await yesterdays();
  let reset = 0;
  scenario.api.onRequest(({ page }) => {
    if (page === 4 && reset === 0) reset = proxy.reset();
  });
  await account.succeed({ pool });
  assert.ok(reset > 0);
  await account.assertPromises({ pool });
});

test('a database that answers slowly: the run takes longer, and publishes a whole snapshot', async () => {
  const account = await yesterdays();
  proxy.delay(8);
  await account.succeed({ pool });
  await proxy.heal();
  await account.assertPromises({ pool });
});

test('a database that refuses connections: exit 75 at the claim; a walk under way waits for it', async (t) => {
  const account = await yesterdays();
  const own = testPool(proxy.url);
  t.after(() => own.end());
  await proxy.refuse();
  const { error } = await account.fail('DATABASE_UNAVAILABLE', 75, { pool: own });
  assert.match(error.message, /ECONNREFUSED/);
  await proxy.heal();
  let refused = 0;
  scenario.api.onRequest(async ({ page }) => {
    if (page !== 3 || ++refused > 1) return;
    await proxy.refuse();
    proxy.reset();
    // Longer than the first pause before a batch is sent again.
    void sleep(800).then(() => proxy.heal());
  });
  await account.succeed({ pool: own });
  await account.assertPromises({ pool: own });
});

/** A host name for the database that the resolver knows only at times, like the name of a container that restarts. */
function nameDatabase(t: TestContext) {
  const url = new URL(proxy.url);
  url.hostname = 'database.test';
  const named = { url: url.href, isKnown: true, asked: 0 };
  const real = dns.lookup as (...args: unknown[]) => void;
  t.mock.method(dns, 'lookup', (name: string, options: unknown, answer: (error: Error) => void) => {
    if (name !== url.hostname) return real(name, options, answer);
    named.asked += 1;
    if (named.isKnown) return real('127.0.0.1', options, answer);
    // The resolver's error for an unknown name, without waiting for a real one.
    const fields = { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: name };
    return process.nextTick(answer, Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), fields));
  });
  return named;
}

test('an unknown database host (ENOTFOUND): exit 75 at once at the claim; a walk under way waits, and so does a publish after its COMMIT', async (t) => {
  const named = nameDatabase(t);
  const own = testPool(named.url);
  t.after(() => own.end());
  const account = await yesterdays();
  named.isKnown = false;
  const { error } = await account.fail('DATABASE_UNAVAILABLE', 75, { pool: own });
  assert.match(error.message, /ENOTFOUND/);
  assert.equal(named.asked, 1, 'asked once');
  named.isKnown = true;
  // Longer than the first pause.
  const restart = () => {
    named.isKnown = false;
    void sleep(800).then(() => (named.isKnown = true));
  };
  let restarts = 0;
  scenario.api.onRequest(({ page }) => {
    if (page !== 3 || ++restarts > 1) return;
    restart();
    proxy.reset();
  });
  await account.succeed({ pool: own });
  scenario.later();
  const cuts = proxy.cuts();
  const failpoint = once('publishing', async () => {
    await terminate('idle');
    proxy.cutAt(/^commit$/i, 'after');
    restart();
  });
  await account.succeed({ pool: own, failpoint });
  assert.equal(proxy.cuts() - cuts, 1);
  await account.assertPromises({ pool: own });
});

test('a connection that stalls for longer than the lease: another run takes over, and the stalled run publishes nothing', async () => {
  const account = await yesterdays();
  let other: Awaited<ReturnType<Account['sync']>> | undefined;
  const stalled = await account.sync({
    pool,
    lease: LEASE,
    failpoint: once('walked', async () => {
      proxy.stall();
      await sleep(LEASE.leaseMs + 100);
      other = await account.succeed({ lease: LEASE });
      await proxy.heal();
    }),
  });
  assert.deepEqual([stalled.error?.code, stalled.error?.exit, stalled.published], ['LEASE_LOST', 75, null]);
  assert.ok(other?.published?.snapshotId);
  await account.assertPromises({ pool, lease: LEASE });
});

// 18

/** A role of its own, so that its connections can be limited. */
async function limitedRole() {
  const role = `limited_${randomBytes(4).toString('hex')}`;
  await db.pool.query(`create role ${role} login inherit password 'limited' in role postgres`);
  return {
    role,
    limit: (connections: number) => db.pool.query(`alter role ${role} connection limit ${connections}`),
    drop: () => db.pool.query(`drop role ${role}`),
  };
}

for (const [when, atClaim] of [
  ['at the claim', true],
  ['during a walk', false],
] as const) {
  test(`no connection is left (53300) ${when}: exit 75, and the next run succeeds when one is free again`, async () => {
    const account = await yesterdays();
    const { role, limit, drop } = await limitedRole();
    const url = new URL(db.url);
    [url.username, url.password] = [role, 'limited'];
    const own = testPool(url.href);
    const exhaust = async () => {
      await limit(0);
      await terminate('idle');
    };
    try {
      if (atClaim) await exhaust();
      // The run cannot record its failure, so its lease has to expire.
      await account.fail('DATABASE_FULL', 75, {
        pool: own,
        lease: LEASE,
        ...(atClaim ? {} : { failpoint: once('claimed', exhaust) }),
      });
      await limit(20);
      await account.assertPromises({ pool: own, lease: LEASE });
    } finally {
      // Even while a heartbeat still runs.
      await limit(-1);
      await own.end();
      await drop();
    }
  });
}

test('no connection is left (53300) after a lost reply to the COMMIT of a publish: asks until one is free, and finds the snapshot', async (t) => {
  const account = await yesterdays();
  const limited = await limitedRole();
  const url = new URL(proxy.url);
  [url.username, url.password] = [limited.role, 'limited'];
  const own = testPool(url.href);
  t.after(async () => {
    await own.end();
    await limited.drop();
  });
  const cuts = proxy.cuts();
  await account.succeed({
    pool: own,
    failpoint: once('publishing', async () => {
      await limited.limit(0);
      await terminate('idle');
      proxy.cutAt(/^commit$/i, 'after');
      // Longer than the first pause.
      void sleep(800).then(() => limited.limit(-1));
    }),
  });
  assert.equal(proxy.cuts() - cuts, 1);
  await account.assertPromises();
});

test('a deadlock (40P01): the publish that loses is retried', async () => {
  const account = await yesterdays();
  const deadlocks = async () =>
    (
      await db.rows<{ n: number }>(
        'select deadlocks::integer as n from pg_stat_database where datname = current_database()',
      )
    )[0]?.n ?? 0;
  const before = await deadlocks();
  const other = new Client({ connectionString: db.url });
  await other.connect();
  // So that the publish is the one that detects the deadlock.
  await other.query("begin; set local deadlock_timeout = '60s'");
  await other.query('select from risk_internal.feed_clock where account_key = 0 for update');
  const publishing = account.succeed();
  await untilLockWaiters(db.pool);
  await other.query('select from risk_internal.leases for update');
  await other.query('commit');
  await other.end();
  await publishing;
  while ((await deadlocks()) === before) await sleep(50);
  await account.assertPromises();
});

/**
 * Makes the server refuse rows of a table with this SQLSTATE, a given number of times. The error is real; only its
 * cause is not.
 */
async function refuseRows(table: string, sqlstate: string, times: number): Promise<() => Promise<void>> {
  // A sequence is not rolled back.
  await db.pool.query(`
    create sequence public.refused;
    create function public.refuse() returns trigger language plpgsql as $$ begin
      if nextval('public.refused') <= ${times} then raise exception 'injected' using errcode = '${sqlstate}'; end if;
      return null;
    end $$;
    create trigger refuse after insert on ${table} for each statement execute function public.refuse()`);
  return async () => {
    await db.pool.query(
      `drop trigger refuse on ${table}; drop function public.refuse(); drop sequence public.refused`,
    );
  };
}

for (const sqlstate of ['40001', '40P01', '55P03'] as const) {
  test(`a publish that the server refuses with ${sqlstate} (injected): retried`, async () => {
    const account = await yesterdays();
    const mend = await refuseRows('risk.user_activity', sqlstate, 1);
    await account.succeed();
    const [{ last } = assert.fail()] = await db.rows<{ last: number }>(
      'select last_value::integer as last from public.refused',
    );
    assert.equal(last, 2);
    await mend();
    await account.assertPromises();
  });
}

for (const [where, table] of [
  ['for the changes of a publish', 'risk_internal.staged_changes'],
  ['in a publish', 'risk.user_activity'],
] as const) {
  test(`no disk space is left (53100, injected) ${where}: exit 75, nothing is published, and the next run succeeds when there is space`, async () => {
    const account = await yesterdays();
    const mend = await refuseRows(table, '53100', 1_000);
    const { error } = await account.fail('DATABASE_FULL', 75);
    assert.match(error.message, /disk space/);
    await mend();
    await account.assertPromises();
  });
}
