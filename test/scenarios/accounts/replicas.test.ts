// Several replicas on one database, each in its own process: every slot runs once, whatever happens to the replicas.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import { migrate } from '../../../src/db/migrate.ts';
import type { Pool } from '../../../src/db/pool.ts';
import { createLogger } from '../../../src/logger.ts';
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { assertPromises, rebuild, type SnapshotTruth } from '../../support/oracle/assert-promises.ts';
import {
  startBreakableServer,
  type BreakableServer,
} from '../../support/database/servers/breakable-server.ts';
import { childScript, type Child, type ChildScript } from '../../support/child.ts';
import { startFaultServer, type FaultServer } from '../../support/faults/fault-server.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import { findPgBouncer, startPooler, type Pooler } from '../../support/database/servers/pooler.ts';
import type { ServeChild } from '../../support/children/serve-child.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

const TOKEN = 'replica-test-token';
const SLOT_MS = 2_000;
const REPLICAS = 4;
/** More than one replica runs at once. */
const ACCOUNTS = 5;
const LEASE = { heartbeatMs: 200, leaseMs: 2_000, pollMs: 50, graceMs: 1_000 };
const START = new Date('2026-02-02T08:00:00Z');
const binary = findPgBouncer();

describe(`${REPLICAS} replicas, ${ACCOUNTS} accounts`, { concurrency: false }, () => {
  let server: BreakableServer;
  let pooler: Pooler | undefined;
  let pool: Pool;
  let simulator: Simulator;
  let api: FaultServer;
  let script: ChildScript;
  const world = createWorld({ seed: 31, users: 60, start: START, days: 60, campaign: null });
  // An account is one page, so a walk sees one instant. A walk meets at most one change of the world.
  let moves = 0;
  const instantOf = (n: number) => new Date(START.getTime() + n * 6 * 3_600_000);
  const ids = Array.from({ length: ACCOUNTS }, (_, n) => (n + 1).toString(16).padStart(32, 'e'));

  before(async () => {
    [server, script] = await Promise.all([startBreakableServer(18), childScript('children/serve-child.ts')]);
    pool = testPool(server.url, 10);
    await migrate(pool);
    if (binary !== undefined) pooler = await startPooler(server.url, binary, 12);
    simulator = await startSimulator({
      worlds: world,
      now: () => instantOf(moves),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 1_000,
      rateLimit: null,
    });
    api = await startFaultServer(new URL(simulator.url));
  });
  after(async () => {
    await script.close();
    await api.close();
    await simulator.close();
    await pool.end();
    await pooler?.close();
    await server.close();
  });

  /** Waits until each of these accounts has succeeded in a slot that began after `since`. */
  async function succeededSince(since: number, accountIds: readonly string[] = ids): Promise<void> {
    for (;;) {
      const { rows } = await pool.query(
        `select from risk.accounts a where account_id = any($1) and exists (
           select from risk.sync_runs r
            where r.account_key = a.account_key and r.status = 'succeeded' and r.scheduled_for >= $2)`,
        [accountIds, new Date(since)],
      );
      if (rows.length === accountIds.length) return;
      await sleep(100);
    }
  }

  /** Once every replica has seen the present world, the world moves on. */
  async function settle(): Promise<void> {
    await succeededSince(Date.now());
    moves += 1;
  }

  test(`no slot of an account succeeds twice and no account stands still, although replicas are killed and stopped and Postgres restarts${binary === undefined ? ' (without PgBouncer, which is not installed)' : ', behind PgBouncer'}`, async (t) => {
    const running = new Set<Child>();
    const startReplica = async () => {
      const child = script.start({
        databaseUrl: pooler?.url ?? server.url,
        apiUrl: api.url.href,
        token: TOKEN,
        accountIds: ids,
        schedule: `*/${SLOT_MS / 1_000} * * * * *`,
        timing: LEASE,
      } satisfies ServeChild);
      await child.line('ready');
      running.add(child);
    };
    /** Holds a replica at this point of a run, and returns the replica and the run. All others go on. */
    const catchOne = async (failpoint: string) => {
      // A new word each time: replicas that were not caught may have been held before, and may have printed an earlier
      // word.
      const word = `${failpoint}-${moves}`;
      const held = [...running].map(async (child) => {
        child.say(`hold ${word} ${failpoint}`);
        const [, , slot = '', accountId = ''] = (await child.line(`holding ${word} `)).split(' ');
        return { child, slot, accountId };
      });
      const caught = await Promise.race(held);
      for (const other of running) if (other !== caught.child) other.say('go on');
      return caught;
    };
    const kill = async (failpoint: string) => {
      const { child } = await catchOne(failpoint);
      running.delete(child);
      child.kill('SIGKILL');
      await child.ended;
      await startReplica();
      await settle();
    };
    for (let n = 0; n < REPLICAS; n += 1) await startReplica();
    await settle();

    await kill('reading');
    await kill('publishing');

    // Stopped past its lease in the middle of its run. Then it goes on, and must not publish.
    const stopped = await catchOne('copied');
    stopped.child.kill('SIGSTOP');
    await succeededSince(Date.now(), [stopped.accountId]);
    stopped.child.kill('SIGCONT');
    stopped.child.say('go on');
    assert.match(await stopped.child.line(`ran ${stopped.slot} ${stopped.accountId}`), / LEASE_LOST$/);
    await settle();

    const cutOff = await catchOne('walked');
    await server.halt();
    await server.start();
    cutOff.child.say('go on');
    await settle();

    for (const child of running) child.kill('SIGTERM');
    for (const child of running) assert.deepEqual(await child.ended, { code: 0, signal: null });

    const { rows } = await pool.query<{ slot: string; succeeded: number; others: string[] }>(
      `select account_id || ' ' || scheduled_for as slot, count(*) filter (where status = 'succeeded')::integer as succeeded,
              array_remove(array_agg(distinct error_code), null) as others
         from risk.sync_runs join risk.accounts using (account_key) group by 1`,
    );
    assert.deepEqual(
      rows.filter((row) => row.succeeded > 1),
      [],
    );
    const others = new Set(rows.flatMap((row) => row.others));
    t.diagnostic(`${rows.length} slots; runs that ended otherwise: ${[...others].join(' ')}`);
    assert.ok(others.has('ABANDONED'));
    const [left] = (await pool.query('select count(*)::integer as n from risk_internal.leases')).rows;
    assert.deepEqual(left, { n: 0 });
  });

  test('the promises hold for each account afterwards', async () => {
    // From here on nothing disturbs the runs.
    const states = Array.from({ length: moves + 1 }, (_, n) => world.at(instantOf(n)));
    const logs: string[] = [];
    const logger = createLogger({
      level: 'info',
      secrets: [],
      pretty: false,
      destination: { write: (line: string) => logs.push(line) },
    });
    const frozen = await startSimulator({
      worlds: world,
      now: () => instantOf(moves),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      rateLimit: null,
    });
    const client = createCloudflareClient({
      baseUrl: new URL(frozen.url),
      auth: { kind: 'token', token: TOKEN },
      logger,
      limit: null,
    });
    try {
      for (const accountId of ids) {
        await assertPromises({
          pool,
          pools: [pool],
          accountId,
          truth: await truthOf(pool, accountId, states),
          world: states[moves]!,
          async sync() {
            const outcome = await requestSync(
              { pool, client, logger, settings: TEST_SETTINGS, timing: LEASE_TIMING },
              { accountId, trigger: 'cli', signal: new AbortController().signal },
            );
            assert.equal(outcome.kind, 'ran');
            return { error: outcome.result.error, snapshotId: outcome.result.published?.snapshotId ?? null };
          },
          reader: createWatermarkReader(pool, accountId),
          logs,
          secrets: [TOKEN],
        });
      }
    } finally {
      await client.close();
      await frozen.close();
    }
  });
});

