// The setup for fault scenarios: the simulated API behind a fault server, a real database, and accounts that are synced
// as the command does it. With every published snapshot the truth at that moment is noted, so that `assertPromises` can
// be called at any time.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import { DEFAULT_TIMING, defaultSleep, type Timing } from '../../../src/cloudflare/retry.ts';
import { databaseError } from '../../../src/db/database-errors.ts';
import { createPool, type Pool } from '../../../src/db/pool.ts';
import { isOperatorError, type ErrorCode, type OperatorError } from '../../../src/errors.ts';
import { createLogger, type Logger } from '../../../src/logger.ts';
import { startSimulator, type Simulator } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import type { Published } from '../../../src/sync/publish-seen.ts';
import type { RunFacts } from '../../../src/sync/record-run.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import type { RunDeps } from '../../../src/sync/run-sync.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { assertPromises, type SnapshotTruth } from '../oracle/assert-promises.ts';
import { startFaultServer, type FaultServer } from './fault-server.ts';
import { TEST_SETTINGS } from '../settings.ts';
import { createWatermarkReader } from '../oracle/watermark-reader.ts';

export const TOKEN = 'v1.0-fault-scenario-token';
const DAY = 86_400_000;
const START = new Date('2026-02-02T08:00:00Z');

/** No deadline passes because the machine is busy. A test of a deadline sets a short one. */
const PATIENT: Partial<Timing> = { pageMs: 60_000, connectMs: 30_000 };

export type Ran = {
  error: OperatorError | null;
  published: Published | null;
  /** Null when the run could not even begin. */
  facts: RunFacts | null;
  /** The client's waits in milliseconds; virtual unless `sleep` is real. */
  slept: number[];
  runId: number | null;
};

export type SyncOptions = {
  pool?: Pool;
  settings?: Partial<RunDeps['settings']>;
  lease?: LeaseTiming;
  timing?: Partial<Timing>;
  sleep?: 'virtual' | 'real';
  baseUrl?: URL;
  failpoint?: RunDeps['failpoint'];
  scheduledFor?: Date;
  acceptMassClear?: boolean;
  /** What the snapshot must hold when it is not the present world. */
  state?: readonly UserRisk[];
};

export type Account = {
  id: string;
  sync(options?: SyncOptions): Promise<Ran>;
  /** A sync that must publish a complete snapshot of the present world. */
  succeed(options?: SyncOptions): Promise<Ran>;
  /** A sync that must fail with this code and publish nothing. */
  fail(code: ErrorCode, exit: number, options?: SyncOptions): Promise<Ran & { error: OperatorError }>;
  /** Sets what a snapshot must hold from now on. The caller has checked it. */
  note(snapshotId: number, state: readonly UserRisk[], present: Iterable<string>): void;
  /** Heals the API, and asserts P1 to P9. `options` apply to the syncs that this makes. */
  assertPromises(options?: SyncOptions): Promise<void>;
};

export type Scenario = {
  pool: Pool;
  api: FaultServer;
  simulator: Simulator;
  /** The present world. */
  world(): UserRisk[];
  later(ms?: number): void;
  account(): Account;
  logs: string[];
  close(): Promise<void>;
};

