import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { planRun, type Slot } from '../../src/scheduler/plan.ts';
import type { SlotFacts } from '../../src/sync/claim/slot-facts.ts';

const HOUR = 3_600_000;
const fired: Slot = { at: new Date('2026-11-25T12:00:00Z'), intervalMs: HOUR, hasFired: true };
const missed: Slot = { ...fired, hasFired: false };
const fresh: SlotFacts = { isDone: false, attempts: 0, sinceAttemptMs: null, sinceSuccessMs: 10 * 60_000 };

describe('planRun', () => {
  for (const [title, slot, facts, plan] of [
    ['a slot that has fired is run, however fresh the data is', fired, fresh, { do: 'run' }],
    ['a slot that is done rests', fired, { ...fresh, isDone: true }, { do: 'rest' }],
    [
      'a missed slot is left alone while the data is younger than the interval',
      missed,
      fresh,
      { do: 'rest' },
    ],
    [
      'a missed slot is made up for once the data is as old as the interval',
      missed,
      { ...fresh, sinceSuccessMs: HOUR },
      { do: 'run' },
    ],
    [
      'a success a little ahead is of clocks that differ',
      missed,
      { ...fresh, sinceSuccessMs: -5 * 60_000 },
      { do: 'rest' },
    ],
    [
      'one far ahead is of a clock that was wrong, and counts as none',
      missed,
      { ...fresh, sinceSuccessMs: -24 * HOUR },
      { do: 'run' },
    ],
    ['an account that was never synced is', missed, { ...fresh, sinceSuccessMs: null }, { do: 'run' }],
    [
      'one that was made up for is not once more',
      missed,
      { ...fresh, isDone: true, sinceSuccessMs: HOUR },
      { do: 'rest' },
    ],
    [
      'a failed slot waits 30 s',
      fired,
      { ...fresh, attempts: 1, sinceAttemptMs: 10_000 },
      { do: 'wait', ms: 20_000 },
    ],
    [
      'and twice as long after the second failure',
      fired,
      { ...fresh, attempts: 2, sinceAttemptMs: 10_000 },
      { do: 'wait', ms: 50_000 },
    ],
    ['and 15 min at most', fired, { ...fresh, attempts: 40, sinceAttemptMs: 0 }, { do: 'wait', ms: 900_000 }],
    ['and is then tried again', fired, { ...fresh, attempts: 1, sinceAttemptMs: 30_000 }, { do: 'run' }],
    [
      'nor does it wait for an attempt that is still to come',
      fired,
      { ...fresh, attempts: 1, sinceAttemptMs: -24 * HOUR },
      { do: 'run' },
    ],
    ['without any slot in the last year nothing is made up for', null, fresh, { do: 'rest' }],
  ] as const) {
    test(title, () => assert.deepEqual(planRun(slot, facts), plan));
  }

  test('waiting as long as it says always leads to a run, and many replicas agree', () => {
    const facts = fc.record({
      isDone: fc.boolean(),
      attempts: fc.nat(50),
      sinceAttemptMs: fc.nat(2_000_000),
      sinceSuccessMs: fc.option(fc.nat(10_000_000)),
    });
    fc.assert(
      fc.property(facts, fc.boolean(), (known, hasFired) => {
        const slot = { ...fired, hasFired };
        const plan = planRun(slot, known);
        assert.deepEqual(planRun({ ...slot }, { ...known }), plan);
        if (plan.do !== 'wait') return;
        const later = {
          ...known,
          sinceAttemptMs: known.sinceAttemptMs + plan.ms,
          sinceSuccessMs: known.sinceSuccessMs === null ? null : known.sinceSuccessMs + plan.ms,
        };
        assert.deepEqual(planRun(slot, later), { do: 'run' });
      }),
    );
  });
});
