// How one run is served. The account is unchanged; or its list moves while it is read, loses a user, holds records that
// cannot be accepted, states no total, is empty, or breaks off.
import fc from 'fast-check';
import type { RiskLevel } from '../../../src/user-risk.ts';
import type { GoodRecord, ServedPage, ServedRecord } from '../oracle/oracle-verdict.ts';
import { presentOf, spell, uuidOf, type Person, type World } from './random-world.ts';
import type { Answer, Listing } from '../api/scripted-api.ts';

const HOW_BAD = ['level', 'count', 'negative', 'event', 'nul', 'surrogate', 'email'] as const;
const HOW_UNREADABLE = ['missing_id', 'not_a_uuid', 'number', 'null', 'text', 'list'] as const;

const GONE_AS = ['unknown', 'nothing', 'no_level', 'reset', 'old_level_and_reset', 'reset_long_ago'] as const;
/** How the record of a user may look, whether the user is there or not. */
const ODD_AS = ['empty', 'eventless', 'levelless', 'stranger', 'broken_event', 'reset_to_come'] as const;

export type Serving = {
  kind:
    | 'as_it_is'
    | 'no_totals'
    | 'no_totals_moving'
    | 'no_totals_unreadable'
    | 'duplicate'
    | 'duplicate_rejected'
    | 'lost'
    | 'drift'
    | 'moved_total'
    | 'rejected'
    | 'rejected_stranger'
    | 'rejected_many'
    | 'unreadable'
    | 'hidden'
    | 'empty'
    | 'empty_with_total'
    | 'breaks_off';
  who: number;
  level: RiskLevel;
  eventCount: number;
  bad: (typeof HOW_BAD)[number];
  unreadable: (typeof HOW_UNREADABLE)[number];
  faultPage: number;
  status: 403 | 503;
  pageLimit: number;
  rotate: number;
  upperCase: boolean;
  lookups: Listing['records']['mode'];
  /** How the record of a user without a level looks. */
  goneAs: (typeof GONE_AS)[number];
  /** Every third user has such a record; null: no user has. */
  oddAs: (typeof ODD_AS)[number] | null;
};

const WEIGHTS: Record<Serving['kind'], number> = {
  as_it_is: 16,
  no_totals: 2,
  no_totals_moving: 1,
  no_totals_unreadable: 1,
  duplicate: 2,
  duplicate_rejected: 1,
  lost: 3,
  drift: 2,
  moved_total: 2,
  rejected: 4,
  rejected_stranger: 1,
  rejected_many: 1,
  unreadable: 2,
  hidden: 3,
  empty: 2,
  empty_with_total: 1,
  breaks_off: 2,
};

export const serving: fc.Arbitrary<Serving> = fc.record({
  kind: fc.oneof(
    ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
      weight,
      arbitrary: fc.constant(kind as Serving['kind']),
    })),
  ),
  who: fc.nat(999),
  level: fc.constantFrom<RiskLevel>('low', 'medium', 'high'),
  eventCount: fc.nat(1000),
  bad: fc.constantFrom(...HOW_BAD),
  unreadable: fc.constantFrom(...HOW_UNREADABLE),
  faultPage: fc.integer({ min: 1, max: 4 }),
  status: fc.constantFrom<403 | 503>(403, 503),
  pageLimit: fc.integer({ min: 3, max: 40 }),
  rotate: fc.nat(999),
  upperCase: fc.boolean(),
  lookups: fc.oneof(
    { weight: 12, arbitrary: fc.constant('honest' as const) },
    { weight: 3, arbitrary: fc.constantFrom('refused' as const, 'blind', 'level_less') },
    { weight: 2, arbitrary: fc.constantFrom('garbled' as const, 'down') },
  ),
  goneAs: fc.constantFrom(...GONE_AS),
  oddAs: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(...ODD_AS) },
  ),
});

/** The meaning of each served record, by its JSON. The oracle gets the meaning; it does not validate. */
export type Meanings = Map<string, ServedRecord>;