export async function startScenario(options: {
  /** An already migrated database. */
  databaseUrl: string;
  users?: number;
  /** The largest page that the API serves. */
  perPageMax?: number;
  /** Answers instead of the simulated API, with this world. */
  instead?: { handler: RequestListener; world: () => UserRisk[] };
}): Promise<Scenario> {
  let instant = START;
  const people = createWorld({
    seed: 23,
    users: options.users ?? 90,
    start: START,
    days: 60,
    campaign: null,
  });
  const simulator = await startSimulator({
    worlds: people,
    now: () => instant,
    auth: { token: TOKEN, email: 'nobody@example.com', key: 'unused-key' },
    perPageMax: options.perPageMax ?? 16,
    rateLimit: null,
  });
  const api = await startFaultServer(options.instead?.handler ?? new URL(simulator.url));
  const logs: string[] = [];
  /** How many lines have been searched for secrets and people. To search them all each time takes longer each time. */
  let searched = 0;
  // The logger scrubs no secret here: the program itself must not log one.
  const logger = createLogger({
    level: 'debug',
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => logs.push(line) },
  });
  const pool = createPool({ url: options.databaseUrl, max: 6, logger });
  const world = options.instead?.world ?? (() => people.at(instant));

  function account(): Account {
    const id = randomBytes(16).toString('hex');
    const reader = createWatermarkReader(pool, id);
    const truth = new Map<number, SnapshotTruth>();
    const pools = new Set<Pool>();
    const note = (snapshotId: number, state: readonly UserRisk[], present: Iterable<string>) =>
      void truth.set(snapshotId, { state, present: new Set(present) });

    async function sync(over: SyncOptions = {}): Promise<Ran> {
      pools.add(over.pool ?? pool);
      const ran = await run({ id, api, pool, logger }, over);
      // A reader asks again later when its database is unreachable.
      await reader.poll().catch(() => undefined);
      if (ran.error !== null) logs.push(ran.error.message);
      const snapshotId = ran.published?.snapshotId;
      if (snapshotId != null) {
        const now = world();
        note(
          snapshotId,
          over.state ?? now,
          now.map((user) => user.user_id),
        );
      }
      return ran;
    }

    return {
      id,
      sync,
      note,
      async succeed(over = {}) {
        const ran = await sync(over);
        assert.equal(ran.error, null);
        assert.equal(ran.published?.verdict, 'complete');
        return ran;
      },
      async fail(code, exit, over = {}) {
        const ran = await sync(over);
        assert.deepEqual([ran.error?.code, ran.error?.exit], [code, exit]);
        assert.equal(ran.published, null);
        return { ...ran, error: ran.error ?? assert.fail() };
      },
      async assertPromises(over = {}) {
        api.heal();
        await assertPromises({
          pool,
          pools: [...pools],
          accountId: id,
          truth,
          world: world(),
          async sync() {
            const ran = await run({ id, api, pool, logger }, over);
            await reader.poll();
            return { error: ran.error, snapshotId: ran.published?.snapshotId ?? null };
          },
          reader,
          get logs() {
            return logs.slice(searched);
          },
          secrets: [TOKEN],
        });
        searched = logs.length;
      },
    };
  }

  return {
    pool,
    api,
    simulator,
    world,
    later: (ms = DAY) => void (instant = new Date(instant.getTime() + ms)),
    account,
    logs,
    async close() {
      await api.close();
      await simulator.close();
      await pool.end();
    },
  };
}

async function run(
  place: { id: string; api: FaultServer; pool: Pool; logger: Logger },
  over: SyncOptions,
): Promise<Ran> {
  const slept: number[] = [];
  const timing = over.lease ?? LEASE_TIMING;
  const began = performance.now();
  // Waits take no time and move this clock.
  let clock = Date.now();
  const virtual = {
    now: () => clock,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      slept.push(ms);
      clock += ms;
    },
  };
  const real = {
    sleep: (ms: number, signal: AbortSignal) => {
      slept.push(ms);
      return defaultSleep(ms, signal);
    },
  };
  const client = createCloudflareClient({
    baseUrl: over.baseUrl ?? place.api.url,
    auth: { kind: 'token', token: TOKEN },
    logger: place.logger,
    timing: { ...DEFAULT_TIMING, ...PATIENT, ...over.timing },
    ...(over.sleep === 'real' ? real : virtual),
  });
  try {
    for (;;) {
      const outcome = await requestSync(
        {
          pool: over.pool ?? place.pool,
          client,
          logger: place.logger,
          settings: { ...TEST_SETTINGS, ...over.settings },
          timing,
          ...(over.failpoint === undefined ? {} : { failpoint: over.failpoint }),
        },
        {
          accountId: place.id,
          trigger: over.scheduledFor === undefined ? 'cli' : 'cron',
          ...(over.scheduledFor === undefined ? {} : { scheduledFor: over.scheduledFor }),
          acceptMassClear: over.acceptMassClear ?? false,
          signal: new AbortController().signal,
        },
      );
      // The lease of a run that could not record its failure still exists: the next run waits for it.
      if (outcome.kind === 'already_running') {
        if (performance.now() - began > timing.leaseMs * 2 + 2_000)
          throw new Error('a run that has ended keeps its lease alive');
        await pause(50);
        continue;
      }
      assert.ok(outcome.kind === 'ran');
      const { error, published, facts } = outcome.result;
      return { error, published, facts, slept, runId: outcome.runId };
    }
  } catch (thrown) {
    const error = isOperatorError(thrown) ? thrown : databaseError(thrown);
    if (error === undefined) throw thrown;
    return { error, published: null, facts: null, slept, runId: null };
  } finally {
    await client.close();
  }
}
