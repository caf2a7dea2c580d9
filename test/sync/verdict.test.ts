import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  estimateUnseen,
  judgeWalk,
  needsAnotherPass,
  tooManyRejected,
  UNSEEN_LIMIT,
  type WalkFacts,
} from '../../src/sync/verdict.ts';

/** A quiet walk of 100 users over several pages. */
const quiet: WalkFacts = {
  records: 100,
  rejected: 0,
  unreadable: 0,
  met: 100,
  totalFirst: 100,
  totalLast: 100,
  totalsMoved: false,
  oneResponse: false,
  expectedUnseen: null,
};

const count = fc.integer({ min: 0, max: 300 });
const maybe = fc.option(count);
/** Facts that a walk can produce: what was met or could not be read came in some record. */
const anyFacts: fc.Arbitrary<WalkFacts> = fc
  .record({
    met: count,
    duplicates: fc.integer({ min: 0, max: 5 }),
    unreadable: fc.integer({ min: 0, max: 3 }),
    rejected: fc.integer({ min: 0, max: 30 }),
    totalFirst: maybe,
    totalLast: maybe,
    totalsMoved: fc.boolean(),
    oneResponse: fc.boolean(),
    expectedUnseen: fc.option(fc.double({ min: 0, max: 3, noNaN: true })),
    exact: fc.boolean(),
  })
  .map(({ duplicates, exact, ...facts }) => ({
    ...facts,
    records: facts.met + duplicates + facts.unreadable,
    totalLast: exact && facts.totalLast !== null ? facts.met + facts.unreadable : facts.totalLast,
  }));

describe('judgeWalk', () => {
  const cases: [title: string, over: Partial<WalkFacts>, partialBecause: RegExp | null][] = [
    ['a quiet walk is complete', {}, null],
    ['a user who came twice makes it partial', { records: 101 }, /1 records came twice/],
    ['one user too few makes it partial', { records: 99, met: 99 }, /spoke of 100 users, and 99 were met/],
    [
      'one user too many makes it partial',
      { records: 101, met: 101 },
      /spoke of 100 users, and 101 were met/,
    ],
    [
      'a total that moved makes it partial, even if the last one fits',
      { totalFirst: 99, totalsMoved: true },
      /total changed/,
    ],
    [
      'one in and one out cancel out in the total, and show as a duplicate',
      { records: 101, met: 100 },
      /came twice/,
    ],
    ['a rejected record with a readable user is met, and changes nothing', { rejected: 3 }, null],
    [
      'a record without a readable user makes it partial, though the total adds up',
      { rejected: 1, unreadable: 1, met: 99 },
      /1 records did not say/,
    ],
    [
      'one response without any total is complete',
      { oneResponse: true, totalFirst: null, totalLast: null },
      null,
    ],
    ['one response whose total fits is complete', { oneResponse: true }, null],
    [
      'one response with a total that it does not cover is partial',
      { oneResponse: true, totalFirst: 101, totalLast: 101 },
      /spoke of 101/,
    ],
    [
      'a single pass over pages without a total is partial',
      { totalFirst: null, totalLast: null },
      /read only once/,
    ],
    [
      'passes that agree are complete without a total',
      { totalFirst: null, totalLast: null, expectedUnseen: 0 },
      null,
    ],
    [
      'an estimate just below the limit is complete',
      { totalFirst: null, totalLast: null, expectedUnseen: UNSEEN_LIMIT - 1e-9 },
      null,
    ],
    [
      'an estimate at the limit is partial',
      { totalFirst: null, totalLast: null, expectedUnseen: UNSEEN_LIMIT },
      /about 0\.05 users/,
    ],
    [
      'an empty account with a total of nothing is complete',
      { records: 0, met: 0, totalFirst: 0, totalLast: 0 },
      null,
    ],
  ];
  for (const [title, over, reason] of cases) {
    test(title, () => {
      const { verdict, reasons } = judgeWalk({ ...quiet, ...over });
      if (reason === null) assert.deepEqual({ verdict, reasons }, { verdict: 'complete', reasons: [] });
      else {
        assert.equal(verdict, 'partial');
        assert.match(reasons.join('\n'), reason);
      }
    });
  }

  test('it is complete exactly when it names no reason, and counts duplicates exactly', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const { verdict, reasons, duplicates } = judgeWalk(facts);
        assert.equal(verdict === 'complete', reasons.length === 0);
        assert.equal(duplicates, facts.records - facts.unreadable - facts.met);
      }),
    );
  });

  test('complete never has a duplicate, an unreadable record, a moved total or a total that does not fit', () => {
    let complete = 0;
    fc.assert(
      fc.property(anyFacts, (facts) => {
        if (judgeWalk(facts).verdict === 'partial') return;
        complete++;
        assert.equal(facts.records, facts.met);
        assert.equal(facts.unreadable, 0);
        assert.equal(facts.totalsMoved, false);
        assert.ok(facts.totalLast === null || facts.totalLast === facts.met);
        const evidence = facts.totalLast !== null || facts.oneResponse || facts.expectedUnseen !== null;
        assert.ok(evidence, 'without a total, one pass over several pages proves nothing');
      }),
      { numRuns: 20_000 },
    );
    assert.ok(complete > 50, `the property was tried on ${complete} complete walks`);
  });

  test('evidence that gets worse never makes a partial walk complete', () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom('duplicate', 'unreadable', 'moved', 'unseen'), (facts, what) => {
        if (judgeWalk(facts).verdict === 'complete') return;
        const worse: WalkFacts = {
          ...facts,
          records: facts.records + (what === 'duplicate' || what === 'unreadable' ? 1 : 0),
          unreadable: facts.unreadable + (what === 'unreadable' ? 1 : 0),
          totalsMoved: facts.totalsMoved || what === 'moved',
          expectedUnseen:
            what === 'unseen' && facts.expectedUnseen !== null
              ? facts.expectedUnseen + 1
              : facts.expectedUnseen,
        };
        assert.equal(judgeWalk(worse).verdict, 'partial');
      }),
      { numRuns: 2_000 },
    );
  });

  test('no reason quotes anything but numbers', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        for (const reason of judgeWalk(facts).reasons) assert.match(reason, /^[a-z0-9 .,:]+$/);
      }),
    );
  });
});

