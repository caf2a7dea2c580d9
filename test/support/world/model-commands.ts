// Commands of the model-based test: what may happen to an account between and during runs, and what must be true after
// each run. The oracle is the account's own memory: what was true when, and what was served.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Logger } from '../../../src/logger.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import type { RunDeps, RunResult } from '../../../src/sync/run-sync.ts';
import type { RiskLevel } from '../../../src/user-risk.ts';
import {
  ODD_RECORDS,
  type Happening,
  type LivingAccount,
  type RunScript,
  type Served,
} from '../api/living-account.ts';
import { testPool, type MigratedDatabase } from '../database/migrated-database.ts';
import { TEST_SETTINGS } from '../settings.ts';
import { PRESENT_USERS } from '../database/record-columns.ts';

export type Real = {
  db: MigratedDatabase;
  accountId: string;
  account: LivingAccount;
  confirm: 'lookup' | 'walks';
  perPage: number;
  concurrency: number;
  logger: Logger;
  tally: Tally;
};

/** The cases that a whole test has met: a property that meets no case proves nothing. */
export type Tally = {
  runs: number;
  complete: number;
  partial: number;
  failed: number;
  cleared: number;
  /** Users who were cleared although they had a level at every instant from observed_at to publish. */
  falseClears: number;
  /** Complete walks that missed a user who was present throughout. */
  completeAndMissed: number;
  takenOver: number;
  /** Published although the page beyond the end was refused, and failed because a page was. */
  refusedEnd: number;
  pageRefused: number;
};

export function emptyTally(): Tally {
  return {
    runs: 0,
    complete: 0,
    partial: 0,
    failed: 0,
    cleared: 0,
    falseClears: 0,
    completeAndMissed: 0,
    takenOver: 0,
    refusedEnd: 0,
    pageRefused: 0,
  };
}

/** A present user as the database holds them. */
type Known = Served & { absent: boolean };
type Model = Record<string, never>;
type Command = fc.AsyncCommand<Model, Real>;

const level = fc.constantFrom<RiskLevel>('low', 'medium', 'high');
const who = fc.nat(999);
export const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('act' as const), who, level }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reset' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('arrive' as const), level }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), who }) },
);

/** Null, except once in `times`. */
function seldom<T>(times: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: times - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
}

type Suffers =
  | { kind: 'nothing' }
  /** Stopped by a signal before this request. */
  | { kind: 'interrupted'; before: number }
  /** Paused at this point for longer than its lease, while another run takes over; then it goes on. */
  | { kind: 'paused'; at: 'claimed' | 'walked' | 'asked' | 'copying' | 'copied' }
  /** The server closes every connection of the run at this point. */
  | { kind: 'cut_off'; at: 'walked' | 'asked' | 'copying' | 'copied' };

type SyncPlan = RunScript & { suffers: Suffers; accept: boolean; maxPasses: number };

function syncPlan(confirm: 'lookup' | 'walks'): fc.Arbitrary<SyncPlan> {
  const mode =
    confirm === 'lookup'
      ? fc.constantFrom('down' as const, 'garbled', 'blind', ...ODD_RECORDS)
      : fc.constantFrom('down' as const, 'garbled', 'blind', 'refused', ...ODD_RECORDS);
  return fc.record({
    during: fc.oneof(
      fc.constant([]),
      fc.array(fc.record({ before: fc.integer({ min: 1, max: 20 }), what: happening }), {
        minLength: 1,
        maxLength: 16,
        size: 'max',
      }),
    ),
    downFrom: seldom(12, fc.integer({ min: 1, max: 20 })),
    // The first lookup is the control. A failure after it is a single fault, not an endpoint that cannot be asked.
    lookups: seldom(
      3,
      fc
        .record({
          from: fc.integer({ min: 2, max: 6 }),
          times: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
          mode,
        })
        // When the control passes, a false record cannot be distinguished from a true one.
        .map((fault) => (fault.mode === 'blind' ? { ...fault, times: Number.POSITIVE_INFINITY } : fault)),
    ),
    refused: seldom(
      5,
      fc.record({
        from: fc.integer({ min: 1, max: 20 }),
        times: fc.constantFrom(1, 2, 4, Number.POSITIVE_INFINITY),
        status: fc.constantFrom<404 | 400 | 500>(404, 400, 500),
      }),
    ),
    total: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, null, null, -2, 2),
    suffers: fc.oneof(
      { weight: 14, arbitrary: fc.constant<Suffers>({ kind: 'nothing' }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('interrupted' as const),
          before: fc.integer({ min: 1, max: 12 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('paused' as const),
          at: fc.constantFrom('claimed' as const, 'walked', 'asked', 'copying', 'copied'),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('cut_off' as const),
          at: fc.constantFrom('walked' as const, 'asked', 'copying', 'copied'),
        }),
      },
    ),
    accept: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    maxPasses: fc.constantFrom(1, 2, 4, 4),
  });
}

