// Runs that are killed, stopped or cut off. Promises P1, P3, P6 and P7 are checked after each.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../src/db/pool.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { LEASE_TIMING, type LeaseTiming } from '../../src/sync/claim/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import type { RunDeps, RunResult } from '../../src/sync/run-sync.ts';
import type { UserRisk } from '../../src/user-risk.ts';
import { childScript, type Child, type ChildScript } from '../support/child.ts';
import { startCutProxy, type CutProxy } from '../support/faults/cut-proxy.ts';
import { migratedDatabase, testPool, type MigratedDatabase } from '../support/database/migrated-database.ts';
import type { SyncChild } from '../support/world/sync-child.ts';
import { TEST_SETTINGS } from '../support/settings.ts';
import { clientOf, quiet, runSyncOf } from '../support/stage.ts';

const TOKEN = 'crash-test-token';
const DAY = 86_400_000;
/** 200 in `npm run test:long`. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 6);
/** A run that waits for this lease waits until the test fails. */
const ENDLESS: LeaseTiming = { ...LEASE_TIMING, leaseMs: 3_600_000 };
const SHORT: LeaseTiming = { heartbeatMs: 100, leaseMs: 700, pollMs: 50, graceMs: 1_000 };
type Over = Partial<Pick<RunDeps, 'pool' | 'timing' | 'failpoint'>> & { dryRun?: boolean };
const START = new Date('2026-02-02T08:00:00Z');

