import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideAbsence, type AbsenceDecision, type AbsenceFacts } from '../../src/sync/absence.ts';

const facts: AbsenceFacts = {
  verdict: 'complete',
  present: 100,
  missing: 1,
  records: 99,
  acceptMassClear: false,
};

const cases: [title: string, over: Partial<AbsenceFacts>, expected: AbsenceDecision][] = [
  ['one missing user of a complete walk is cleared', {}, 'clear'],
  ['nobody missing is nobody to keep', { missing: 0, records: 100 }, 'clear'],
  ['a partial walk clears nobody', { verdict: 'partial' }, 'carry'],
  [
    'a partial walk clears nobody however many are missing',
    { verdict: 'partial', missing: 99, records: 1 },
    'carry',
  ],
  [
    'a partial walk clears nobody even when a mass clear is accepted',
    { verdict: 'partial', missing: 99, records: 1, acceptMassClear: true },
    'carry',
  ],
  ['half of them is not more than half', { missing: 50, records: 50 }, 'clear'],
  ['more than half is a mass clear', { missing: 51, records: 49 }, 'mass_clear'],
  ['an accepted mass clear is a clear', { missing: 51, records: 49, acceptMassClear: true }, 'clear'],
  ['19 of 20 are few', { present: 20, missing: 19, records: 1 }, 'clear'],
  ['20 of 39 are many', { present: 39, missing: 20, records: 19 }, 'mass_clear'],
  ['20 of 40 are half', { present: 40, missing: 20, records: 20 }, 'clear'],
  [
    'an empty answer where anyone was present publishes nothing',
    { missing: 100, records: 0 },
    'empty_answer',
  ],
  ['one present user is enough for that', { present: 1, missing: 1, records: 0 }, 'empty_answer'],
  [
    'an empty answer of a partial walk publishes nothing either',
    { verdict: 'partial', missing: 100, records: 0 },
    'empty_answer',
  ],
  ['an accepted empty answer clears everybody', { missing: 100, records: 0, acceptMassClear: true }, 'clear'],
  [
    'an account that was empty and still is has nothing to guard',
    { present: 0, missing: 0, records: 0 },
    'clear',
  ],
  ['a first walk has nobody to miss', { present: 0, missing: 0, records: 5_000 }, 'clear'],
  [
    'everybody replaced by others is a mass clear',
    { present: 100, missing: 100, records: 100 },
    'mass_clear',
  ],
];

for (const [title, over, expected] of cases) {
  test(title, () => assert.equal(decideAbsence({ ...facts, ...over }), expected));
}

test('whoever is cleared was missing from a complete walk, and few or accepted', () => {
  const any = fc.record({
    verdict: fc.constantFrom('complete' as const, 'partial' as const),
    present: fc.integer({ min: 0, max: 200 }),
    missing: fc.integer({ min: 0, max: 200 }),
    records: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200 })),
    acceptMassClear: fc.boolean(),
  });
  fc.assert(
    fc.property(any, (input) => {
      const f = { ...input, missing: Math.min(input.missing, input.present) };
      const decision = decideAbsence(f);
      if (decision === 'clear') {
        assert.equal(f.verdict, 'complete');
        assert.ok(f.acceptMassClear || f.missing < 20 || f.missing * 2 <= f.present);
        assert.ok(f.acceptMassClear || f.records > 0 || f.present === 0);
      }
      if (decision === 'mass_clear') assert.ok(f.verdict === 'complete' && !f.acceptMassClear);
      if (decision === 'empty_answer') assert.ok(f.records === 0 && f.present > 0);
      // Accepting only ever lifts a guard.
      const accepted = decideAbsence({ ...f, acceptMassClear: true });
      assert.ok(accepted === 'clear' || accepted === 'carry');
      if (decision === 'clear' || decision === 'carry') assert.equal(accepted, decision);
    }),
    { numRuns: 3_000 },
  );
});
