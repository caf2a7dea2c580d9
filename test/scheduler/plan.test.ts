import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { planRun, type Slot } from '../../src/scheduler/plan.ts';
import type { SlotFacts } from '../../src/sync/claim/slot-facts.ts';

const HOUR = 3_600_000;
const fired: Slot = { at: new Date('2026-11-25T12:00:00Z'), intervalMs: HOUR, hasFired: true };
const missed: Slot = { ...fired, hasFired: false };
const fresh: SlotFacts = {
  isDone: false,
  isHeld: false,
  isRetired: false,
  attempts: 0,
  sinceAttemptMs: null,
  sinceSuccessMs: 10 * 60_000,
};

describe('planRun', () => {
  for (const [title, slot, facts, plan] of [
    ['runs a slot that has fired, however fresh the data is', fired, fresh, { do: 'run' }],
    ['does nothing for a slot that is done', fired, { ...fresh, isDone: true }, { do: 'rest' }],
    ['skips a missed slot while the data is younger than the interval', missed, fresh, { do: 'rest' }],
    [
      'makes up for a missed slot once the data is as old as the interval',
      missed,
      { ...fresh, sinceSuccessMs: HOUR },
      { do: 'run' },
    ],
    [
      'treats a success slightly in the future as fresh, because clocks differ',
      missed,
      { ...fresh, sinceSuccessMs: -5 * 60_000 },
      { do: 'rest' },
    ],
    [
      'ignores a success far in the future, because a clock was wrong',
      missed,
      { ...fresh, sinceSuccessMs: -24 * HOUR },
      { do: 'run' },
    ],
    ['runs an account that was never synced', missed, { ...fresh, sinceSuccessMs: null }, { do: 'run' }],
    [
      'makes up for a missed slot only once',
      missed,
      { ...fresh, isDone: true, sinceSuccessMs: HOUR },
      { do: 'rest' },
    ],
    [
      'retries a failed slot after 30 s',
      fired,
      { ...fresh, attempts: 1, sinceAttemptMs: 10_000 },
      { do: 'wait', ms: 20_000 },
    ],
    [
      'waits twice as long after the second failure',
      fired,
      { ...fresh, attempts: 2, sinceAttemptMs: 10_000 },
      { do: 'wait', ms: 50_000 },
    ],
    [
      'waits at most 15 min',
      fired,
      { ...fresh, attempts: 40, sinceAttemptMs: 0 },
      { do: 'wait', ms: 900_000 },
    ],
    [
      'retries when the wait is over',
      fired,
      { ...fresh, attempts: 1, sinceAttemptMs: 30_000 },
      { do: 'run' },
    ],
    [
      'does not wait for an attempt that is dated in the future',
      fired,
      { ...fresh, attempts: 1, sinceAttemptMs: -24 * HOUR },
      { do: 'run' },
    ],
    [
      'leaves an account alone that another run is syncing',
      fired,
      { ...fresh, isHeld: true, attempts: 1, sinceAttemptMs: 0 },
      { do: 'held' },
    ],
    [
      'does not wait for the run of a slot that is done',
      fired,
      { ...fresh, isHeld: true, isDone: true },
      { do: 'rest' },
    ],
    ['leaves a retired account out', fired, { ...fresh, isRetired: true }, { do: 'rest' }],
    ['makes up for no slot when the last year had none', null, fresh, { do: 'rest' }],
  ] as const) {
    test(title, () => assert.deepEqual(planRun(slot, facts), plan));
  }

  test('always leads to a run after the stated wait, and many replicas agree', () => {
    const facts = fc.record({
      isDone: fc.boolean(),
      isHeld: fc.boolean(),
      isRetired: fc.boolean(),
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
