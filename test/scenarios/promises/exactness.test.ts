// P3 and P4: whatever an account does and however it is served, every snapshot is what was served, and stays so. A
// reader that remembers the highest snapshot_id misses nothing. Random worlds are compared with an oracle, over real
// HTTP and with a real Postgres. EXACTNESS_RUNS and EXACTNESS_SEED choose how many worlds and which.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { compareHistory } from '../../support/oracle/compare-history.ts';
import { createCoverage, type Coverage } from '../../support/world/exactness-coverage.ts';
import { HISTORY_DEFECTS } from '../../support/oracle/history-defects.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { createOracle, type Forecast } from '../../support/oracle/oracle.ts';
import {
  listingOf,
  serving,
  understood,
  type Meanings,
  type Serving,
} from '../../support/world/random-serving.ts';
import { apply, change, uuidOf, type Change, type World } from '../../support/world/random-world.ts';
import { recordAnswers, startScriptedApi, type ScriptedApi } from '../../support/api/scripted-api.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';
import { runSyncOf } from '../../support/stage.ts';

/** The fewest that meet every case; 60 in `npm run test:long`. */
const WHOLE = 6;
const RUNS = Number(process.env['EXACTNESS_RUNS'] ?? WHOLE);
const SEED = Number(
  process.env['EXACTNESS_SEED'] ?? fc.readConfigureGlobal().seed ?? Date.now() % 2_147_483_647,
);

/** Unless other worlds are requested: see fast-check-seed.ts. */
const FIXED_SEED = process.env['FC_SEED'] === undefined ? fc.readConfigureGlobal().seed : undefined;

