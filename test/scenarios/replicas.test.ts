// Several replicas on one database, each a process of its own: slots that are run once whatever happens to whom.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCloudflareClient } from '../../src/cloudflare/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { createLogger } from '../../src/logger.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import type { UserRisk } from '../../src/user-risk.ts';
import { assertPromises, rebuild, type SnapshotTruth } from '../support/oracle/assert-promises.ts';
import { startBreakableServer, type BreakableServer } from '../support/database/breakable-server.ts';
import { childScript, type Child, type ChildScript } from '../support/child.ts';
import { startFaultServer, type FaultServer } from '../support/faults/fault-server.ts';
import { testPool } from '../support/database/migrated-database.ts';
import { findPgBouncer, startPooler, type Pooler } from '../support/database/pooler.ts';
import type { ServeChild } from '../support/world/serve-child.ts';
import { TEST_SETTINGS } from '../support/settings.ts';
import { createWatermarkReader } from '../support/oracle/watermark-reader.ts';

const TOKEN = 'replica-test-token';
const SLOT_MS = 3_000;
const SLOTS = 20;
const REPLICAS = 5;
const ACCOUNTS = 24;
const LEASE = { heartbeatMs: 100, leaseMs: 800, pollMs: 50, graceMs: 1_000 };
const START = new Date('2026-02-02T08:00:00Z');
const binary = findPgBouncer();

describe(`${REPLICAS} replicas, ${SLOTS} slots, ${ACCOUNTS} accounts`, { concurrency: false }, () => {
  let server: BreakableServer;
  let pooler: Pooler | undefined;
  let pool: Pool;
  let simulator: Simulator;
  let api: FaultServer;
  let script: ChildScript;
  const world = createWorld({ seed: 31, users: 60, start: START, days: 60, campaign: null });
  const began = Math.ceil(Date.now() / SLOT_MS) * SLOT_MS;
  // The world moves between two slots. An account is one page, and so one instant.
  const tick = () => Math.floor((Date.now() - began) / SLOT_MS + 0.5);
  const instantOf = (n: number) => new Date(START.getTime() + n * 6 * 3_600_000);
  const ids = Array.from({ length: ACCOUNTS }, (_, n) => (n + 1).toString(16).padStart(32, 'e'));

  before(async () => {
    [server, script] = await Promise.all([startBreakableServer(18), childScript('world/serve-child.ts')]);
    pool = testPool(server.url, 10);
    await migrate(pool);
    if (binary !== undefined) pooler = await startPooler(server.url, binary, 12);
    simulator = await startSimulator({
      worlds: world,
      now: () => instantOf(tick()),
      auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
      perPageMax: 1_000,
      rateLimit: null,
    });
    api = await startFaultServer(new URL(simulator.url));
    // Runs last long enough to be met in the middle.
    api.onRequest(() => sleep(40));
  });
  after(async () => {
    await script.close();
    await api.close();
    await simulator.close();
    await pool.end();
    await pooler?.close();
    await server.close();
  });

  test(`every slot of every account succeeds exactly once, though replicas are killed and stopped and Postgres is restarted${binary === undefined ? ' (without PgBouncer, which is not installed)' : ', behind PgBouncer'}`, async (t) => {
    const replicas: Child[] = [];
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
      replicas.push(child);
      return child;
    };
    for (let n = 0; n < REPLICAS; n += 1) await startReplica();
    const first = (Math.floor(Date.now() / SLOT_MS) + 2) * SLOT_MS;
    const inSlot = (n: number, ms: number) => sleep(first + n * SLOT_MS + ms - Date.now());

    await inSlot(3, 120);
    replicas[0]!.kill('SIGKILL');
    await inSlot(5, 500);
    await startReplica();
    // Past its lease, in the middle of its runs; then it goes on, and must not publish them.
    await inSlot(8, 120);
    replicas[1]!.kill('SIGSTOP');
    await inSlot(8, 120 + 2 * LEASE.leaseMs);
    replicas[1]!.kill('SIGCONT');
    await inSlot(12, 120);
    await server.halt();
    await server.start();
    await inSlot(16, 150);
    replicas[2]!.kill('SIGKILL');
    await inSlot(SLOTS - 1, SLOT_MS - 400);
    const living = replicas.filter((_, n) => n !== 0 && n !== 2);
    for (const child of living) child.kill('SIGTERM');
    for (const child of living) assert.deepEqual(await child.ended, { code: 0, signal: null });

    const slots = Array.from({ length: SLOTS }, (_, n) => new Date(first + n * SLOT_MS).toISOString());
    const { rows } = await pool.query<{
      slot: Date;
      account_id: string;
      succeeded: number;
      others: string | null;
    }>(
      `select scheduled_for as slot, account_id, count(*) filter (where status = 'succeeded')::integer as succeeded,
              string_agg(distinct error_code, ' ') as others
         from risk.sync_runs join risk.accounts using (account_key) group by 1, 2`,
    );
    const found = new Map(rows.map((row) => [`${row.slot.toISOString()} ${row.account_id}`, row.succeeded]));
    const wrong = slots.flatMap((slot, n) => {
      const ill = ids.filter((id) => found.get(`${slot} ${id}`) !== 1);
      return ill.length === 0 ? [] : [`slot ${n} of ${ill.map((id) => id.slice(-2)).join(' ')}`];
    });
    assert.deepEqual(wrong, []);
    assert.ok(rows.every((row) => row.succeeded <= 1));
    const others = new Set(rows.flatMap((row) => row.others?.split(' ') ?? []));
    t.diagnostic(`runs that ended otherwise: ${[...others].join(' ')}`);
    // The chaos was real.
    assert.ok(others.has('ABANDONED'));
    const [left] = (await pool.query('select count(*)::integer as n from risk_internal.leases')).rows;
    assert.deepEqual(left, { n: 0 });
    const worked = living.map((child) => /"run succeeded"/.test(child.stderr()));
    assert.ok(worked.every(Boolean), 'the work was shared');
  });

  test('the promises hold for each account afterwards', async () => {
    const now = tick();
    // Undisturbed from here on.
    const states = Array.from({ length: now + 1 }, (_, n) => world.at(instantOf(n)));
    const logs: string[] = [];
    const logger = createLogger({
      level: 'info',
      secrets: [],
      pretty: false,
      destination: { write: (line: string) => logs.push(line) },
    });
    const frozen = await startSimulator({
      worlds: world,
      now: () => instantOf(now),
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
          world: states[now]!,
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
 * Each snapshot must be a state that was served, or of one and the next for a walk that met the change, and none older than the
 * one before it.
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
