// The cases that the random worlds of the exactness test have met. A property that never meets a case proves nothing
// about it.
import assert from 'node:assert/strict';
import type { Forecast, Oracle, Plan, ServedRun } from '../oracle/oracle.ts';
import type { Serving } from './random-serving.ts';

const WANTED = [
  'appeared',
  'raised',
  'lowered',
  'cleared',
  'cleared as reset by their own record',
  'cleared as absent by their own record',
  'cleared after two complete walks',
  'cleared after a partial walk',
  'a record insists on a level',
  'a record that insisted outweighs the walk before',
  'a record that says nothing, beside a control',
  'waits beyond the budget',
  'records cannot be asked',
  'records could not be reached',
  'two readings that agree',
  'returned with the same counters',
  'returned with other counters',
  'renamed and changed level in one snapshot',
  'identity to null',
  'identity back from null',
  'rejected record of a user who stays present',
  'rejected record of a user never seen',
  'rejected record of a user who was marked absent',
  'unreadable record',
  'duplicate whose last read wins',
  'partial',
  'marked absent, then met again unchanged',
  'marked absent, then cleared with the earlier instant',
  'API refused or went away',
  'TOO_MANY_REJECTED',
  'CLOCK_BACKWARDS',
  'EMPTY_ANSWER',
  'empty answer accepted',
  'MASS_CLEAR',
  'mass clear accepted',
  'CLEAR_PENDING',
  'equal instants',
  'an instant before the newest snapshot',
  'two readings for want of totals',
  'partial baseline before the first complete',
  'nothing changed',
  'dry run',
  'two accounts at once',
  'worlds',
] as const;
type Case = (typeof WANTED)[number];

export type Coverage = ReturnType<typeof createCoverage>;

export function createCoverage() {
  const seen = new Map<Case, number>();
  const note = (what: Case, when = true) => {
    if (when) seen.set(what, (seen.get(what) ?? 0) + 1);
  };

  /** Called before the oracle records the run. */
  function ran({
    expected,
    run,
    dryRun,
    how,
    oracle,
  }: {
    expected: Forecast;
    run: ServedRun;
    dryRun: boolean;
    how: Serving;
    oracle: Oracle;
  }): void {
    note('dry run', dryRun);
    if (dryRun) return;
    if (expected.kind === 'failed') {
      if (expected.errorCode === null) note('API refused or went away');
      else note(expected.errorCode as Case);
      return;
    }
    const { plan } = expected;
    const rejected = run.pages.flatMap((page) => page.records).filter((record) => record.kind === 'rejected');
    for (const { userId } of rejected) {
      const user = userId === null ? undefined : oracle.users.get(userId);
      note('unreadable record', userId === null);
      if (userId === null || plan.lastRead.has(userId)) continue;
      note('rejected record of a user never seen', user === undefined);
      note('rejected record of a user who stays present', user !== undefined && user.level !== null);
      note('rejected record of a user who was marked absent', (user?.absentSince ?? null) !== null);
    }
    const newest = oracle.snapshots.at(-1)?.at;
    const wasComplete = oracle.snapshots.some(({ verdict }) => verdict === 'complete');
    note('equal instants', newest === run.observedAt);
    note('an instant before the newest snapshot', newest !== undefined && newest > run.observedAt);
    note('two readings for want of totals', (run.pages.at(-1)?.reading ?? 0) > 1);
    note('duplicate whose last read wins', how.kind === 'duplicate' && isDecisive(run, plan));
    note('partial', plan.verdict === 'partial' && plan.errorCode === null);
    if (plan.errorCode !== null) note(plan.errorCode);
    note('mass clear accepted', plan.cleared.size >= 20 && run.acceptMassClear);
    note('empty answer accepted', run.pages.every((p) => p.records.length === 0) && plan.missing.length > 0);
    note('partial baseline before the first complete', plan.verdict === 'partial' && !wasComplete);
    const { confirmation, cleared, missing } = plan;
    const reasons = [...cleared.values()].map(({ reason }) => reason);
    const asked = confirmation.kind === 'asked';
    note('cleared as reset by their own record', asked && reasons.includes('reset'));
    note('cleared as absent by their own record', asked && reasons.includes('absent'));
    note('cleared after two complete walks', confirmation.kind === 'walks' && cleared.size > 0);
    note('cleared after a partial walk', plan.verdict === 'partial' && cleared.size > 0);
    note('a record insists on a level', asked && confirmation.stillThere.size > 0);
    note('waits beyond the budget', asked && confirmation.answered.size < missing.length);
    note(
      'a record that says nothing, beside a control',
      asked && confirmation.answered.size > confirmation.stillThere.size + confirmation.gone.size,
    );
    const lastComplete = oracle.snapshots.findLast(({ verdict }) => verdict === 'complete')?.at ?? -1n;
    const wasAbsent = (userId: string) => {
      const since = oracle.users.get(userId)?.absentSince ?? null;
      return since !== null && since <= lastComplete;
    };
    note(
      'a record that insisted outweighs the walk before',
      confirmation.kind === 'walks' &&
        plan.verdict === 'complete' &&
        missing.some((userId) => !cleared.has(userId) && wasAbsent(userId)),
    );
    note('records cannot be asked', confirmation.kind === 'walks');
    note('records could not be reached', confirmation.kind === 'later');
    note('two readings that agree', (run.pages.at(-1)?.reading ?? 0) > 1 && plan.verdict === 'complete');
    for (const flow of ['appeared', 'raised', 'lowered', 'cleared'] as const)
      note(flow, plan.counts[flow] > 0);
    noteUsers(plan, oracle);
  }

  function noteUsers(plan: Plan, { users }: Oracle): void {
    let changed = plan.missing.some(
      (userId) => plan.cleared.has(userId) || users.get(userId)?.absentSince === null,
    );
    for (const record of plan.lastRead.values()) {
      const before = users.get(record.userId);
      const sameCounters = before?.eventCount === record.eventCount && before.lastEvent === record.lastEvent;
      const renamed = before?.email !== record.email || before.name !== record.name;
      const same = sameCounters && !renamed && before?.level === record.level;
      changed ||= !same || before?.absentSince !== null;
      if (before === undefined) continue;
      const isNull = before.email === null && before.name === null;
      note('returned with the same counters', before.level === null && sameCounters);
      note('returned with other counters', before.level === null && !sameCounters);
      note(
        'renamed and changed level in one snapshot',
        renamed && before.level !== null && before.level !== record.level,
      );
      note('identity to null', renamed && record.email === null && record.name === null);
      note('identity back from null', renamed && isNull);
      note('marked absent, then met again unchanged', same && before.absentSince !== null);
    }
    note(
      'marked absent, then cleared with the earlier instant',
      [...plan.cleared.keys()].some((userId) => (users.get(userId)?.absentSince ?? null) !== null),
    );
    note('nothing changed', !changed);
  }

  return {
    note,
    ran,
    describe: () => [...seen].map(([what, times]) => `${what}: ${times}`).join(', '),
    assertWhole() {
      const never = WANTED.filter((what) => !seen.has(what));
      assert.deepEqual(never, [], 'cases that no world has met');
    },
  };
}

/** Whether the earlier record of a duplicate differs from the one that must win. */
function isDecisive(run: ServedRun, { lastRead }: Plan): boolean {
  return run.pages
    .flatMap((page) => page.records)
    .some(
      (record) =>
        record.kind === 'good' &&
        lastRead.get(record.userId) !== record &&
        lastRead.get(record.userId)?.level !== record.level,
    );
}