const DAY = 86_400_000;
/** Milliseconds after the latest instant so far. A step back does not move the latest instant. */
const clock = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: 2, max: DAY }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, -60_000) },
  { weight: 1, arbitrary: fc.constantFrom(0, -299_990, -600_000) },
);
const turn = fc.record({
  changes: fc.array(change, { maxLength: 6, size: 'max' }),
  serving,
  accept: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  dryRun: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
});
type Turn = { changes: Change[]; serving: Serving; accept: boolean; dryRun: boolean };
const step = fc.record({
  first: fc.constantFrom(0, 0, 0, 1),
  clock,
  turn,
  /** What the other account does at the same time. */
  beside: fc.option(turn, { freq: 4 }),
});
const history = fc.record({
  perPage: fc.constantFrom(7, 25, 100),
  concurrency: fc.constantFrom(1, 3),
  confirm: fc.constantFrom('lookup' as const, 'lookup', 'walks'),
  budget: fc.constantFrom(2, 100),
  steps: fc.array(step, { minLength: 20, maxLength: 40, size: 'max' }),
  /** Nearly always more than the number of steps. Shrinking this number cuts a failing history to its first steps. */
  length: fc.noBias(fc.nat(1_000)),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;
let api: ScriptedApi;

before(async () => {
  api = await startScriptedApi();
});

after(async () => {
  await api.close();
});

test('rebuilds every snapshot of random accounts row for row, and gives a reader every change', async (t) => {
  const coverage = createCoverage();
  await fc.assert(
    fc.asyncProperty(history, async (world) => {
      const database = await migratedDatabase();
      try {
        await live(database, world, coverage);
      } finally {
        await database.close();
      }
    }),
    {
      numRuns: RUNS,
      seed: SEED,
    },
  );
  t.diagnostic(`seed ${SEED}, ${coverage.describe()}`);
  // Which cases other worlds meet is random, and fewer worlds meet fewer.
  if (SEED === FIXED_SEED && RUNS >= WHOLE) coverage.assertWhole();
});

type Account = { id: string; world: World; oracle: ReturnType<typeof createOracle>; meanings: Meanings };

/** One history of two accounts from beginning to end. */
async function live(database: MigratedDatabase, past: History, coverage: Coverage): Promise<void> {
  const { pool } = database;
  const recorder = recordAnswers(api.client);
  const reader = createWatermarkReader(pool);
  const settings = {
    perPage: past.perPage,
    concurrency: past.concurrency,
    maxPasses: 3,
    confirm: past.confirm,
    confirmLookups: past.budget,
  };
  const deps = { pool, client: recorder.client, settings };
  const accounts = ['one', 'two'].map((name): Account => ({
    id: uuidOf(name).replaceAll('-', ''),
    world: { name, people: [], lost: undefined },
    oracle: createOracle(),
    meanings: new Map(),
  }));
  let newest = 0;
  let time = Date.now() - 300 * DAY;

  async function sync(account: Account, { changes, serving: how, accept, dryRun }: Turn, at: number) {
    for (const what of changes) apply(account.world, what);
    api.serve(account.id, listingOf(account.world, how, account.meanings));
    const outcome = await runSyncOf(account.id, deps, {
      observedAt: new Date(at),
      acceptMassClear: accept,
      dryRun,
    });
    const answers = recorder.take(account.id);
    const run = {
      observedAt: BigInt(at) * 1000n,
      pages: understood(answers.pages, account.meanings),
      brokeOff: answers.brokeOff,
      acceptMassClear: accept,
      confirm: past.confirm,
      lookups: answers.lookups,
    };
    const expected = account.oracle.foresee(run);
    const { published, error } = outcome;
    assert.equal(error?.code ?? null, errorOf(expected, error?.code));
    coverage.ran({ expected, run, dryRun, how, oracle: account.oracle });
    if (expected.kind === 'failed') {
      assert.equal(published, null);
    } else {
      const { verdict, counts } = expected.plan;
      assert.ok(published !== null);
      const { snapshotId, guard: _, ...said } = published;
      assert.deepEqual(said, { verdict, ...counts });
      assert.equal(snapshotId === null, dryRun);
      if (snapshotId !== null) account.oracle.publish(expected.plan, snapshotId);
    }
    if (!dryRun) await compareRun(database, outcome.runId, expected, published?.snapshotId ?? null);
  }

  async function take({ first, clock: by, turn: ours, beside }: Step) {
    const at = time + by;
    time = Math.max(time, at);
    const [mine, other] = first === 0 ? [accounts[0]!, accounts[1]!] : [accounts[1]!, accounts[0]!];
    if (beside === null) await sync(mine, ours, at);
    else await reader.pollDuring(Promise.all([sync(mine, ours, at), sync(other, beside, at)]));
    coverage.note('two accounts at once', beside !== null);
    await reader.poll();
    newest = await risen(database, newest);
    for (const account of beside === null ? [mine] : [mine, other])
      await compareHistory(pool, account.id, account.oracle, 'newest');
  }

  const steps = past.steps.slice(0, past.length);
  for (const [index, next] of steps.entries()) {
    await take(next).catch((error: unknown) => {
      const served = [next.turn, ...(next.beside === null ? [] : [next.beside])].map((t) => t.serving.kind);
      throw new Error(`step ${index + 1} of ${steps.length}, served ${served.join(' and ')}`, {
        cause: error,
      });
    });
  }
  await reader.verify();
  for (const account of accounts) await compareHistory(pool, account.id, account.oracle, 'all');
  for (const [what, query] of Object.entries(HISTORY_DEFECTS))
    assert.deepEqual(await database.rows(query), [], what);
  coverage.note('worlds');
}

/** MASS_CLEAR both publishes and fails. The API's own refusals may have any code. */
function errorOf(expected: Forecast, actual: string | undefined): string | null {
  if (expected.kind === 'published') return expected.plan.errorCode;
  return expected.errorCode ?? actual ?? 'an error';
}

async function compareRun(
  database: MigratedDatabase,
  runId: number,
  expected: Forecast,
  snapshotId: number | null,
): Promise<void> {
  const [row] = await database.rows<Record<string, unknown>>(
    `select status, verdict, error_code, snapshot_id, finished_at >= started_at as in_order from risk.sync_runs where run_id = $1`,
    [runId],
  );
  const plan = expected.kind === 'published' ? expected.plan : null;
  const errorCode = errorOf(expected, String(row?.['error_code']));
  assert.deepEqual(row, {
    status: errorCode === null ? 'succeeded' : 'failed',
    verdict: plan?.verdict ?? null,
    error_code: errorCode,
    snapshot_id: snapshotId === null ? null : String(snapshotId),
    in_order: true,
  });
}

/**
 * Over all accounts of a clock, snapshots, runs and accounts use every value of it, and no value below a visible one
 * appears later. No two snapshots share a value.
 */
async function risen(database: MigratedDatabase, newest: number): Promise<number> {
  const rows = await database.rows<{ clock: number; id: string; snapshots: number }>(
    `select risk_internal.feed_clock_key(account_key) as clock, id, sum(is_snapshot)::integer as snapshots from (
       select account_key, snapshot_id as id, 1 as is_snapshot from risk.snapshots
       union all select account_key, feed_id, 0 from risk.sync_runs
       union all select account_key, feed_id, 0 from risk.accounts) v
      where id is not null group by clock, id order by clock, id`,
  );
  for (const served of Map.groupBy(rows, ({ clock }) => clock).values()) {
    const ids = served.map((row) => Number(row.id));
    const wanted = ids.map((_, index) => index + 1);
    assert.deepEqual(ids, wanted, 'a value of the feed clock was skipped');
  }
  assert.ok(
    rows.every(({ snapshots }) => snapshots <= 1),
    'a snapshot id was given twice',
  );
  assert.ok(rows.length >= newest);
  return rows.length;
}