export function commands(confirm: 'lookup' | 'walks'): fc.Arbitrary<Iterable<Command>> {
  return fc.commands(
    [
      fc.array(happening, { minLength: 1, maxLength: 6 }).map((what) => new Live(what)),
      syncPlan(confirm).map((plan) => new Sync(plan)),
      syncPlan(confirm).map((plan) => new Sync(plan)),
    ],
    { maxCommands: 14, size: 'max' },
  );
}

/** Events between runs. */
class Live implements Command {
  readonly what: Happening[];
  constructor(what: Happening[]) {
    this.what = what;
  }
  check = () => true;
  async run(_: Model, { account }: Real): Promise<void> {
    for (const one of this.what) account.happen(one);
  }
  toString = () => `live(${JSON.stringify(this.what)})`;
}

class Sync implements Command {
  readonly plan: SyncPlan;
  constructor(plan: SyncPlan) {
    this.plan = plan;
  }
  check = () => true;
  async run(_: Model, real: Real): Promise<void> {
    await syncAndCheck(real, this.plan);
  }
  toString = () => `sync(${JSON.stringify(this.plan)})`;
}

const STILL: SyncPlan = {
  during: [],
  downFrom: null,
  lookups: null,
  refused: null,
  total: 0,
  suffers: { kind: 'nothing' },
  accept: true,
  maxPasses: 4,
};

/** Once the world stands still, one run publishes the whole truth; without lookups, two runs. */
export async function settle(real: Real): Promise<void> {
  await syncAndCheck(real, STILL);
  if (real.confirm === 'walks') await syncAndCheck(real, STILL);
  const known = await knownUsers(real);
  const truth = real.account.truth();
  assert.deepEqual([...known.values()].map(servedOf).toSorted(byId), [...truth.values()].toSorted(byId));
  assert.ok([...known.values()].every(({ absent }) => !absent));
}

async function syncAndCheck(real: Real, plan: SyncPlan): Promise<void> {
  const { account, tally } = real;
  const before = await knownUsers(real);
  const from = account.now();
  const truthBefore = account.truth();
  const outcome = await run(real, plan);
  if (outcome === 'taken_over') {
    tally.takenOver++;
    return;
  }
  tally.runs++;
  const known = await knownUsers(real);
  const { published, facts } = outcome;
  if (outcome.error?.code === 'PAGE_REFUSED') tally.pageRefused++;
  if (published === null) {
    tally.failed++;
    assert.deepEqual(known, before, 'a run that published nothing changed something');
    return;
  }
  tally[published.verdict]++;
  if (facts.evidence.refused_end !== undefined) tally.refusedEnd++;
  const served = account.served();
  for (const [userId, record] of served) {
    assert.deepEqual(
      known.get(userId),
      { ...record, absent: false },
      'a served user differs from what was served',
    );
  }
  for (const [userId, { absent, ...state }] of known) {
    if (served.has(userId)) continue;
    const earlier = before.get(userId);
    assert.ok(earlier !== undefined, 'a user appeared from nowhere');
    assert.deepEqual(state, servedOf(earlier), 'a user who was not served has changed');
    assert.ok(absent, 'a user who was not served is not marked absent');
  }
  const cleared = [...before.keys()].filter((userId) => !known.has(userId));
  assert.equal(published.cleared, cleared.length);
  tally.cleared += cleared.length;
  for (const userId of cleared) {
    assert.ok(!served.has(userId));
    const isFalse = !account.wasWithout(userId, from, account.now());
    if (isFalse) tally.falseClears++;
    if (real.confirm === 'lookup') assert.ok(!isFalse, `${userId} was cleared, and had a level all the time`);
    if (real.confirm === 'walks')
      assert.equal(published.verdict, 'complete', 'a partial walk alone cleared a user');
  }
  if (published.verdict === 'complete') {
    const missed = [...truthBefore.keys()].some(
      (userId) => !served.has(userId) && !account.wasWithout(userId, from, account.now()),
    );
    if (missed) tally.completeAndMissed++;
  }
  assert.equal(published.users, known.size);
  assert.equal(published.met, served.size);
  assert.ok(facts.passes <= plan.maxPasses);
}