export function listingOf(world: World, how: Serving, meanings: Meanings): Listing {
  if (how.kind === 'hidden') {
    const there = presentOf(world);
    world.hidden = world.hidden === undefined ? there[how.who % Math.max(1, there.length)] : undefined;
  }
  const seen = presentOf(world).filter((person) => person !== world.hidden);
  const people = rotated(seen, how.rotate);
  const chosen = chosenOf(world, people, how);
  const good = (person: Person) => goodRecord(person, how.upperCase, meanings);
  const all = people.map(good);
  const at = chosen === undefined ? -1 : people.indexOf(chosen);
  const without = all.filter((_, index) => index !== at);
  const again =
    chosen === undefined ? [] : [good({ ...chosen, level: how.level, eventCount: how.eventCount })];
  const replaced = (record: unknown) => (at < 0 ? all : all.with(at, record));
  const listing: Listing = {
    readings: [all],
    total: all.length,
    movedTotal: null,
    pageLimit: how.pageLimit,
    fault: null,
    records: { mode: how.lookups, of: (userId) => ownRecord(world, userId, how) },
  };
  switch (how.kind) {
    case 'as_it_is':
    case 'hidden':
      return listing;
    case 'no_totals':
      // A change between two readings is no reason to distrust them: the last one read wins.
      return { ...listing, readings: [all, at < 0 ? all : all.with(at, again[0])], total: null };
    case 'no_totals_moving':
      return { ...listing, readings: [without, all.slice(1)], total: null };
    case 'no_totals_unreadable': {
      // A user's record was unreadable in the first reading, and missing in the second.
      const first = replaced(unreadable(chosen, how, meanings));
      return { ...listing, readings: [first, without], total: null };
    }
    case 'duplicate':
      return { ...listing, readings: [[...all, ...again]] };
    case 'duplicate_rejected':
      return {
        ...listing,
        readings: [chosen === undefined ? all : [...all, rejected(chosen, how, meanings)]],
      };
    case 'lost':
      return { ...listing, readings: [without] };
    case 'drift':
      // Every total agrees: one user is read twice, and another not at all.
      return { ...listing, readings: [all.length < 2 ? all : [...all.slice(1), ...again]] };
    case 'moved_total':
      // Too high at first, or too high at the end.
      return how.who % 2 === 0
        ? { ...listing, movedTotal: { fromPage: 2, total: all.length + 1 } }
        : { ...listing, total: all.length + 1, movedTotal: { fromPage: 2, total: all.length } };
    case 'rejected':
      return {
        ...listing,
        readings: [chosen === undefined ? all : replaced(rejected(chosen, how, meanings))],
      };
    case 'rejected_stranger': {
      const stranger = { userId: uuidOf(`${world.name}/stranger/${how.who % 3}`), email: null, name: null };
      const person = { ...stranger, ...STRANGER };
      return { ...listing, readings: [[...all, rejected(person, how, meanings)]], total: all.length + 1 };
    }
    case 'rejected_many':
      return { ...listing, readings: [people.map((person) => rejected(person, how, meanings))] };
    case 'unreadable':
      return { ...listing, readings: [replaced(unreadable(chosen, how, meanings))] };
    case 'empty':
      return { ...listing, readings: [[]], total: 0 };
    case 'empty_with_total':
      return { ...listing, readings: [[]] };
    case 'breaks_off':
      return { ...listing, fault: { page: how.faultPage, status: how.status } };
  }
}

/** Prefer to reject the record of a user who was lost in the run before. */
function chosenOf(world: World, people: readonly Person[], how: Serving): Person | undefined {
  const lost = how.kind === 'rejected' && world.lost?.present === true ? world.lost : undefined;
  const chosen = lost ?? people[how.who % Math.max(1, people.length)];
  world.lost = how.kind === 'lost' || how.kind === 'unreadable' ? chosen : undefined;
  return chosen;
}

const STRANGER = {
  level: 'high',
  eventCount: 1,
  lastEvent: { micros: 0n, spelling: 0 },
  present: true,
} as const;

/** The answers in the oracle's form. */
export function understood(pages: readonly Answer[], meanings: Meanings): ServedPage[] {
  return pages.map((page) => ({
    ...page,
    records: page.records.map((record) => {
      const meaning = meanings.get(JSON.stringify(record));
      if (meaning === undefined) throw new Error('the API served a record that it was not told to serve');
      return meaning;
    }),
  }));
}

