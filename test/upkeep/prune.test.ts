// Retention: whatever an account holds and whenever it is pruned, all that is newer than the horizon stays the same.
// Questions about rows that may be missing are refused, never answered with less. Random accounts live through the real
// walk and publish, and an oracle knows what each snapshot was. PRUNE_RUNS chooses how many accounts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Retention } from '../../src/retention.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { previewAccount } from '../../src/upkeep/prune/preview-account.ts';
import { pruneAccount, type PrunedAccount } from '../../src/upkeep/prune/prune-account.ts';
import { recordAnswers, startScriptedApi, type ScriptedApi } from '../support/api/scripted-api.ts';
import { childScript } from '../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { compareHistory, unlessSuperseded, type Whole } from '../support/oracle/compare-history.ts';
import { HISTORY_DEFECTS } from '../support/oracle/history-defects.ts';
import { createOracle, type Oracle, type SnapshotRecord } from '../support/oracle/oracle.ts';
import { runSyncOf } from '../support/stage.ts';
import {
  listingOf,
  serving,
  understood,
  type Meanings,
  type Serving,
} from '../support/world/random-serving.ts';
import { apply, change, uuidOf, type Change, type World } from '../support/world/random-world.ts';

const RUNS = Number(process.env['PRUNE_RUNS'] ?? 3);
const FOR_EVER: Retention = { activity: null, levels: null, identities: null, runs: null };
const PARTS = ['activity', 'levels', 'identities'] as const;
type Part = (typeof PARTS)[number];

const step = fc.record({
  // Far apart: an instant between two snapshots must stay between them, however slow the machine is.
  hours: fc.integer({ min: 2, max: 40 }),
  changes: fc.array(change, { minLength: 2, maxLength: 8, size: 'max' }),
  serving,
  prune: fc.option(
    fc.record({
      part: fc.constantFrom('activity' as const, 'activity', 'levels', 'identities'),
      /** Snapshots that stay after the horizon. */
      newer: fc.nat({ max: 8 }),
      besideRun: fc.boolean(),
      mostRows: fc.constantFrom(1, 3, 1_000),
    }),
    { freq: 2 },
  ),
});

let api: ScriptedApi;
before(async () => {
  api = await startScriptedApi();
});
after(() => api.close());

test('a prune changes nothing that is newer than its horizon, alone and beside runs', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 16, maxLength: 22, size: 'max' }), async (steps) => {
      const database = await migratedDatabase();
      try {
        const life = createLife(database, api);
        for (const one of steps) {
          const { prune } = one;
          if (prune === null || life.oracle.snapshots.length === 0) await life.sync(one);
          else if (prune.besideRun) await Promise.all([life.sync(one), life.prune(prune)]);
          else {
            await life.sync(one);
            await life.pruneAlone(prune);
          }
          await compareHistory(database.pool, life.accountId, life.oracle, 'newest', life.whole);
        }
        await life.prune({ part: 'activity', newer: 2, mostRows: 3 });
        await compareHistory(database.pool, life.accountId, life.oracle, 'all', life.whole);
        await assertRefused(database, life);
        await assertCompared(database, life);
        await assertNoDefect(database, life.whole);
      } finally {
        await database.close();
      }
    }),
    { numRuns: RUNS },
  );
});

test('a prune that is killed at any place leaves a history that is whole since its mark, and the next prune goes on', async (t) => {
  const script = await childScript('children/prune-child.ts');
  t.after(() => script.close());
  const database = await migratedDatabase();
  t.after(() => database.close());
  const life = createLife(database, api);
  const [steps] = fc.sample(fc.array(step, { minLength: 12, maxLength: 12 }), { numRuns: 1, seed: 7 });
  for (const one of steps!) await life.sync({ ...one, serving: { ...one.serving, kind: 'as_it_is' } });
  const horizon = life.oracle.snapshots.at(-2)!;
  const retention = {
    ...FOR_EVER,
    ...Object.fromEntries(PARTS.map((part) => [part, keepMs(life.oracle, 1)])),
  };
  // Each place of a transaction, in the first one and in a later one, while rows are left.
  for (const place of ['deleted', 'noted', 'committed', 'deleted', 'noted', 'committed']) {
    const child = script.start({
      databaseUrl: database.url,
      accountKey: await life.key(),
      retention,
      mostRows: 4,
    });
    // Not the first time: something was committed before.
    for (let times = place === 'committed' ? 1 : 2; times > 0; times -= 1) {
      for (let at = ''; at !== `at ${place}`;) {
        at = await child.line('at');
        if (at !== `at ${place}` || times > 1) child.say('go on');
      }
    }
    child.kill('SIGKILL');
    await child.ended;
    const whole = await wholeIn(database);
    await compareHistory(database.pool, life.accountId, life.oracle, 'all', { ...whole, isUnderWay: true });
    await assertRefused(database, { ...life, whole });
    assert.deepEqual(await database.rows('select * from risk_internal.leases'), []);
  }
  await pruneAccount(
    { pool: database.pool, timing: LEASE_TIMING },
    { accountKey: await life.key(), retention, signal: new AbortController().signal, onBusy: () => true },
  );
  const whole = await wholeIn(database);
  assert.deepEqual(whole, { activity: horizon.at, levels: horizon.at, identities: horizon.at });
  await compareHistory(database.pool, life.accountId, life.oracle, 'all', whole);
  await assertNoDefect(database, whole);
});

