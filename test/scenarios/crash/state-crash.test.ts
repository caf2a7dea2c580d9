// Processes that are stopped or killed while they read the state, or during the COPY of their changes: P1, P3, P6 and
// P7.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { rebuild } from '../../support/oracle/assert-promises.ts';
import { childScript, type Child, type ChildScript } from '../../support/child.ts';
import { CITUS_URL } from '../../support/database/distributed-database.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { startScriptedApi, type ScriptedApi } from '../../support/api/scripted-api.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import type { SyncChild } from '../../support/children/sync-child.ts';

const SHORT: LeaseTiming = { heartbeatMs: 100, leaseMs: 900, pollMs: 50, graceMs: 1_000 };
/** A run that waits for such a lease waits until the test fails. */
const ENDLESS: LeaseTiming = { ...LEASE_TIMING, leaseMs: 3_600_000 };
/** Several ranges of the state, and several chunks of the COPY. */
const USERS = 2_600;
const STOPS = Number(process.env['TEST_STOPS'] ?? 3);

const byId = (a: UserRisk, b: UserRisk) => (a.user_id < b.user_id ? -1 : 1);

describe('a process that dies or stops', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let api: ScriptedApi;
  let script: ChildScript;
  before(async () => {
    [db, api, script] = await Promise.all([
      migratedDatabase(),
      startScriptedApi(),
      childScript('children/sync-child.ts'),
    ]);
  });
  after(async () => {
    await script.close();
    await api.close();
    await db.close();
  });

  /** An account that is loaded, and in which every user has changed since. */
  async function changedAccount(
    users = USERS,
  ): Promise<{ account: ServedAccount; first: number; before: ServedAccount['people'] }> {
    const account = servedAccount(db.pool, users);
    const { snapshotId: first } = await account.succeed();
    const before = account.people;
    account.people = before.map((user, n) => ({
      ...user,
      name: `Changed ${n} ${'x'.repeat(80)}`,
      event_count: 99,
    }));
    account.people.splice(7, 3);
    account.people.push(personOf(account.id, 20_000));
    serve(account);
    return { account, first, before };
  }

  function serve({ id, people }: ServedAccount): void {
    const honest = (userId: string) => {
      const user = people.find(({ user_id: id }) => id === userId);
      if (user === undefined) return null;
      const { email, name } = user;
      return { email, name, risk_level: user.max_risk_level, events: [] };
    };
    api.serve(id, {
      readings: [people],
      total: people.length,
      movedTotal: null,
      pageLimit: 1_000,
      fault: null,
      records: { mode: 'honest', of: honest },
    });
  }

  function startChild({ id }: ServedAccount, stopAt: string[], timing: LeaseTiming = LEASE_TIMING): Child {
    const argument: SyncChild = {
      databaseUrl: db.url,
      apiUrl: api.baseUrl.href,
      token: 'a-token',
      accountId: id,
      stopAt,
      timing,
    };
    const child = script.start(argument);
    child.say('go');
    return child;
  }

  /** At the second of these points: something has been read or sent before. */
  async function reach(child: Child, failpoint: string): Promise<void> {
    await child.line(`at ${failpoint}`);
    if (failpoint === 'copied') return;
    child.say('on');
    await child.line(`at ${failpoint}`);
  }

  const goOn = (child: Child) => {
    for (let n = 0; n < 20; n++) child.say('on');
  };
  const endOf = async (child: Child) =>
    JSON.parse((await child.line('ended')).slice(6)) as Record<string, unknown>;

  const snapshots = async ({ id }: ServedAccount) =>
    (
      await db.rows<{ id: number }>(
        'select snapshot_id::integer as id from risk.snapshots join risk.accounts using (account_key) where account_id = $1 order by 1',
        [id],
      )
    ).map((row) => row.id);

  /** All other sessions of clients that are not idle, or hold a snapshot or a lock. Autovacuum may run at any time. */
  const holders = () =>
    db.rows<{ state: string; query: string; locks: string[] }>(
      `select state, left(query, 60) as query, array(select distinct mode || ' on ' || coalesce(l.relation::regclass::text, l.locktype)
                from pg_locks l where l.pid = a.pid and l.granted and l.locktype not in ('virtualxid') order by 1) as locks
         from pg_stat_activity a where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
          and (state <> 'idle' or backend_xmin is not null or backend_xid is not null)`,
    );

  /** The server finishes what it had begun, such as a heartbeat: the answer fits into the buffers in between. */
  async function assertNobodyHolds(): Promise<void> {
    let left = await holders();
    for (let waited = 0; left.length > 0 && waited < 5_000; waited += 50) {
      await sleep(50);
      left = await holders();
    }
    assert.deepEqual(left, []);
  }

  for (const failpoint of ['reading', 'copying', 'copied'])
    test(`killed when ${failpoint}: the previous snapshot is whole, and the next run succeeds at once`, async () => {
      const { account, first, before } = await changedAccount();
      const child = startChild(account, [failpoint], ENDLESS);
      await reach(child, failpoint);
      child.kill('SIGKILL');
      assert.equal((await child.ended).signal, 'SIGKILL');
      assert.deepEqual(await snapshots(account), [first]);
      assert.deepEqual(await rebuild(db.pool, first, account.id), before.toSorted(byId));
      await account.succeed({ timing: ENDLESS });
    });

  // Those on the catalogue of a distributed history keep out only a change of its nodes and placements.
  const HARMLESS =
    CITUS_URL !== ''
      ? /staged_changes|transactionid|pg_dist_|(Share|RowExclusive)Lock on advisory/
      : /staged_changes|transactionid/;

  for (const failpoint of ['reading', 'copying', 'copied'])
    test(`stopped when ${failpoint}: other accounts publish meanwhile, the account is taken over, and the stopped run cannot publish`, async () => {
      const { account, first } = await changedAccount();
      const neighbour = servedAccount(db.pool, 30);
      await neighbour.succeed();
      const child = startChild(account, [failpoint], SHORT);
      await reach(child, failpoint);
      child.kill('SIGSTOP');
      if (failpoint === 'reading') await assertNobodyHolds();
      else
        for (const { locks } of await holders())
          for (const lock of locks) assert.match(lock, HARMLESS, 'a lock that others may wait for');

      // Within the lease of the stopped run.
      neighbour.people[0] = { ...neighbour.people[0]!, event_count: 1_000 };
      const began = performance.now();
      await neighbour.succeed();
      assert.ok(performance.now() - began < 5_000, 'the other account had to wait');

      await sleep(Math.max(0, SHORT.leaseMs * 1.2 - (performance.now() - began)));
      const other = await account.succeed({ timing: SHORT });
      child.kill('SIGCONT');
      goOn(child);
      const ended = await endOf(child);
      assert.equal(ended['snapshot_id'], null);
      assert.ok(
        ['LEASE_LOST', 'STATE_MOVED'].includes(String(ended['error_code'])),
        String(ended['error_code']),
      );
      await child.ended;
      assert.deepEqual(await snapshots(account), [first, other.snapshotId]);
      await account.assertExact(other.snapshotId);
      await account.succeed();
    });

  test('stopped at any instant of the state read: holds no snapshot and no lock, and goes on when it is resumed', async (t) => {
    const { account } = await changedAccount(9_000);
    let caught = 0;
    for (let stop = 0; stop < STOPS; stop++) {
      account.people[0] = { ...account.people[0]!, event_count: 500 + stop };
      serve(account);
      // The run goes no further than the walk, however late the stop arrives.
      const child = startChild(account, ['reading', 'walked']);
      // The ranges grow: 50 users, 500, 5,000 and the rest.
      for (let range = 0; range < 2 + (stop % 3); range++) {
        await child.line('at reading');
        child.say('on');
      }
      await sleep((stop * 37) % 23);
      child.kill('SIGSTOP');
      const before = (await holders()).length;
      if (before > 0) caught++;
      await assertNobodyHolds();
      child.kill('SIGCONT');
      goOn(child);
      const ended = await endOf(child);
      assert.equal(ended['error_code'], null);
      await child.ended;
      await account.assertExact(Number(ended['snapshot_id']));
    }
    t.diagnostic(`${caught} of ${STOPS} were stopped while the server worked for them`);
  });
});
