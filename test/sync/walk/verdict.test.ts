import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  estimateUnseen,
  judgeWalk,
  needsAnotherPass,
  tooManyRejected,
  UNSEEN_LIMIT,
  type PassFacts,
  type PassOverlap,
  type WalkFacts,
} from '../../../src/sync/walk/verdict.ts';

/** A quiet pass over 100 users on several pages. */
const quiet: PassFacts = {
  records: 100,
  rejected: 0,
  unreadable: 0,
  met: 100,
  totalFirst: 100,
  totalLast: 100,
  totalsMoved: false,
  oneResponse: false,
};
const noTotal = { totalFirst: null, totalLast: null };
/** One record appeared twice, and another user was missing. */
const moved: PassFacts = { ...quiet, met: 99 };

const once = (over: Partial<PassFacts>): WalkFacts => {
  const pass = { ...quiet, ...over };
  return { passes: [pass], met: pass.met, overlap: null };
};
/** A pass in which the list moved, and another pass after it. */
const twice = (over: Partial<PassFacts>, met: number, overlap: PassOverlap): WalkFacts => ({
  passes: [moved, { ...moved, ...over }],
  met,
  overlap,
});
const same: PassOverlap = { onlyEarlier: 0, onlyThis: 0, both: 99 };
const differ: PassOverlap = { onlyEarlier: 3, onlyThis: 3, both: 96 };

describe('judgeWalk', () => {
  const cases: [title: string, facts: WalkFacts, partialBecause: RegExp | null][] = [
    ['a quiet pass is complete', once({}), null],
    ['a user who appears twice makes the walk partial', once({ records: 101 }), /^1 record came twice/],
    [
      'one user too few makes the walk partial',
      once({ records: 99, met: 99 }),
      /stated a total of 100 users, and 99 were met/,
    ],
    [
      'one user too many makes the walk partial',
      once({ records: 101, met: 101 }),
      /stated a total of 100 users, and 101 were met/,
    ],
    [
      'a total that moved makes the walk partial, even if the last total fits',
      once({ totalFirst: 99, totalsMoved: true }),
      /total changed/,
    ],
    [
      'one user who joins and one who leaves cancel out in the total, and show as a duplicate',
      once({ records: 101, met: 100 }),
      /came twice/,
    ],
    [
      'a doubt of the source makes the walk partial, although everything else adds up',
      once({ doubts: ['page 2 is not among the files'] }),
      /page 2 is not among the files/,
    ],
    ['a rejected record with a readable user is met, and changes nothing', once({ rejected: 3 }), null],
    [
      'a record without a readable user makes the walk partial, although the total adds up',
      once({ rejected: 1, unreadable: 1, met: 99 }),
      /1 records had no readable user id/,
    ],
    ['one response without any total is complete', once({ oneResponse: true, ...noTotal }), null],
    ['one response whose total fits is complete', once({ oneResponse: true }), null],
    [
      'one response with a total that it does not cover is partial',
      once({ oneResponse: true, totalFirst: 101, totalLast: 101 }),
      /stated a total of 101/,
    ],
    ['a single pass over pages without a total is partial', once(noTotal), /stated no total/],
    [
      'an empty account with a total of zero is complete',
      once({ records: 0, met: 0, totalFirst: 0, totalLast: 0 }),
      null,
    ],
    ['a quiet pass after one that moved is complete', twice(quiet, 101, { ...same, onlyEarlier: 1 }), null],
    [
      'passes that moved and agree are complete when they met as many users as the total says',
      twice({}, 100, { onlyEarlier: 1, onlyThis: 1, both: 98 }),
      null,
    ],
    [
      'passes that agree but met fewer users than the total says are partial',
      twice({}, 99, same),
      /passes agree, but the server stated a total of 100 users, and 99 were met/,
    ],
    [
      'passes that differ are partial',
      twice({}, 102, differ),
      /about 0\.09 users were missed by all 2 passes/,
    ],
    ['passes that agree are complete without a total', twice(noTotal, 99, same), null],
    [
      'passes that differ are partial without a total',
      twice(noTotal, 102, differ),
      /no total[^]*about 0\.09 users/,
    ],
    [
      'an empty pass after one that moved is partial, although it contradicts nothing',
      {
        passes: [moved, { ...quiet, ...noTotal, records: 0, met: 0, oneResponse: true }],
        met: 100,
        overlap: { onlyEarlier: 100, onlyThis: 0, both: 0 },
      },
      /^the newest pass met only 0 of the 100 users that the walk met$/,
    ],
    [
      'a pass that ends early is partial, although it met no new user',
      {
        passes: [moved, { ...quiet, ...noTotal, records: 49, met: 49 }],
        met: 100,
        overlap: { onlyEarlier: 51, onlyThis: 0, both: 49 },
      },
      /^the newest pass met only 49 of the 100 users that the walk met/,
    ],
    [
      'a record without a readable user in the first pass makes the walk partial, whatever the second pass shows',
      { passes: [{ ...moved, unreadable: 1 }, quiet], met: 100, overlap: same },
      /1 records had no readable user id/,
    ],
    [
      'passes that agree outvote a total that is too low',
      twice({ records: 99, totalFirst: 90, totalLast: 90 }, 99, same),
      null,
    ],
  ];
  for (const [title, facts, reason] of cases) {
    test(title, () => {
      const { verdict, reasons } = judgeWalk(facts);
      if (reason === null) assert.deepEqual({ verdict, reasons }, { verdict: 'complete', reasons: [] });
      else {
        assert.equal(verdict, 'partial');
        assert.match(reasons.join('\n'), reason);
      }
    });
  }

  test('a walk is complete exactly when there is no reason, and the duplicates of the newest pass are counted', () => {
    fc.assert(
      fc.property(anyWalk, (facts) => {
        const { verdict, reasons, duplicates } = judgeWalk(facts);
        assert.equal(verdict === 'complete', reasons.length === 0);
        const pass = facts.passes.at(-1)!;
        assert.equal(duplicates, pass.records - pass.unreadable - pass.met);
      }),
    );
  });

  test('a complete verdict always rests on evidence: a pass in which nothing moved, or passes that agree and reach the total', () => {
    const by = { stillness: 0, agreement: 0 };
    fc.assert(
      fc.property(anyWalk, (facts) => {
        if (judgeWalk(facts).verdict === 'partial') return;
        const pass = facts.passes.at(-1)!;
        assert.ok(facts.passes.every(({ unreadable }) => unreadable === 0));
        const total = pass.totalLast;
        const fits = total === null ? pass.oneResponse : total === pass.met;
        if (pass.records === pass.met && !pass.totalsMoved && fits) {
          by.stillness++;
          return;
        }
        by.agreement++;
        assert.ok(facts.passes.length > 1 && facts.overlap !== null);
        assert.ok(estimateUnseen(facts.overlap) < UNSEEN_LIMIT);
        assert.ok(pass.totalFirst === null || facts.met >= pass.totalFirst);
      }),
      { numRuns: 20_000 },
    );
    assert.ok(by.stillness > 50 && by.agreement > 50, JSON.stringify(by));
  });

  test('worse evidence never makes a partial walk complete', () => {
    fc.assert(
      fc.property(anyWalk, fc.constantFrom('duplicate', 'unreadable', 'moved', 'unseen'), (facts, what) => {
        if (judgeWalk(facts).verdict === 'complete') return;
        const pass = facts.passes.at(-1)!;
        const worse: PassFacts = {
          ...pass,
          records: pass.records + (what === 'duplicate' || what === 'unreadable' ? 1 : 0),
          unreadable: pass.unreadable + (what === 'unreadable' ? 1 : 0),
          totalsMoved: pass.totalsMoved || what === 'moved',
        };
        const { overlap } = facts;
        const further =
          overlap === null || what !== 'unseen'
            ? overlap
            : { ...overlap, onlyEarlier: overlap.onlyEarlier + 1, onlyThis: overlap.onlyThis + 1 };
        const judged = judgeWalk({
          ...facts,
          passes: [...facts.passes.slice(0, -1), worse],
          overlap: further,
        });
        assert.equal(judged.verdict, 'partial');
      }),
      { numRuns: 2_000 },
    );
  });

  test('no reason quotes anything except numbers', () => {
    fc.assert(
      fc.property(anyWalk, (facts) => {
        for (const reason of judgeWalk(facts).reasons) assert.match(reason, /^[a-z0-9 .,:]+$/);
      }),
    );
  });
});