type Pruning = { part: Part; newer: number; mostRows: number };

/** One account that an oracle knows completely, and what was pruned. */
function createLife({ pool, rows }: MigratedDatabase, { client, serve }: ScriptedApi) {
  const accountId = uuidOf('one').replaceAll('-', '');
  const world: World = { name: 'one', people: [], lost: undefined };
  const oracle = createOracle();
  const meanings: Meanings = new Map();
  const recorder = recordAnswers(client);
  const whole: Whole = {};
  let time = Date.now() - 50 * 86_400_000;

  async function sync({
    hours,
    changes,
    serving: how,
  }: {
    hours: number;
    changes: Change[];
    serving: Serving;
  }) {
    time += hours * 3_600_000;
    for (const what of changes) apply(world, what);
    serve(accountId, listingOf(world, how, meanings));
    const settings = { perPage: 25, maxPasses: 2 };
    const { published } = await runSyncOf(
      accountId,
      { pool, client: recorder.client, settings },
      { observedAt: new Date(time), acceptMassClear: true },
    );
    const answers = recorder.take(accountId);
    const expected = oracle.foresee({
      observedAt: BigInt(time) * 1000n,
      pages: understood(answers.pages, meanings),
      brokeOff: answers.brokeOff,
      acceptMassClear: true,
      confirm: 'lookup',
      lookups: answers.lookups,
    });
    assert.equal(published === null, expected.kind === 'failed');
    if (expected.kind === 'published') oracle.publish(expected.plan, published!.snapshotId!);
  }

  const key = async () => {
    const [account] = await rows<{ account_key: number }>('select account_key from risk.accounts');
    return account!.account_key;
  };

  async function prune({ part, newer, mostRows }: Pruning): Promise<PrunedAccount> {
    const horizon = horizonOf(oracle, newer);
    const before = left(oracle, part, whole[part]);
    const after = left(oracle, part, horizon.at);
    const goes = before.filter((row) => !after.includes(row)).length;
    const retention = { ...FOR_EVER, [part]: keepMs(oracle, newer) };
    const [previewed] = await previewAccount(pool, await key(), retention);
    assert.equal(previewed?.rows, goes, `what would go of ${part}`);
    const pruned = await pruneAccount(
      { pool, timing: { ...LEASE_TIMING, pollMs: 20 }, mostRows },
      { accountKey: await key(), retention, signal: new AbortController().signal, onBusy: () => true },
    );
    assert.equal(pruned.parts[0]?.rows ?? 0, goes, `what went of ${part}`);
    if (goes > 0) whole[part] = horizon.at;
    return pruned;
  }

  /** Nothing else writes: what the views say about later instants must not change. */
  async function pruneAlone(pruning: Pruning) {
    const since = new Date(Number(horizonOf(oracle, pruning.newer).at / 1000n)).toISOString();
    const before = await tellLater(rows, since);
    await prune(pruning);
    assert.deepEqual(await tellLater(rows, since), before);
  }

  return { accountId, oracle, whole, sync, prune, pruneAlone, key };
}
type Life = ReturnType<typeof createLife>;

function horizonOf({ snapshots }: Oracle, newer: number): SnapshotRecord {
  return snapshots[Math.max(0, snapshots.length - 1 - newer)]!;
}

/** Halfway to the next snapshot: an hour before and after, whatever time the test takes. */
function keepMs({ snapshots }: Oracle, newer: number): number {
  const { at } = horizonOf({ snapshots } as Oracle, newer);
  const next = snapshots.find((one) => one.at > at)?.at ?? at + 7_200_000_000n;
  return Date.now() - Number((at + next) / 2_000n);
}

function left(oracle: Oracle, part: Part, before: bigint | undefined): readonly object[] {
  if (part === 'activity') return unlessSuperseded(oracle.activity, ({ at }) => at, before);
  return part === 'levels'
    ? unlessSuperseded(oracle.levels, ({ from }) => from, before)
    : unlessSuperseded(oracle.identities, ({ from }) => from, before);
}

