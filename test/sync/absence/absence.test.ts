import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decideAbsence,
  isUnfinished,
  provesGone,
  type AbsenceDecision,
  type AbsenceFacts,
  type LookupOutcome,
} from '../../../src/sync/absence/absence.ts';

const facts: AbsenceFacts = {
  verdict: 'complete',
  unreadable: 0,
  present: 100,
  missing: 1,
  stillThere: 0,
  gone: 1,
  records: 99,
  total: 99,
  isFirst: false,
  confirmation: 'asked',
  acceptMassClear: false,
  maxClearedRatio: 0.5,
};
const nobody = { present: 0, missing: 0, gone: 0, records: 0 };
const walks = { confirmation: 'walks', gone: 0 } as const;

describe('decideAbsence', () => {
  const cases: [title: string, over: Partial<AbsenceFacts>, expected: AbsenceDecision][] = [
    ['a missing user is cleared when the own record proves it', {}, 'gone'],
    ['the own record also decides after a partial walk', { verdict: 'partial' }, 'gone'],
    ['where records cannot be asked, a second complete walk clears', walks, 'absent_twice'],
    ['a partial walk does not count as the second walk', { ...walks, verdict: 'partial' }, 'nobody'],
    ['records that could not be reached are asked by the next run', { confirmation: 'later' }, 'nobody'],
    ['a record without a readable user may belong to any missing user', { unreadable: 1 }, 'nobody'],
    ['exactly half of the present users is not a mass clear', { missing: 50, gone: 50, records: 50 }, 'gone'],
    ['more than half is a mass clear', { missing: 51, gone: 51, records: 49 }, 'mass_clear'],
    [
      'users who wait for a lookup count, so that a mass clear cannot pass in parts',
      { missing: 60, gone: 10, records: 40 },
      'mass_clear',
    ],
    [
      'users whose record shows a level do not count',
      { missing: 60, stillThere: 15, gone: 45, records: 40 },
      'gone',
    ],
    [
      'after a partial walk, only users whose record shows no level count',
      { verdict: 'partial', missing: 90, stillThere: 5, gone: 50, records: 10 },
      'gone',
    ],
    [
      'these users can also be a mass clear',
      { verdict: 'partial', missing: 90, gone: 51, records: 10 },
      'mass_clear',
    ],
    [
      'an accepted mass clear clears the users who are gone',
      { missing: 51, gone: 51, acceptMassClear: true },
      'gone',
    ],
    [
      'where records cannot be asked, acceptance by a person counts as the second walk',
      { ...walks, missing: 51, acceptMassClear: true },
      'everybody',
    ],
    [
      'acceptance by a person counts for a mass clear, not for one user who may have been overlooked',
      { ...walks, acceptMassClear: true },
      'absent_twice',
    ],
    [
      'acceptance by a person does not count after a partial walk',
      { ...walks, missing: 51, acceptMassClear: true, verdict: 'partial' },
      'nobody',
    ],
    ['where records cannot be asked, the first walk already warns', { ...walks, missing: 51 }, 'mass_clear'],
    ['19 of 20 are few', { present: 20, missing: 19, gone: 19, records: 1 }, 'gone'],
    ['20 of 39 are many', { present: 39, missing: 20, gone: 20, records: 19 }, 'mass_clear'],
    ['the share is a setting', { missing: 30, gone: 30, maxClearedRatio: 0.25 }, 'mass_clear'],
    ['a share of 1 allows everything', { missing: 100, gone: 100, maxClearedRatio: 1 }, 'gone'],
    [
      'an empty answer publishes nothing when any user was present',
      { ...walks, missing: 100, records: 0 },
      'empty_answer',
    ],
    [
      'one present user is enough to refuse an empty answer',
      { ...walks, present: 1, missing: 1, records: 0 },
      'empty_answer',
    ],
    [
      'an accepted empty answer clears all users, although no control could be asked',
      { ...walks, missing: 100, records: 0, acceptMassClear: true },
      'everybody',
    ],
    [
      'an account that was empty and still is needs no guard',
      { present: 0, missing: 0, gone: 0, records: 0, total: null },
      'gone',
    ],
    ['a first empty answer is believed if the total is 0', { ...nobody, isFirst: true, total: 0 }, 'gone'],
    [
      'a first empty answer without a total publishes nothing',
      { ...nobody, isFirst: true, total: null },
      'empty_answer',
    ],
    [
      'a first empty answer without a total publishes when a person accepts it',
      { ...nobody, isFirst: true, total: null, acceptMassClear: true },
      'gone',
    ],
    ['an empty answer that states users publishes nothing', { ...nobody, total: 15 }, 'empty_answer'],
    [
      'replacing all users by others is a mass clear',
      { missing: 100, gone: 100, records: 100 },
      'mass_clear',
    ],
  ];
  for (const [title, over, expected] of cases) {
    test(title, () => assert.equal(decideAbsence({ ...facts, ...over }), expected));
  }

  const any: fc.Arbitrary<AbsenceFacts> = fc
    .record({
      verdict: fc.constantFrom('complete' as const, 'partial' as const),
      unreadable: fc.constantFrom(0, 0, 0, 1),
      present: fc.integer({ min: 0, max: 200 }),
      missing: fc.integer({ min: 0, max: 200 }),
      stillThere: fc.integer({ min: 0, max: 200 }),
      gone: fc.integer({ min: 0, max: 200 }),
      records: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 })),
      confirmation: fc.constantFrom('asked' as const, 'walks' as const, 'later' as const),
      acceptMassClear: fc.boolean(),
      maxClearedRatio: fc.constantFrom(0, 0.25, 0.5, 1),
      total: fc.constantFrom(null, 0, 15),
      isFirst: fc.boolean(),
    })
    .map((f) => {
      const missing = Math.min(f.missing, f.present);
      const asked = f.confirmation === 'asked';
      const gone = asked ? Math.min(f.gone, missing) : 0;
      const stillThere = asked ? Math.min(f.stillThere, missing - gone) : 0;
      return { ...f, missing, gone, stillThere };
    });

  test('no user is cleared without an answer of the own record, a second complete walk, or acceptance by a person', () => {
    fc.assert(
      fc.property(any, (f) => {
        const decision = decideAbsence(f);
        if (decision === 'gone') assert.equal(f.confirmation, 'asked');
        if (decision === 'absent_twice' || decision === 'everybody')
          assert.ok(f.confirmation === 'walks' && f.verdict === 'complete' && f.unreadable === 0);
        if (decision === 'everybody') assert.ok(f.acceptMassClear);
        if (decision === 'gone' && !f.acceptMassClear)
          assert.ok(f.gone < 20 || f.gone <= f.present * f.maxClearedRatio);
        if (decision === 'mass_clear') assert.ok(!f.acceptMassClear && f.missing >= 20);
        if (decision === 'empty_answer') assert.ok(f.records === 0 && !f.acceptMassClear);
        if (decision !== 'empty_answer' && f.records === 0)
          assert.ok(
            f.acceptMassClear ||
              (f.present === 0 && (f.total ?? 0) === 0 && !(f.isFirst && f.total === null)),
          );
        if (f.confirmation === 'later') assert.ok(decision === 'nobody' || decision === 'empty_answer');
      }),
      { numRuns: 5_000 },
    );
  });

  test('an accepted mass clear is unfinished exactly when some users were not cleared and have no record that says why', () => {
    fc.assert(
      fc.property(any, (f) => {
        const decision = decideAbsence(f);
        const byWalks = decision === 'everybody' || decision === 'absent_twice';
        const isSettled = f.missing === f.gone + f.stillThere || byWalks;
        assert.equal(isUnfinished(f, decision), f.acceptMassClear && !isSettled);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('provesGone', () => {
  test('a reset or a missing record is proof alone; a missing level needs a second witness', () => {
    for (const verdict of ['complete', 'partial'] as const)
      for (const absentTwice of [true, false])
        for (const acceptMassClear of [true, false]) {
          const run = { verdict, absentTwice, acceptMassClear };
          const isGone = (outcome: LookupOutcome) => provesGone({ outcome, lastResetTime: null }, run);
          const hasWitness = verdict === 'complete' && (absentTwice || acceptMassClear);
          assert.deepEqual(
            (['reset', 'not_found', 'no_level', 'level', 'unreadable'] as const).map(isGone),
            [true, true, hasWitness, false, false],
            JSON.stringify(run),
          );
        }
  });
});
