// Random states of an account, and random readings of it. Readings begin again. Answers break off and are requested
// again. Parallel answers take effect in another order. Few users and few values, so that they often collide.
import fc from 'fast-check';
import type { RiskLevel } from '../../../src/user-risk.ts';
import type {
  Contents,
  Decision,
  Heard,
  Instant,
  Known,
  Outcome,
  Ruling,
} from '../oracle/naive-comparison.ts';
import { spell, uuidOf } from './random-world.ts';

export type Answer = {
  records: readonly { raw: unknown; heard: Heard }[];
  /** How many records a broken-off attempt had read; null: there was no such attempt. */
  brokeAfter: number | null;
  /** Answers with a smaller turn take effect first. */
  turn: number;
};
export type Step =
  | { kind: 'begin' }
  | { kind: 'answers'; answers: readonly Answer[]; interleave: readonly number[] };
export type Story = {
  known: readonly Known[];
  lastUserKey: number;
  steps: readonly Step[];
  ruling: Ruling;
};

const USERS = 9;
const idOf = (who: number) => uuidOf(`reading/${who}`);

const text = fc.constantFrom(null, '', 'a', 'ab', 'bc', 'c', '👩‍🚒 Zoë');
const level = fc.constantFrom<RiskLevel>('low', 'medium', 'high');
const eventCount = fc.constantFrom(0, 1, 2, 2_147_483_647);
const INSTANTS = [-62_135_596_800_000_000n, -1n, 1_767_225_600_000_000n, 1_767_225_600_000_001n] as const;
const anInstant = fc.constantFrom<bigint>(...INSTANTS);
const contents = fc.record({ level, eventCount, lastEvent: anInstant, email: text, name: text });

const known: fc.Arbitrary<Known[]> = fc
  .array(
    fc.record({
      who: fc.nat(USERS - 1),
      gap: fc.integer({ min: 1, max: 3 }),
      contents,
      lastEvent: fc.option(fc.constantFrom<Instant>('infinity', '-infinity'), { nil: null, freq: 8 }),
      state: fc.constantFrom('present', 'present', 'absent', 'cleared'),
    }),
    { maxLength: USERS },
  )
  .map((rows) => {
    let key = 0;
    const users = new Map<string, Known>();
    for (const { who, gap, contents, lastEvent, state } of rows) {
      const userId = idOf(who);
      if (users.has(userId)) continue;
      const is: Contents = {
        ...contents,
        lastEvent: lastEvent ?? contents.lastEvent,
        ...(state === 'cleared' ? { level: null } : {}),
      };
      users.set(userId, { ...is, userId, key: (key += gap), isAbsent: state === 'absent' });
    }
    return [...users.values()];
  });

/** `again`: what the history holds, if the user is known. */
type Draft = {
  who: number;
  isUpper: boolean;
  says: 'new' | 'again' | 'flawed' | 'unreadable';
  contents: Contents;
  how: number;
};
const draft: fc.Arbitrary<Draft> = fc.record({
  who: fc.nat(USERS - 1),
  isUpper: fc.boolean(),
  says: fc.constantFrom('new', 'new', 'new', 'again', 'again', 'flawed', 'unreadable'),
  contents,
  how: fc.nat(999),
});

function recordOf({ who, isUpper, says, contents, how }: Draft, users: readonly Known[]) {
  const userId = idOf(who);
  const was = users.find((user) => user.userId === userId);
  if (says === 'unreadable') {
    const raw = [null, 5, 'text', { user_id: 'nobody' }, { user_id: `${userId}0` }, {}][how % 6];
    return { raw, heard: { userId: null, contents: null } };
  }
  const isAgain = says === 'again' && was !== undefined && typeof was.lastEvent === 'bigint';
  const said = isAgain ? { ...was, level: was.level ?? contents.level } : contents;
  const { email, name, lastEvent } = said;
  const raw: Record<string, unknown> = {
    user_id: isUpper ? userId.toUpperCase() : userId,
    max_risk_level: said.level,
    event_count: said.eventCount,
    last_event: spell({ micros: lastEvent as bigint, spelling: how }),
    // Null and a missing field mean the same.
    ...(email === null && how % 2 === 0 ? {} : { email }),
    ...(name === null && how % 3 === 0 ? {} : { name }),
    ...(how % 5 === 0 ? { something_new: how } : {}),
  };
  if (says === 'flawed') {
    const flaw = [{ max_risk_level: 'extreme' }, { event_count: -1 }, { last_event: 'today' }, { email: 5 }][
      how % 4
    ];
    return { raw: { ...raw, ...flaw }, heard: { userId, contents: null } };
  }
  const { level, eventCount } = said;
  return { raw, heard: { userId, contents: { level, eventCount, lastEvent, email, name } } };
}

type DraftAnswer = { records: Draft[]; broke: number | null; turn: number };
const draftAnswer: fc.Arbitrary<DraftAnswer> = fc.record({
  records: fc.array(draft, { maxLength: 6 }),
  broke: fc.option(fc.nat(6), { nil: null, freq: 3 }),
  turn: fc.nat(9),
});
const draftAnswers = fc.record({
  answers: fc.array(draftAnswer, { minLength: 1, maxLength: 4 }),
  interleave: fc.array(fc.nat(9), { maxLength: 20 }),
});
const draftStep = fc.oneof(
  { weight: 1, arbitrary: fc.constant('begin' as const) },
  { weight: 3, arbitrary: draftAnswers },
);

const outcome = fc.constantFrom<Outcome>('level', 'no_level', 'reset', 'not_found', 'unreadable');
const ruling = fc.record({
  decision: fc.constantFrom<Decision>('nobody', 'gone', 'absent_twice', 'everybody', 'mass_clear'),
  answers: fc.array(fc.option(fc.record({ outcome, resetAt: anInstant }), { nil: null }), {
    minLength: USERS,
    maxLength: USERS,
  }),
  absentTwice: fc.array(fc.boolean(), { minLength: USERS, maxLength: USERS }),
});

export const story: fc.Arbitrary<Story> = fc
  .record({
    known,
    spare: fc.nat(4),
    steps: fc.array(draftStep, { maxLength: 8 }),
    ruling,
  })
  .map(({ known, spare, steps, ruling }) => ({
    known,
    // Keys of users who have been erased.
    lastUserKey: (known.at(-1)?.key ?? 0) + spare,
    steps: [
      { kind: 'begin' },
      ...steps.map((step): Step =>
        step === 'begin'
          ? { kind: 'begin' }
          : {
              kind: 'answers',
              interleave: step.interleave,
              answers: step.answers.map(({ records, broke, turn }) => ({
                records: records.map((one) => recordOf(one, known)),
                brokeAfter: broke,
                turn,
              })),
            },
      ),
    ],
    ruling: {
      decision: ruling.decision,
      answers: new Map(
        ruling.answers.flatMap((answer, who) =>
          answer === null
            ? []
            : [[idOf(who), { ...answer, resetAt: answer.outcome === 'reset' ? answer.resetAt : null }]],
        ),
      ),
      absentTwice: new Set(ruling.absentTwice.flatMap((twice, who) => (twice ? [idOf(who)] : []))),
    },
  }));