const LATER = [
  'select * from risk_bi.risk_level_by_snapshot where observed_at is not null or $1::timestamptz is null order by 2, 4',
  'select * from risk_bi.snapshots where observed_at is not null or $1::timestamptz is null order by 2',
  'select * from risk_bi.level_changes where changed_at >= $1 order by 2, 3, 6',
  'select * from risk_bi.returned_users where returned_at >= $1 order by 2, 6',
  'select * from risk_bi.user_level_history where valid_to is null or valid_to >= $1 order by 2, 3',
  'select * from risk_bi.user_identities where valid_to is null or valid_to > $1 order by 2, 3',
  'select * from risk_bi.user_activity where observed_at >= $1 order by 2, 3',
  'select * from risk_bi.high_risk_episodes where started_at >= $1 order by 2, 3',
  `select * from risk_bi.activity_daily where day > $1::timestamptz::date order by 2`,
  'select * from risk_bi.level_transitions_daily where day >= $1::timestamptz::date order by 2, 3, 4',
  'select * from risk_bi.users where user_id is not null or $1::timestamptz is null order by 2',
];

async function tellLater(rows: MigratedDatabase['rows'], since: string): Promise<unknown[]> {
  const told: unknown[] = [];
  for (const query of LATER) told.push(await rows(query, [since]));
  return told;
}

/** Every snapshot that may lack rows. */
async function assertRefused(
  { pool }: MigratedDatabase,
  { accountId, oracle, whole }: Pick<Life, 'accountId' | 'oracle' | 'whole'>,
): Promise<void> {
  const latest = (...parts: Part[]) =>
    parts.reduce<bigint>((a, part) => ((whole[part] ?? 0n) > a ? whole[part]! : a), 0n);
  const refusal = (error: { code?: string; detail?: string }) =>
    error.code === 'ZT001' && /^\d{4}-.*Z$/.test(error.detail ?? '');
  for (const { snapshotId, at } of oracle.snapshots) {
    const when = `'epoch'::timestamptz + ${at} * interval '1 microsecond'`;
    if (at < latest('activity', 'levels'))
      await assert.rejects(
        pool.query(`select * from risk_bi.users_as_of($1, ${when})`, [accountId]),
        refusal,
      );
    if (at < latest(...PARTS))
      await assert.rejects(pool.query('select * from risk_bi.snapshot_users($1)', [snapshotId]), refusal);
    if (at < latest('levels'))
      await assert.rejects(
        pool.query(`select * from risk_bi.compare($1, ${when}, now())`, [accountId]),
        refusal,
      );
  }
}

/** Levels as of two instants, both since the levels are whole. */
async function assertCompared({ rows }: MigratedDatabase, { accountId, oracle, whole }: Life): Promise<void> {
  const told = oracle.snapshots.filter(({ at }) => at >= (whole.levels ?? 0n));
  const [first, last] = [told[0], told.at(-1)];
  if (first === undefined || last === undefined) return;
  const found = await rows<{ user_id: string; from_level: string | null; to_level: string | null }>(
    `select user_id, from_level, to_level from risk_bi.compare($1, 'epoch'::timestamptz + $2 * interval '1 microsecond',
       'epoch'::timestamptz + $3 * interval '1 microsecond') order by 1`,
    [accountId, String(first.at), String(last.at)],
  );
  const ids = [...new Set([...first.state.keys(), ...last.state.keys()])].toSorted();
  const levels = ids.map((user_id) => ({
    user_id,
    from_level: first.state.get(user_id)?.level ?? null,
    to_level: last.state.get(user_id)?.level ?? null,
  }));
  assert.deepEqual(
    found,
    levels.filter(({ from_level, to_level }) => from_level !== to_level),
  );
}

async function assertNoDefect({ rows }: MigratedDatabase, whole: Whole): Promise<void> {
  for (const [what, query] of Object.entries(HISTORY_DEFECTS)) {
    // The first period of a user may have been deleted.
    if (whole.levels !== undefined && what.startsWith('a first period')) continue;
    assert.deepEqual(await rows(query), [], what);
  }
}

async function wholeIn({ rows }: MigratedDatabase): Promise<Whole> {
  const found = await rows<{ dataset: Part; us: string }>(
    'select dataset, (extract(epoch from whole_since) * 1000000)::bigint as us from risk.retention order by dataset desc',
  );
  return Object.fromEntries(
    PARTS.flatMap((part) => {
      const row = found.find(({ dataset }) => dataset === part);
      return row === undefined ? [] : [[part, BigInt(row.us)]];
    }),
  );
}