/**
 * Each snapshot must be one state that was served, or two successive states mixed when the walk met the change. No
 * snapshot may be older than the one before it.
 */
async function truthOf(
  pool: Pool,
  accountId: string,
  states: readonly (readonly UserRisk[])[],
): Promise<Map<number, SnapshotTruth>> {
  const text = (u: UserRisk) => JSON.stringify([u.user_id, u.max_risk_level, u.event_count, u.last_event]);
  const known = states.map((users) => new Set(users.map(text)));
  const idsOf = (n: number) => new Set((states[n] ?? states[n - 1]!).map((user) => user.user_id));
  const { rows } = await pool.query<{ id: number }>(
    `select snapshot_id::integer as id from risk.snapshots join risk.accounts using (account_key) where account_id = $1 order by 1`,
    [accountId],
  );
  const truth = new Map<number, SnapshotTruth>();
  let newest = 0;
  for (const { id } of rows) {
    const state = await rebuild(pool, id);
    const there = new Set(state.map((user) => user.user_id));
    const fits = (n: number) =>
      state.every((user) => known[n]!.has(text(user)) || known[n + 1]?.has(text(user)) === true) &&
      idsOf(n)
        .intersection(idsOf(n + 1))
        .isSubsetOf(there);
    const n = known.findIndex((_, n) => n >= newest && fits(n));
    assert.ok(n >= 0, `snapshot ${id} of ${accountId} is a state that was served`);
    newest = n;
    truth.set(id, { state, present: idsOf(n).intersection(idsOf(n + 1)) });
  }
  return truth;
}