function goodRecord(person: Person, upperCase: boolean, meanings: Meanings): unknown {
  const raw = rawOf(person);
  if (upperCase) raw.user_id = person.userId.toUpperCase();
  const meaning: GoodRecord = {
    kind: 'good',
    userId: person.userId,
    email: person.email ?? null,
    name: person.name ?? null,
    level: person.level,
    eventCount: person.eventCount,
    lastEvent: person.lastEvent.micros,
  };
  meanings.set(JSON.stringify(raw), meaning);
  return raw;
}

function rejected(person: Person, { bad }: Serving, meanings: Meanings): unknown {
  const raw: Record<string, unknown> = rawOf(person);
  if (bad === 'level') raw['max_risk_level'] = 'extreme';
  if (bad === 'count') raw['event_count'] = 2_147_483_648;
  if (bad === 'negative') raw['event_count'] = -1;
  if (bad === 'event') raw['last_event'] = '2026-02-30T00:00:00Z';
  if (bad === 'nul') raw['name'] = 'a\0b';
  if (bad === 'surrogate') raw['name'] = 'half \uD83D';
  if (bad === 'email') raw['email'] = { address: 'ada@example.com' };
  meanings.set(JSON.stringify(raw), { kind: 'rejected', userId: person.userId });
  return raw;
}

function unreadable(person: Person | undefined, how: Serving, meanings: Meanings): unknown {
  const { user_id: _, ...rest } = person === undefined ? { user_id: '' } : rawOf(person);
  const raw: unknown = {
    missing_id: rest,
    not_a_uuid: { ...rest, user_id: 'somebody' },
    number: { ...rest, user_id: 42 },
    null: null,
    text: 'a user',
    list: [],
  }[how.unreadable];
  meanings.set(JSON.stringify(raw), { kind: 'rejected', userId: null });
  return raw;
}

function rawOf(person: Person) {
  return {
    user_id: person.userId,
    ...(person.email === undefined ? {} : { email: person.email }),
    ...(person.name === undefined ? {} : { name: person.name }),
    max_risk_level: person.level as string,
    event_count: person.eventCount,
    last_event: spell(person.lastEvent),
  };
}

/** Every user in the world has an own record, served or not. */
function ownRecord(world: World, userId: string, { goneAs, oddAs }: Serving): unknown {
  const person = world.people.find((one) => one.userId === userId);
  if (person === undefined) return null;
  const { micros } = person.lastEvent;
  const events = [
    { id: 'e', name: 'an event', risk_level: person.level, timestamp: spell(person.lastEvent) },
  ];
  const { email, name } = person;
  const record = { email, name, events, risk_level: person.level };
  const at = (by: bigint) => spell({ micros: clamped(micros + by), spelling: 0 });
  if (oddAs !== null && world.people.indexOf(person) % 3 === 0) return oddRecord(oddAs, record, at);
  if (person.present) return { ...record, last_reset_time: null };
  switch (goneAs) {
    case 'unknown':
      return null;
    case 'nothing':
      return undefined;
    case 'no_level':
      return { ...record, risk_level: null, last_reset_time: null };
    case 'reset':
      return { ...record, risk_level: undefined, last_reset_time: at(1n) };
    case 'old_level_and_reset':
      return { ...record, last_reset_time: at(1n) };
    case 'reset_long_ago':
      return { ...record, risk_level: null, last_reset_time: at(-1_000_000n) };
  }
}

function oddRecord(oddAs: (typeof ODD_AS)[number], record: object, at: (by: bigint) => string): unknown {
  switch (oddAs) {
    case 'empty':
      return {};
    case 'eventless':
      return { ...record, events: [], last_reset_time: at(1n) };
    case 'levelless':
      return { ...record, risk_level: undefined, last_reset_time: at(0n) };
    case 'stranger':
      return { ...record, email: 'somebody@else.example', name: 7, last_reset_time: at(1n) };
    case 'broken_event':
      return { ...record, events: [{ timestamp: at(-1n) }, {}], last_reset_time: at(1n) };
    case 'reset_to_come':
      return { ...record, risk_level: null, events: [], last_reset_time: '2099-01-01T00:00:00Z' };
  }
}

/** Limits to the years that a date-time can have. */
function clamped(micros: bigint): bigint {
  const [low, high] = [-62_135_596_800_000_000n, 253_402_300_798_000_000n];
  return micros < low ? low : micros > high ? high : micros;
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const start = by % Math.max(1, list.length);
  return [...list.slice(start), ...list.slice(0, start)];
}