describe('estimateUnseen', () => {
  test('follows Chapman: earlier only times this one only, by both and one', () => {
    assert.equal(estimateUnseen({ onlyEarlier: 0, onlyThis: 0, both: 0 }), 0);
    assert.equal(estimateUnseen({ onlyEarlier: 9, onlyThis: 8, both: 983 }), 72 / 984);
    assert.equal(estimateUnseen({ onlyEarlier: 3, onlyThis: 0, both: 10 }), 0);
    assert.equal(estimateUnseen({ onlyEarlier: 2, onlyThis: 2, both: 0 }), 4);
  });

  test('two different sets of users that met nobody in common are never taken as agreement', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), (a, b) => {
        assert.ok(estimateUnseen({ onlyEarlier: a, onlyThis: b, both: 0 }) >= 1);
      }),
    );
  });

  test('it is symmetric, never negative, and falls as the overlap grows', () => {
    fc.assert(
      fc.property(count, count, count, (a, b, both) => {
        const estimate = estimateUnseen({ onlyEarlier: a, onlyThis: b, both });
        assert.equal(estimate, estimateUnseen({ onlyEarlier: b, onlyThis: a, both }));
        assert.ok(estimate >= 0);
        assert.ok(estimateUnseen({ onlyEarlier: a, onlyThis: b, both: both + 1 }) <= estimate);
      }),
    );
  });

  test('on average it is right: users that each pass misses independently', () => {
    // 2,000 users, each pass misses 5 %: 5 of them are missed by both on average.
    let state = 1;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    let sum = 0;
    for (let trial = 0; trial < 200; trial++) {
      const overlap = { onlyEarlier: 0, onlyThis: 0, both: 0 };
      for (let user = 0; user < 2_000; user++) {
        const [first, second] = [random() > 0.05, random() > 0.05];
        if (first && second) overlap.both++;
        else if (first) overlap.onlyEarlier++;
        else if (second) overlap.onlyThis++;
      }
      sum += estimateUnseen(overlap);
    }
    assert.ok(Math.abs(sum / 200 - 5) < 0.5, `estimated ${sum / 200} of 5`);
  });
});

describe('needsAnotherPass', () => {
  const without = { ...quiet, totalFirst: null, totalLast: null };
  const cases: [title: string, facts: WalkFacts, passes: number, expected: boolean][] = [
    ['a total is evidence enough', quiet, 1, false],
    ['one response is evidence enough', { ...without, oneResponse: true }, 1, false],
    ['without a total one pass is not', without, 1, true],
    ['passes that agree are', { ...without, expectedUnseen: 0.049 }, 2, false],
    ['passes that differ are not', { ...without, expectedUnseen: 0.05 }, 2, true],
    ['the last pass allowed ends it', { ...without, expectedUnseen: 3 }, 4, false],
  ];
  for (const [title, facts, passes, expected] of cases) {
    test(title, () => assert.equal(needsAnotherPass(facts, passes, 4), expected));
  }

  test('it never asks for more passes than allowed, and never stops a walk without evidence early', () => {
    fc.assert(
      fc.property(
        anyFacts,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        (facts, passes, max) => {
          const again = needsAnotherPass(facts, passes, max);
          if (passes >= max) assert.equal(again, false);
          else if (!again) {
            const unseen = facts.expectedUnseen;
            assert.ok(
              facts.oneResponse || facts.totalLast !== null || (unseen !== null && unseen < UNSEEN_LIMIT),
            );
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

test('a run fails for rejected records from 20 on, and above 5 %', () => {
  const cases: [rejected: number, records: number, expected: boolean][] = [
    [0, 0, false],
    [19, 19, false],
    [20, 20, true],
    [20, 399, true],
    [20, 400, false],
    [21, 400, true],
    [5_000, 100_000, false],
    [5_001, 100_000, true],
  ];
  for (const [rejected, records, expected] of cases) {
    assert.equal(tooManyRejected({ rejected, records }), expected, `${rejected} of ${records}`);
  }
});
