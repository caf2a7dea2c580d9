// What a user's own record means: every value of every field with every value of the others, against a table that was
// written from docs/reliability.md. Times are microseconds; ours is OURS.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readUserRecord, type UserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import {
  readOutcome,
  type HeldUser,
  type LookupAnswer,
  type LookupOutcome,
} from '../../../src/sync/absence/absence.ts';

const OURS = 500;
const NOW = '2026-03-01T10:00:00.001Z';
const FUTURE = 1_001;
const at = (micros: number) => `2026-03-01T10:00:00.${String(micros).padStart(6, '0')}Z`;

/** Undefined: the field is absent. */
const LEVELS = [undefined, null, 'high', '', 3] as const;
const RESETS = [undefined, null, 7, 'lately', OURS - 1, OURS, OURS + 1, OURS + 2, 1_000, FUTURE] as const;
const EVENTS = [
  undefined,
  null,
  {},
  [],
  [OURS - 1],
  [OURS],
  [OURS + 1],
  [FUTURE],
  [null],
  [OURS - 1, 'lately'],
  [OURS + 1, OURS - 1],
] as const;
const NAMES = [undefined, null, 7, '', 'theirs', 'another'] as const;
const HELD = [null, '', 'theirs'] as const;

type Case = {
  level: (typeof LEVELS)[number];
  reset: (typeof RESETS)[number];
  events: (typeof EVENTS)[number];
  email: (typeof NAMES)[number];
  name: (typeof NAMES)[number];
  held: Held;
};

type Held = { email: string | null; name: string | null };

/** Each record is read once, and judged for each user that we may hold. */
function* everyCase(): Generator<Case & { answer: LookupAnswer }> {
  for (const level of LEVELS)
    for (const reset of RESETS)
      for (const events of EVENTS)
        for (const email of NAMES)
          for (const name of NAMES) {
            const record = recordOf({ level, reset, events, email, name });
            for (const heldEmail of HELD)
              for (const heldName of HELD) {
                const held = { email: heldEmail, name: heldName };
                yield { level, reset, events, email, name, held, answer: answerOf(record, held) };
              }
          }
}

const isTime = (value: unknown): value is number => typeof value === 'number' && value > 7;
const time = (value: unknown) => (isTime(value) ? at(value) : value);

function recordOf({ level, reset, events, email, name }: Omit<Case, 'held'>): UserRecord | null {
  const list: unknown = Array.isArray(events)
    ? events.map((one: unknown) => (one === null ? null : { id: 'e', timestamp: time(one) }))
    : events;
  const result = { risk_level: level, last_reset_time: time(reset), events: list, email, name };
  return readUserRecord({ success: true, errors: [], messages: [], result });
}

function answerOf(record: UserRecord | null, held: Held): LookupAnswer {
  if (record === null) return { outcome: 'unreadable', lastResetTime: null };
  return readOutcome(record, { ...held, lastEvent: at(OURS) }, Date.parse(NOW));
}

/** The table: the first line that fits decides. */
const TABLE: [when: (facts: Facts) => boolean, outcome: LookupOutcome][] = [
  [(f) => f.level === 'broken' || f.reset === 'broken' || f.list === 'broken', 'unreadable'],
  [(f) => f.person === 'nobody' && f.level === 'shown', 'level'],
  [(f) => f.person !== 'ours', 'unreadable'],
  [(f) => f.level === 'shown' && f.reset === 'newest' && f.list === 'events', 'reset'],
  [(f) => f.level === 'shown', 'level'],
  [(f) => f.reset === 'to come', 'unreadable'],
  [(f) => f.list === 'some unreadable', 'unreadable'],
  [(f) => f.reset === 'newest', 'reset'],
  [(f) => f.hasOurEvent, 'unreadable'],
  [() => true, 'no_level'],
];

type Facts = {
  level: 'shown' | 'none' | 'broken';
  /** newest: in the past, and newer than every event known. */
  reset: 'newest' | 'not the newest' | 'to come' | 'none' | 'broken';
  list: 'empty' | 'events' | 'some unreadable' | 'broken';
  person: 'ours' | 'another' | 'nobody';
  /** An event as new as ours, or newer. */
  hasOurEvent: boolean;
};

function factsOf({ level, reset, events, email, name, held }: Case): Facts {
  const list = Array.isArray(events) ? (events as readonly unknown[]) : [];
  const times = list.filter((one): one is number => typeof one === 'number');
  const said = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
  const [theirEmail, theirName] = [said(email), said(name)];
  const [ourEmail, ourName] = [said(held.email), said(held.name)];
  const isOurs =
    ourEmail === null && ourName === null
      ? theirEmail === null && theirName === null
      : (ourEmail !== null && ourEmail === theirEmail) || (ourName !== null && ourName === theirName);
  return {
    level: level == null ? 'none' : level === '' || level === 3 ? 'broken' : 'shown',
    reset:
      reset == null
        ? 'none'
        : !isTime(reset)
          ? 'broken'
          : reset >= FUTURE
            ? 'to come'
            : [OURS, ...times].every((event) => event < reset)
              ? 'newest'
              : 'not the newest',
    list:
      events != null && !Array.isArray(events)
        ? 'broken'
        : times.length < list.length
          ? 'some unreadable'
          : list.length === 0
            ? 'empty'
            : 'events',
    person: isOurs ? 'ours' : theirEmail === null && theirName === null ? 'nobody' : 'another',
    hasOurEvent: times.some((event) => event >= OURS),
  };
}