describe('a run that dies', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let simulator: Simulator;
  let script: ChildScript;
  let instant = START;
  // Several pages, and so many changes a day that half a publish would be visible.
  const world = createWorld({ seed: 11, users: 220, start: START, days: 60, campaign: null });

  before(async () => {
    [db, script] = await Promise.all([migratedDatabase(), childScript('world/sync-child.ts')]);
    simulator = await startSimulator({
      worlds: world,
      now: () => instant,
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 8,
      rateLimit: null,
    });
  });
  after(async () => {
    await script.close();
    await simulator.close();
    await db.close();
  });

  const aDayLater = () => (instant = new Date(instant.getTime() + DAY));
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

  function startChild(accountId: string, stopAt: string[] = [], timing?: LeaseTiming): Child {
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

  /** Every row of a snapshot as readers see it, with the API's field names. */
  async function rebuilt(snapshotId: number): Promise<UserRisk[]> {
    return db.rows<UserRisk>(
      `select user_id, email, name, max_risk_level, event_count,
              to_char(last_event at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_event
         from risk_bi.snapshot_users($1) order by user_id`,
      [snapshotId],
    );
  }

  const truth = (at: Date) =>
    world
      .at(at)
      .map((user) => ({ ...user }))
      .toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1));

  async function assertSnapshot(snapshotId: number, at: Date): Promise<void> {
    assert.deepEqual(await rebuilt(snapshotId), truth(at), `snapshot ${snapshotId}`);
  }

  /** Must hold in every case: current state, counts and newest snapshot agree, and nothing is left over. */
  async function assertConsistent(accountId: string): Promise<void> {
    const newest = (await snapshotsOf(accountId)).at(-1);
    assert.ok(newest);
    const current = await db.rows<UserRisk>(
      `select u.user_id, i.email, i.name, u.max_risk_level, u.event_count,
              to_char(u.last_event at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_event
         from risk.users u join risk.accounts a using (account_key)
         left join risk.user_identities i on i.account_key = u.account_key and i.user_key = u.user_key and i.valid_to is null
        where a.account_id = $1 and u.max_risk_level is not null order by 1`,
      [accountId],
    );
    assert.deepEqual(current, await rebuilt(newest.id));
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

  for (const [failpoint, publishes] of [
    ['claimed', false],
    ['reading', false],
    ['walked', false],
    ['asked', false],
    ['copying', false],
    ['copied', false],
    ['publishing', false],
    ['published', true],
  ] as const) {
    test(`killed when ${failpoint}: readers see ${publishes ? 'its' : 'the previous'} snapshot whole, and the next run succeeds at once`, async (t) => {
      const accountId = newAccount();
      const yesterday = instant;
      const first = await succeed(t, accountId);
      await assertSnapshot(first, yesterday);

      aDayLater();
      const child = startChild(accountId, [failpoint], ENDLESS);
      child.say('go');
      await child.line(`at ${failpoint}`);
      child.kill('SIGKILL');
      assert.equal((await child.ended).signal, 'SIGKILL');

      const seen = await snapshotsOf(accountId);
      assert.equal(seen.length, publishes ? 2 : 1);
      await assertSnapshot(seen.at(-1)?.id ?? 0, publishes ? instant : yesterday);
      await assertConsistent(accountId);

      const next = await succeed(t, accountId, { timing: ENDLESS });
      await assertSnapshot(next, instant);
      await assertSnapshot(first, yesterday);
      await assertConsistent(accountId);
      await assertNothingLeft(accountId);
      assert.deepEqual(
        await runsOf(accountId),
        publishes
          ? ['succeeded', 'succeeded', 'succeeded']
          : ['succeeded', 'abandoned ABANDONED', 'succeeded'],
      );
    });
  }

  test('killed at random instants: nothing is half written, and every next run succeeds at once', async (t) => {
    const accountId = newAccount();
    let yesterday = instant;
    await succeed(t, accountId);
    // How long a run takes here, from its start to its end.
    aDayLater();
    const whole = startChild(accountId);
    await whole.line('ready');
    const began = performance.now();
    whole.say('go');
    await whole.line('ended');
    const typical = performance.now() - began;
    await assertSnapshot((await snapshotsOf(accountId)).at(-1)?.id ?? 0, instant);

    const rounds = KILLS;
    for (let round = 0; round < rounds; round++) {
      yesterday = instant;
      const known = await snapshotsOf(accountId);
      aDayLater();
      // The end of the list shows in two ways, and neither may be half believed.
      simulator.setFaults(round % 2 === 0 ? ['refuse-beyond'] : []);
      const child = startChild(accountId, [], ENDLESS);
      await child.line('ready');
      const delay = ((round + Math.random()) / rounds) * typical;
      child.say('go');
      await sleep(delay);
      child.kill('SIGKILL');
      await child.ended;
      const seen = await snapshotsOf(accountId);
      const isPublished = seen.length > known.length;
      await assertSnapshot(seen.at(-1)?.id ?? 0, isPublished ? instant : yesterday);

      const next = await succeed(t, accountId, { timing: ENDLESS });
      await assertSnapshot(next, instant);
      // A COMMIT under way when the process died may have come after the check above.
      const all = await snapshotsOf(accountId);
      for (const { id } of all.slice(known.length)) await assertSnapshot(id, instant);
      await assertSnapshot(known.at(-1)?.id ?? 0, yesterday);
      await assertConsistent(accountId);
      await assertNothingLeft(accountId);
      t.diagnostic(
        `killed after ${delay.toFixed(0)} of ${typical.toFixed(0)} ms: ${isPublished ? 'published' : (await runsOf(accountId)).at(-2)}`,
      );
    }
    simulator.setFaults([]);
  });

  for (const failpoint of ['claimed', 'reading', 'walked', 'asked', 'copying', 'copied']) {
    test(`stopped when ${failpoint}, past its lease: another run publishes, and the stopped run cannot`, async (t) => {
      const accountId = newAccount();
      await succeed(t, accountId);
      aDayLater();
      const child = startChild(accountId, [failpoint], SHORT);
      child.say('go');
      await child.line(`at ${failpoint}`);
      child.kill('SIGSTOP');
      // It sends no heartbeat, but it is not dead: only its silence shows that it stopped.
      await sleep(SHORT.heartbeatMs * 2);
      const other = await succeed(t, accountId, { timing: SHORT });
      child.say('on');
      child.kill('SIGCONT');
      const ended = JSON.parse((await child.line('ended')).slice(6)) as object;
      assert.deepEqual(ended, { kind: 'ran', error_code: 'LEASE_LOST', snapshot_id: null });
      assert.equal((await snapshotsOf(accountId)).at(-1)?.id, other);
      assert.equal((await snapshotsOf(accountId)).length, 2);
      assert.deepEqual(await runsOf(accountId), ['succeeded', 'abandoned ABANDONED', 'succeeded']);
      await assertSnapshot(other, instant);
      await assertConsistent(accountId);
      assert.ok((await succeed(t, accountId)) > other);
      await assertNothingLeft(accountId);
    });
  }

  test('a live run keeps other runs out, however long it takes', async (t) => {
    const accountId = newAccount();
    // Every tenth request waits for a second: the walk takes more than two leases, and only its heartbeat keeps the
    // lease.
    simulator.setFaults(['throttle']);
    t.after(() => simulator.setFaults([]));
    const child = startChild(accountId, [], SHORT);
    child.say('go');
    await child.line('at claimed');
    for (let look = 0; look < 7; look++) {
      await sleep(200);
      const outcome = await requestSync(
        { pool: db.pool, client: clientFor(t), logger: quiet, settings: TEST_SETTINGS, timing: SHORT },
        { accountId, trigger: 'cli', signal: new AbortController().signal },
      );
      assert.equal(outcome.kind, 'already_running');
    }
    assert.match(await child.line('ended'), /"error_code":null/);
    assert.deepEqual(await runsOf(accountId), ['succeeded']);
    await assertNothingLeft(accountId);
  });

  const account = `account_key = (select account_key from risk.accounts where account_id = $1)`;

  test('another writer changes the users before the publish: STATE_MOVED, nothing is published, and the next run succeeds', async (t) => {
    const accountId = newAccount();
    const yesterday = instant;
    const first = await succeed(t, accountId);
    aDayLater();
    const result = await sync(t, accountId, {
      async failpoint(name) {
        // As an erasure does it: with a value of the feed clock.
        if (name === 'walked')
          await db.pool.query(
            `with tick as (update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 1 returning last_snapshot_id)
             update risk_internal.account_writers w set last_snapshot_id = tick.last_snapshot_id from tick where ${account}`,
            [accountId],
          );
      },
    });
    assert.deepEqual([result.error?.code, result.error?.exit, result.published], ['STATE_MOVED', 75, null]);
    assert.equal((await snapshotsOf(accountId)).length, 1);
    await assertSnapshot(first, yesterday);
    await assertConsistent(accountId);
    await assertNothingLeft(accountId);
    await assertSnapshot(await succeed(t, accountId), instant);
    assert.deepEqual(await runsOf(accountId), ['succeeded', 'failed STATE_MOVED', 'succeeded']);
  });

  for (const [what, lose] of [
    ['every user', `delete from risk.users where ${account}`],
    ['one user who has changed', `delete from risk.users where ${account} and user_id = $2`],
  ] as const) {
    test(`Postgres lost ${what} before the publish: STATE_MOVED; each later run says what is broken, and succeeds once the row is back`, async (t) => {
      const accountId = newAccount();
      const yesterday = instant;
      const before = new Map(truth(yesterday).map((user) => [user.user_id, user.event_count]));
      const first = await succeed(t, accountId);
      aDayLater();
      const changed = truth(instant).find(
        (user) => before.has(user.user_id) && before.get(user.user_id) !== user.event_count,
      );
      assert.ok(changed);
      await db.pool.query(
        `create table public.kept as select * from risk.users where ${account}`.replace(
          '$1',
          `'${accountId}'`,
        ),
      );
      const result = await sync(t, accountId, {
        async failpoint(name) {
          if (name !== 'walked') return;
          const { rowCount } = await db.pool.query(
            lose,
            lose.includes('$2') ? [accountId, changed.user_id] : [accountId],
          );
          assert.ok(rowCount);
        },
      });
      assert.deepEqual([result.error?.code, result.error?.exit, result.published], ['STATE_MOVED', 75, null]);
      const again = await sync(t, accountId);
      assert.deepEqual([again.error?.code, again.error?.exit, again.published], ['STATE_BROKEN', 1, null]);
      assert.match(again.error?.message ?? '', /doctor/);
      assert.equal((await snapshotsOf(accountId)).length, 1);
      await db.pool.query(
        'insert into risk.users select * from public.kept on conflict do nothing; drop table public.kept',
      );
      await assertSnapshot(first, yesterday);
      await assertConsistent(accountId);
      await assertNothingLeft(accountId);
      await assertSnapshot(await succeed(t, accountId), instant);
      assert.deepEqual(await runsOf(accountId), [
        'succeeded',
        'failed STATE_MOVED',
        'failed STATE_BROKEN',
        'succeeded',
      ]);
    });
  }

  describe('whose connection breaks at COMMIT', () => {
    let proxy: CutProxy;
    let cut: Pool;
    before(async () => {
      proxy = await startCutProxy(db.url, 700);
      cut = testPool(proxy.url);
    });
    after(async () => {
      await cut.end();
      await proxy.close();
    });

    for (const phase of ['the claim', 'publish'] as const) {
      for (const [when, title] of [
        ['before', 'before the server has received it'],
        ['after', 'and the reply is lost'],
        ['late', 'and it arrives later'],
      ] as const) {
        test(`of ${phase}, ${title}: one success, one snapshot`, async (t) => {
          const accountId = newAccount();
          await succeed(t, accountId);
          aDayLater();
          const before = proxy.cuts();
          const failpoints: string[] = [];
          if (phase === 'the claim') proxy.arm(when);
          const snapshotId = await succeed(t, accountId, {
            pool: cut,
            async failpoint(name) {
              failpoints.push(name);
              if (name === 'walked' && phase === 'publish') proxy.arm(when);
            },
          });
          assert.equal(proxy.cuts() - before, 1);
          // A publish may run its transaction more than once, and the state is read in parallel with the walk.
          const often = ['reading', 'copying', 'copied', 'publishing'];
          for (const name of often) assert.ok(failpoints.includes(name), name);
          const once = failpoints.filter((name) => !often.includes(name));
          assert.deepEqual(once, ['claimed', 'walked', 'asked', 'published']);
          assert.deepEqual(await runsOf(accountId), ['succeeded', 'succeeded']);
          const snapshots = await snapshotsOf(accountId);
          assert.equal(snapshots.length, 2);
          assert.equal(snapshots.at(-1)?.id, snapshotId);
          await assertSnapshot(snapshotId, instant);
          await assertConsistent(accountId);
          await assertNothingLeft(accountId);
        });
      }
    }

    test('of publish, and once more when it asks for the outcome: one snapshot', async (t) => {
      const accountId = newAccount();
      const snapshotId = await succeed(t, accountId, {
        pool: cut,
        failpoint: async (name) => void (name === 'walked' && proxy.arm('before', 2)),
      });
      assert.deepEqual(
        (await snapshotsOf(accountId)).map(({ id }) => id),
        [snapshotId],
      );
      await assertNothingLeft(accountId);
    });

    test('of a dry run: nothing is published, and the dry run succeeds', async (t) => {
      for (const when of ['before', 'after'] as const) {
        const accountId = newAccount();
        const first = await succeed(t, accountId);
        aDayLater();
        const { error, published } = await sync(t, accountId, {
          pool: cut,
          failpoint: async (name) => void (name === 'walked' && proxy.arm(when)),
          dryRun: true,
        });
        assert.deepEqual([error, published?.snapshotId], [null, null]);
        assert.deepEqual(
          (await snapshotsOf(accountId)).map(({ id }) => id),
          [first],
        );
      }
    });
  });
});
