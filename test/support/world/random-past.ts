// Random pasts of several accounts that went through the real walk and publish, and what an oracle may know about them.
// The runs happen now, whatever instant their snapshots stand for. Afterwards their times are moved to that instant.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HOUR } from '../oracle/reporting/calendar.ts';
import type { MigratedDatabase } from '../database/migrated-database.ts';
import { createOracle } from '../oracle/oracle.ts';
import { listingOf, serving, understood, type Meanings, type Serving } from './random-serving.ts';
import { apply, change, uuidOf, type Change, type World } from './random-world.ts';
import type { Past, RunFact } from '../oracle/reporting/past.ts';
import { recordAnswers, type ScriptedApi } from '../api/scripted-api.ts';
import { runSyncOf } from '../stage.ts';

/** Near clock changes in Berlin, the Azores (over midnight) and New York. */
const STARTS = [
  '2025-03-27T05:17:00Z',
  '2025-10-24T21:40:00Z',
  '2025-03-06T00:00:00Z',
  '2025-10-30T11:00:00Z',
];

const step = fc.record({
  account: fc.constantFrom(0, 0, 0, 1, 1, 2),
  /** Minutes since the last run: mostly an hour or less, sometimes days. */
  wait: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 90 }) },
    { weight: 3, arbitrary: fc.integer({ min: 90, max: 1_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1_000, max: 6_000 }) },
  ),
  changes: fc.array(change, { maxLength: 6, size: 'max' }),
  serving,
  accept: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  /** How many minutes the run took. */
  took: fc.integer({ min: 1, max: 120 }),
  run: fc.constantFrom('cron' as const, 'cron', 'cron', 'cli', 'abandoned'),
});
export const randomPast = fc.record({
  steps: fc.array(step, { minLength: 40, maxLength: 60, size: 'max' }),
});

/** States more users than exist, on every page: never complete. */
const MOVED: Serving = {
  kind: 'moved_total',
  who: 1,
  level: 'low',
  eventCount: 1,
  bad: 'level',
  unreadable: 'null',
  faultPage: 1,
  status: 503,
  pageLimit: 3,
  rotate: 0,
  upperCase: false,
  lookups: 'honest',
  goneAs: 'unknown',
  oddAs: null,
};
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
export type RandomPast =
  typeof randomPast extends fc.Arbitrary<infer T>
    ? T & { start: string; confirm: 'lookup' | 'walks'; retiredAfter: number | null }
    : never;

/** A first load that cannot be known to be complete, while a user is cleared and returns. */
const LONG_BASELINE: Step[] = (
  [
    [
      {
        kind: 'appear',
        people: (['low', 'medium', 'high'] as const).map((level, nth) => ({
          email: `${level}@example.com`,
          name: level,
          level,
          eventCount: nth + 1,
          lastEvent: { micros: 1_740_000_000_000_000n, spelling: nth },
        })),
      },
    ],
    [{ kind: 'leave', who: 0 }],
    [{ kind: 'return', who: 0 }],
  ] satisfies Change[][]
).map((changes) => ({
  account: 2,
  wait: 50,
  changes,
  serving: MOVED,
  accept: false,
  took: 3,
  run: 'cron' as const,
}));

/** What the nth world always has, so that no case depends on chance. `retiredAfter`: hours after the last run. */
export function circumstances(nth: number): Omit<RandomPast, 'steps'> {
  return {
    start: STARTS[nth % STARTS.length]!,
    confirm: nth % 4 === 1 ? 'walks' : 'lookup',
    retiredAfter: [30, 0, null, 200][nth % 4]!,
  };
}

/** Minutes from the start to the last run. */
export const minutesOf = (steps: readonly Step[]): number =>
  [...LONG_BASELINE, ...steps].reduce((sum, { wait }) => sum + wait, 0);

export async function liveThrough(
  { pool, rows }: MigratedDatabase,
  api: ScriptedApi,
  past: RandomPast,
): Promise<Past[]> {
  const recorder = recordAnswers(api.client);
  const settings = { perPage: 25, maxPasses: 2, confirm: past.confirm };
  const deps = { pool, client: recorder.client, settings };
  const accounts = ['one', 'two', 'three'].map((name) => ({
    id: uuidOf(name).replaceAll('-', ''),
    world: { name, people: [], lost: undefined } as World,
    oracle: createOracle(),
    meanings: new Map() as Meanings,
    runs: [] as RunFact[],
  }));
  let time = Date.parse(past.start);
  const steps = [...LONG_BASELINE, ...past.steps];
  for (const { account: which, wait, changes, serving: how, accept, took, run } of steps) {
    const account = accounts[which]!;
    time += wait * 60_000;
    for (const what of changes) apply(account.world, what);
    api.serve(account.id, listingOf(account.world, how, account.meanings));
    const outcome = await runSyncOf(account.id, deps, {
      observedAt: new Date(time),
      acceptMassClear: accept,
    });
    const answers = recorder.take(account.id);
    const observedAt = BigInt(time) * 1000n;
    const expected = account.oracle.foresee({
      observedAt,
      pages: understood(answers.pages, account.meanings),
      brokeOff: answers.brokeOff,
      acceptMassClear: accept,
      confirm: past.confirm,
      lookups: answers.lookups,
    });
    const snapshotId = outcome.published?.snapshotId ?? null;
    assert.equal(snapshotId === null, expected.kind === 'failed');
    if (expected.kind === 'published') account.oracle.publish(expected.plan, snapshotId!);
    const isAbandoned = run === 'abandoned' && snapshotId === null;
    const slot = observedAt - (observedAt % HOUR);
    // A slot is run once. A run after its success was started by hand.
    const isDone = account.runs.some((r) => r.status === 'succeeded' && r.scheduledFor === slot);
    const byHand = run === 'cli' || isDone;
    const fact = {
      status: isAbandoned
        ? 'abandoned'
        : expected.kind === 'published' && expected.plan.errorCode === null
          ? 'succeeded'
          : 'failed',
      scheduledFor: byHand ? null : slot,
      finishedAt: observedAt + BigInt(took) * 60_000_000n,
    };
    account.runs.push(fact);
    // Plain values: a distributed table takes no stable function in a CASE.
    await pool.query(
      `update risk.sync_runs set started_at = $2, finished_at = $3, trigger = $4, scheduled_for = $5,
              status = case when $6 then 'abandoned' else status end
        where run_id = $1`,
      [
        outcome.runId,
        new Date(time),
        new Date(time + took * 60_000),
        byHand ? 'cli' : 'cron',
        byHand ? null : new Date(Number(slot / 1000n)),
        isAbandoned,
      ],
    );
  }
  if (past.retiredAfter !== null)
    await pool.query('update risk.accounts set retired_at = $2, label = $3 where account_id = $1', [
      accounts[1]!.id,
      new Date(time + past.retiredAfter * 3_600_000),
      'the second',
    ]);
  const known = await rows<{
    account_id: string;
    label: string | null;
    added: string;
    retired: string | null;
    feedId: string;
  }>(
    `select account_id, label, (extract(epoch from added_at) * 1000000)::bigint as added,
            (extract(epoch from retired_at) * 1000000)::bigint as retired, feed_id as "feedId" from risk.accounts`,
  );
  return known.map(({ account_id: accountId, label, added, retired, feedId }) => {
    const { oracle, runs } = accounts.find(({ id }) => id === accountId)!;
    const retiredAt = retired === null ? null : BigInt(retired);
    return { accountId, label, addedAt: BigInt(added), retiredAt, feedId, oracle, runs };
  });
}