describe('readOutcome', () => {
  test('agrees with the table for every value of each field with every value of the others', () => {
    const met = new Map<string, number>();
    for (const one of everyCase()) {
      const { outcome, lastResetTime } = one.answer;
      const expected = TABLE.find(([when]) => when(factsOf(one)))![1];
      const kept = outcome === 'reset' ? at(one.reset as number) : null;
      if (outcome !== expected || lastResetTime !== kept)
        assert.fail(`not ${expected}: ${JSON.stringify(one)}`);
      if (outcome === 'reset') assertProven(one);
      met.set(outcome, (met.get(outcome) ?? 0) + 1);
    }
    for (const outcome of ['reset', 'level', 'no_level', 'unreadable'])
      assert.ok((met.get(outcome) ?? 0) > 1_000, `${outcome}: ${met.get(outcome)}`);
  });

  /**
   * The same rule without the table: every event is readable, the newest fact is a past reset, and the record is the
   * right person's.
   */
  function assertProven(one: Case): void {
    const { reset, events, email, name, held } = one;
    const known = [OURS, ...((events ?? []) as readonly unknown[])];
    const isNewest = known.every(
      (event) => isTime(event) && isTime(reset) && event < reset && reset < FUTURE,
    );
    const isNamed = Boolean(held.email) || Boolean(held.name);
    const isOurs = isNamed
      ? (email === 'theirs' && held.email === email) || (name === 'theirs' && held.name === name)
      : ![email, name].some((one) => typeof one === 'string' && one !== '');
    if (!isNewest || !isOurs) assert.fail(JSON.stringify(one));
  }

  const held: HeldUser = { email: 'ada@example.com', name: 'Ada', lastEvent: at(OURS) };
  const HONEST = {
    email: 'ada@example.com',
    name: 'Ada',
    risk_level: 'high',
    last_reset_time: null,
    events: [{ timestamp: at(OURS) }],
  };
  const cases: [title: string, result: object | null, outcome: LookupOutcome][] = [
    ['there is no such user', null, 'not_found'],
    ['a level that this version does not know is a level', { ...HONEST, risk_level: 'critical' }, 'level'],
    ['an empty record says nothing', {}, 'unreadable'],
    [
      'a level may be missing beside its event, without a reset',
      { ...HONEST, risk_level: undefined },
      'unreadable',
    ],
    [
      'a level beside an old reset, without a readable event, may be newer than the reset',
      { ...HONEST, last_reset_time: at(OURS + 1), events: [{ timestamp: 'lately' }] },
      'level',
    ],
    [
      'a level beside an old reset, without any event, may be newer than the reset',
      { ...HONEST, last_reset_time: at(OURS + 1), events: [] },
      'level',
    ],
    [
      'a level beside an old reset, without a list of events, may be newer than the reset',
      { ...HONEST, last_reset_time: at(OURS + 1), events: null },
      'level',
    ],
    [
      'an old level that is still shown after a reset is no level',
      { ...HONEST, last_reset_time: '2026-03-01T12:00:00.000501+02:00' },
      'reset',
    ],
    [
      'an event after the reset that only the own record shows gives a new level',
      { ...HONEST, last_reset_time: at(OURS + 1), events: [{ timestamp: at(OURS + 2) }] },
      'level',
    ],
    [
      'digits below a microsecond are rounded as Postgres rounds ours: the same event is not an older one',
      { ...HONEST, risk_level: null, events: [{ timestamp: '2026-03-01T10:00:00.0004996Z' }] },
      'unreadable',
    ],
    [
      'a reset less than a microsecond after the event cannot be told from one before it',
      { ...HONEST, risk_level: null, last_reset_time: '2026-03-01T10:00:00.0005004Z' },
      'unreadable',
    ],
    [
      'a name that was changed meanwhile is no reason to doubt the email',
      { ...HONEST, name: 'Ada L.', risk_level: null, last_reset_time: at(OURS + 1) },
      'reset',
    ],
    [
      'the record of another person, reset today',
      { ...HONEST, email: 'b@example.com', name: 'B', risk_level: null, last_reset_time: at(OURS + 1) },
      'unreadable',
    ],
    ['the level of another person', { ...HONEST, email: 'b@example.com', name: 'B' }, 'unreadable'],
    [
      'no level, no reset, and no event: nothing contradicts it, nothing proves it',
      { ...HONEST, risk_level: null, events: [] },
      'no_level',
    ],
  ];
  for (const [title, result, outcome] of cases) {
    test(title, () => {
      const record = result === null ? null : readUserRecord({ success: true, result });
      assert.equal(readOutcome(record, held, Date.parse(NOW)).outcome, outcome);
    });
  }
});

describe('where nothing shows whose record it is', () => {
  const held = { email: null, name: null, isUnknown: true, lastEvent: at(OURS) };
  const base: UserRecord = {
    riskLevel: null,
    lastResetTime: null,
    newestEvent: null,
    hasUnreadableEvents: false,
    email: 'another@example.com',
    name: 'Another',
  };
  const outcome = (record: UserRecord | null) => readOutcome(record, held, Date.parse(NOW)).outcome;

  test('only a missing record or a reset proves that the level is gone', () => {
    assert.equal(outcome(null), 'not_found');
    assert.equal(outcome({ ...base, lastResetTime: at(OURS + 1) }), 'reset');
    assert.equal(outcome({ ...base, email: null, name: null, lastResetTime: at(OURS + 1) }), 'reset');
  });

  test('a level keeps the user, and a record that shows neither says nothing', () => {
    assert.equal(outcome({ ...base, riskLevel: 'high' }), 'level');
    assert.equal(outcome(base), 'unreadable');
    assert.equal(outcome({ ...base, lastResetTime: at(OURS - 1) }), 'unreadable');
  });
});