describe('estimateUnseen', () => {
  const count = fc.integer({ min: 0, max: 300 });

  test('follows Chapman: users of earlier passes only, times users of this pass only, divided by users of both plus one', () => {
    assert.equal(estimateUnseen({ onlyEarlier: 0, onlyThis: 0, both: 0 }), 0);
    assert.equal(estimateUnseen({ onlyEarlier: 9, onlyThis: 8, both: 983 }), 72 / 984);
    assert.equal(estimateUnseen({ onlyEarlier: 3, onlyThis: 0, both: 10 }), 0);
    assert.equal(estimateUnseen({ onlyEarlier: 2, onlyThis: 2, both: 0 }), 4);
  });

  test('two sets of users without a common user never count as agreement', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), (a, b) => {
        assert.ok(estimateUnseen({ onlyEarlier: a, onlyThis: b, both: 0 }) >= 1);
      }),
    );
  });

  test('is symmetric, never negative, and falls as the overlap grows', () => {
    fc.assert(
      fc.property(count, count, count, (a, b, both) => {
        const estimate = estimateUnseen({ onlyEarlier: a, onlyThis: b, both });
        assert.equal(estimate, estimateUnseen({ onlyEarlier: b, onlyThis: a, both }));
        assert.ok(estimate >= 0);
        assert.ok(estimateUnseen({ onlyEarlier: a, onlyThis: b, both: both + 1 }) <= estimate);
      }),
    );
  });

  test('is right on average for users that each pass misses independently', () => {
    // 2,000 users, and each pass misses 5 %: on average, both miss 5 of them.
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
  const still = { records: 99, met: 99 };
  const cases: [title: string, facts: WalkFacts, expected: boolean][] = [
    ['a complete walk needs no other pass', once({}), false],
    ['a list that moved needs another pass', once({ records: 101 }), true],
    ['one pass without a total needs another pass', once(noTotal), true],
    ['passes that agree need no other pass', twice(noTotal, 99, same), false],
    ['passes that differ need another pass', twice({}, 102, differ), true],
    [
      'a record without a readable user needs no other pass: another pass cannot take it back',
      once({ unreadable: 1, met: 99 }),
      false,
    ],
    [
      'a total that is not reached needs no other pass, when the list stands still and the second pass met the same users',
      twice(still, 99, same),
      false,
    ],
    ['a total that is not reached needs another pass, while the list moves', twice({}, 99, same), true],
    [
      'the last allowed pass needs no other pass',
      { passes: [moved, moved, moved, moved], met: 102, overlap: differ },
      false,
    ],
  ];
  for (const [title, facts, expected] of cases) {
    test(title, () => assert.equal(needsAnotherPass(facts, judgeWalk(facts), 4), expected));
  }

  test('never asks for more passes than allowed, and never after a complete walk', () => {
    fc.assert(
      fc.property(anyWalk, fc.integer({ min: 1, max: 9 }), (facts, max) => {
        const judgement = judgeWalk(facts);
        if (!needsAnotherPass(facts, judgement, max)) return;
        assert.ok(facts.passes.length < max);
        assert.equal(judgement.verdict, 'partial');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a run fails for rejected records', () => {
  type Counts = Parameters<typeof tooManyRejected>[0];
  const isRefused = (expected: boolean, counts: Counts) =>
    assert.equal(tooManyRejected(counts), expected, JSON.stringify(counts));

  test('when they are at least 20 and above 5 %, or half or more at any size', () => {
    const cases: [rejected: number, records: number, expected: boolean][] = [
      [0, 0, false],
      [0, 1, false],
      [1, 1, true],
      [1, 2, true],
      [1, 3, false],
      [15, 15, true],
      [19, 39, false],
      [19, 38, true],
      [20, 20, true],
      [20, 399, true],
      [20, 400, false],
      [21, 400, true],
      [5_000, 100_000, false],
      [5_001, 100_000, true],
    ];
    for (const [rejected, records, expected] of cases) {
      const accepted = records - rejected;
      isRefused(expected, { rejected, records, accepted, met: records, unreadable: 0 });
      // Without readable ids, they are no users who were met.
      isRefused(expected, { rejected, records, accepted, met: accepted, unreadable: rejected });
    }
  });

  test('when they are half of the records or half of the users, whether records or users appear twice', () => {
    const cases: [what: string, counts: Counts, expected: boolean][] = [
      ['one user accepted ten times', { records: 13, rejected: 3, unreadable: 0, met: 4, accepted: 1 }, true],
      [
        'one record rejected ten times',
        { records: 13, rejected: 10, unreadable: 0, met: 4, accepted: 3 },
        true,
      ],
      [
        'each record of three users appears twice',
        { records: 6, rejected: 2, unreadable: 0, met: 3, accepted: 2 },
        false,
      ],
      // Each user has an accepted record beside the rejected one.
      ['accepted after all', { records: 7, rejected: 3, unreadable: 0, met: 4, accepted: 4 }, false],
      ['rejected users and strangers', { records: 9, rejected: 4, unreadable: 2, met: 5, accepted: 3 }, true],
    ];
    for (const [, counts, expected] of cases) isRefused(expected, counts);
  });
});

/** Facts that a pass can produce: every met user and every unreadable record belongs to some record. */
const anyPass: fc.Arbitrary<PassFacts> = fc
  .record({
    met: fc.integer({ min: 0, max: 300 }),
    duplicates: fc.integer({ min: 0, max: 3 }),
    unreadable: fc.constantFrom(0, 0, 0, 0, 1),
    rejected: fc.integer({ min: 0, max: 30 }),
    totalFirst: fc.option(fc.integer({ min: 0, max: 300 })),
    exact: fc.boolean(),
    totalsMoved: fc.boolean(),
    oneResponse: fc.boolean(),
  })
  .map(({ duplicates, exact, totalFirst, ...facts }) => {
    const total = totalFirst === null ? null : exact ? facts.met + facts.unreadable : totalFirst;
    return {
      ...facts,
      records: facts.met + duplicates + facts.unreadable,
      totalFirst: total,
      totalLast: total,
    };
  });
const small = fc.integer({ min: 0, max: 6 });
const anyWalk: fc.Arbitrary<WalkFacts> = fc
  .tuple(fc.array(anyPass, { minLength: 1, maxLength: 4 }), fc.tuple(small, small, fc.nat(300)), small)
  .map(([passes, [onlyEarlier, onlyThis, both], more]) => ({
    passes,
    met: Math.max(...passes.map(({ met }) => met)) + (passes.length > 1 ? more : 0),
    overlap: passes.length > 1 ? { onlyEarlier, onlyThis, both } : null,
  }));