async function run(real: Real, plan: SyncPlan): Promise<RunResult | 'taken_over'> {
  const { db, account, accountId, confirm, perPage, concurrency, logger } = real;
  const { suffers } = plan;
  const interrupt = new AbortController();
  account.begin({
    ...plan,
    onRequest: (nth) => {
      if (suffers.kind === 'interrupted' && nth === suffers.before) interrupt.abort(new Error('a signal'));
    },
  });
  let wasCut = false;
  let takenOver = false;
  // A separate pool, because other accounts sync in parallel, and the test itself queries.
  const pool = suffers.kind === 'cut_off' ? testPool(named(db.url, accountId)) : db.pool;
  const deps: RunDeps = {
    pool,
    client: account.client,
    logger,
    settings: { ...TEST_SETTINGS, perPage, concurrency, confirm, maxPasses: plan.maxPasses },
    timing: { heartbeatMs: 60_000, leaseMs: 120_000, pollMs: 10, graceMs: 1_000 },
    async failpoint(name) {
      if (suffers.kind === 'cut_off' && name === suffers.at && !wasCut) {
        wasCut = true;
        await db.pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = $1`,
          [accountId],
        );
      }
      if (suffers.kind === 'paused' && name === suffers.at && !takenOver) {
        takenOver = true;
        await takeOver(real);
      }
    },
  };
  const request = {
    accountId,
    trigger: 'cli' as const,
    acceptMassClear: plan.accept,
    signal: interrupt.signal,
  };
  const outcome = await requestSync(deps, request);
  if (pool !== db.pool) await pool.end();
  assert.ok(outcome.kind === 'ran');
  if (!takenOver) return outcome.result;
  assert.equal(outcome.result.error?.code, 'LEASE_LOST');
  assert.equal(outcome.result.published, null);
  return 'taken_over';
}

/** Gives the connections of this URL a name that the server can see. */
function named(url: string, name: string): string {
  const named = new URL(url);
  named.searchParams.set('application_name', name);
  return named.href;
}

/** The lease has expired. Another run takes the account over and finishes. */
async function takeOver(real: Real): Promise<void> {
  await real.db.pool.query(
    `update risk_internal.leases set heartbeat_at = now() - interval '1 hour', process = ''
      where account_key = (select account_key from risk.accounts where account_id = $1)`,
    [real.accountId],
  );
  await syncAndCheck(real, { ...STILL, accept: false });
}

async function knownUsers({ db, accountId }: Real): Promise<Map<string, Known>> {
  const rows = await db.rows<Known>(PRESENT_USERS, [accountId]);
  return new Map(rows.map((row) => [row.user_id, row]));
}

function servedOf({ absent: _absent, ...served }: Known): Served {
  return served;
}

function byId(a: Served, b: Served): number {
  return a.user_id < b.user_id ? -1 : 1;
}
