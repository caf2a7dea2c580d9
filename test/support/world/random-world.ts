// Random accounts over time: who has a level, and what happens between two runs. The values are difficult ones: text
// that COPY must escape, microseconds, the same instant with another offset.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { RiskLevel } from '../../../src/user-risk.ts';
import { anyText } from './any-text.ts';

export type Person = {
  userId: string;
  /** Undefined: the API leaves the field out. */
  email: string | null | undefined;
  name: string | null | undefined;
  level: RiskLevel;
  eventCount: number;
  lastEvent: Instant;
  present: boolean;
};
/** `micros` since 1970; `spelling` chooses one of the texts for the same instant. */
export type Instant = { micros: bigint; spelling: number };
export type World = {
  name: string;
  people: Person[];
  /** The present user whom the last run did not serve. */
  lost: Person | undefined;
  /** The present user whom the summary omits in every run. */
  hidden?: Person | undefined;
};

type Identity = { email: string | null | undefined; name: string | null | undefined };
export type Change =
  | { kind: 'appear'; people: Omit<Person, 'userId' | 'present'>[] }
  | { kind: 'level'; who: number; level: RiskLevel }
  | { kind: 'counters'; who: number; eventCount: number; lastEvent: Instant }
  | { kind: 'respell'; who: number; spelling: number }
  | { kind: 'rename'; who: number; identity: Identity }
  | { kind: 'rename_and_level'; who: number; identity: Identity; level: RiskLevel }
  | { kind: 'leave'; who: number }
  | { kind: 'vanish'; percent: number }
  | { kind: 'return'; who: number }
  | { kind: 'return_changed'; who: number; level: RiskLevel; eventCount: number; lastEvent: Instant };

const NASTY = [
  '',
  ' ',
  'tab\there',
  'line\nbreak\r\nand another\r',
  'back\\slash \\t \\n \\\\',
  '\\N',
  '\\.',
  `"double" 'single' $$ ; --`,
  'NULL',
  '👩‍👩‍👧‍👦 🏳️‍🌈',
  '\u202Eright to left\u200F שלום',
  'e\u0301 is not \u00E9',
  '\u0001\u001F\u007F\u0085\u2028',
  '{"json": [1, null]}',
];

const text = fc.oneof(
  fc.constantFrom(...NASTY),
  anyText({ maxLength: 12 }).map((value) => value.replaceAll('\0', '')),
  fc.constantFrom('Ada Lovelace', 'Zoë Müller', 'ada@example.com', 'zoe+risk@example.org'),
);
const missing = fc.constantFrom(null, undefined);
const identity: fc.Arbitrary<Identity> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ email: text, name: text }) },
  {
    weight: 2,
    arbitrary: fc.record({ email: fc.oneof(text, missing), name: missing }),
  },
);
const level = fc.constantFrom<RiskLevel>('low', 'medium', 'high');
const eventCount = fc.oneof(fc.nat(40), fc.constantFrom(0, 2_147_483_647));
const instant: fc.Arbitrary<Instant> = fc.record({
  micros: fc.oneof(
    fc.bigInt({ min: 1_767_225_600_000_000n, max: 1_767_312_000_000_000n }),
    fc.constantFrom(-62_135_596_800_000_000n, -1n, 0n, 1_772_236_799_999_999n, 253_402_300_798_000_000n),
  ),
  spelling: fc.nat(999),
});
const newcomer = fc
  .record({ identity, level, eventCount, lastEvent: instant })
  .map(({ identity: { email, name }, ...rest }) => ({ ...rest, email, name }));
const who = fc.nat(999);

export const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: kind('appear', { people: fc.array(newcomer, { minLength: 1, maxLength: 5 }) }) },
  { weight: 1, arbitrary: kind('appear', { people: fc.array(newcomer, { minLength: 15, maxLength: 30 }) }) },
  { weight: 4, arbitrary: kind('level', { who, level }) },
  { weight: 4, arbitrary: kind('counters', { who, eventCount, lastEvent: instant }) },
  { weight: 2, arbitrary: kind('respell', { who, spelling: fc.nat(999) }) },
  { weight: 3, arbitrary: kind('rename', { who, identity }) },
  { weight: 3, arbitrary: kind('rename_and_level', { who, identity, level }) },
  { weight: 3, arbitrary: kind('leave', { who }) },
  {
    weight: 1,
    arbitrary: kind('vanish', { percent: fc.oneof(fc.constant(50), fc.integer({ min: 20, max: 100 })) }),
  },
  { weight: 3, arbitrary: kind('return', { who }) },
  { weight: 3, arbitrary: kind('return_changed', { who, level, eventCount, lastEvent: instant }) },
) as fc.Arbitrary<Change>;

function kind<T extends object>(name: Change['kind'], fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  return fc.record({ kind: fc.constant(name), ...fields });
}

/** Lets one thing happen, or nothing if its user does not exist. */
export function apply(world: World, what: Change): void {
  if (what.kind === 'appear') {
    for (const person of what.people) {
      const userId = uuidOf(`${world.name}/${world.people.length}`);
      world.people.push({ ...person, userId, present: true });
    }
    return;
  }
  if (what.kind === 'vanish') {
    const there = presentOf(world);
    for (const person of there.slice(0, Math.ceil((there.length * what.percent) / 100)))
      person.present = false;
    return;
  }
  const returns = what.kind === 'return' || what.kind === 'return_changed';
  const candidates = world.people.filter((one) => one.present !== returns);
  const person = candidates[what.who % Math.max(1, candidates.length)];
  if (person === undefined) return;
  if (what.kind === 'leave') person.present = false;
  if (returns) person.present = true;
  if ('level' in what) person.level = what.level;
  if ('eventCount' in what) Object.assign(person, { eventCount: what.eventCount, lastEvent: what.lastEvent });
  if ('identity' in what) Object.assign(person, what.identity);
  if (what.kind === 'respell') person.lastEvent = { ...person.lastEvent, spelling: what.spelling };
}

export function presentOf(world: World): Person[] {
  return world.people.filter((person) => person.present);
}

/** In random order, so that keys do not rise with time. */
export function uuidOf(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

const OFFSETS = ['Z', 'z', '+00:00', '-00:00', '+05:30', '-11:00', '+14:00', '-03:45'];

/** The instant as RFC 3339 text, in the form that the spelling chooses. */
export function spell({ micros, spelling }: Instant): string {
  const offset = OFFSETS[spelling % OFFSETS.length] ?? 'Z';
  const minutes = /^[+-]/.test(offset) ? Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4)) : 0;
  const atEdge = micros < -62_000_000_000_000_000n || micros > 253_400_000_000_000_000n;
  const local = atEdge ? micros : micros + BigInt(minutes * (offset.startsWith('-') ? -60 : 60)) * 1_000_000n;
  const fraction = ((local % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((local - fraction) / 1000n)).toISOString().slice(0, 19);
  const digits = String(fraction).padStart(6, '0');
  // Nanoseconds below half a microsecond do not change what Postgres stores.
  const style = Math.floor(spelling / OFFSETS.length) % 3;
  const shown = style === 0 ? digits.replace(/0+$/, '') : style === 1 ? digits : `${digits}421`;
  return `${seconds}${shown === '' ? '' : `.${shown}`}${atEdge ? 'Z' : offset}`;
}
