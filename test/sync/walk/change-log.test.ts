// The log returns all appended changes in the order of user ids, wherever the borders of its pieces fall.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import type { LevelRank, UserValues } from '../../../src/sync/state/user-table.ts';
import { createChangeLog, type ChangeLog } from '../../../src/sync/walk/change-log.ts';
import { anyText } from '../../support/world/any-text.ts';

type Values = Omit<UserValues, 'hash'>;
type Entry = { row: number; values: Values; email: string | null; name: string | null };

const FIRST_WORDS = [0, 1, -1, 0x7fff_ffff, -0x8000_0000];

/** Many users share a bucket. */
function idOf(row: number): Int32Array {
  return Int32Array.of(FIRST_WORDS[row % 5] ?? 0, row % 3, 0, Math.imul(row, 0x9e37_79b1));
}

function byId(row: number, other: number): number {
  const [a, b] = [hex(row), hex(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

function hex(row: number): string {
  return [...idOf(row)].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

// The rows that are read have a prototype.
const plain = { noNullPrototype: true };
const text = fc.oneof(
  fc.constantFrom(null, '', 'a', '\u{10ffff}', 'ada@example.com', 'a'.repeat(320)),
  anyText({ maxLength: 40 }),
);
/** The longest names that a record may have: 40,000 bytes, so that a few fill a piece. */
const longName = fc
  .record({
    letter: fc.constantFrom('a', 'ü', '语', '🚒', '\u{10ffff}'),
    length: fc.integer({ min: 9_000, max: 10_000 }),
  })
  .map(({ letter, length }) => letter.repeat(length));
const entry: fc.Arbitrary<Entry> = fc.record(
  {
    row: fc.nat(30),
    values: fc.record(
      {
        level: fc.constantFrom<LevelRank>(0, 1, 2, 3),
        eventCount: fc.nat(2_147_483_647),
        lastEvent: fc.record(
          {
            seconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
            micros: fc.nat(999_999),
          },
          plain,
        ),
      },
      plain,
    ),
    email: text,
    name: fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: longName }),
  },
  plain,
);

const into = Buffer.alloc(IDENTITY_MAX_BYTES);

function append(log: ChangeLog, { row, values, email, name }: Entry): number {
  return log.append(row, idOf(row), values, into, encodeIdentity({ email, name }, into, 0));
}

/** One object carries every change. */
function readAll(log: ChangeLog, isWanted: (row: number, change: number) => boolean = () => true) {
  const read: unknown[] = [];
  for (const { row, level, eventCount, lastEvent, encoded, identity } of log.read(isWanted, byId)) {
    const text = {
      email: identity.email?.toString('utf8') ?? null,
      name: identity.name?.toString('utf8') ?? null,
    };
    const end = encodeIdentity(text, into, 0);
    assert.ok(encoded.equals(into.subarray(0, end)));
    read.push({ row, values: { level, eventCount, lastEvent: { ...lastEvent } }, ...text });
  }
  return read;
}

/** In the order of user ids; for one user, in the order in which they were appended. */
function inOrder(entries: readonly Entry[]): Entry[] {
  return entries
    .toSorted((a, b) => byId(a.row, b.row))
    .map(({ row, values, email, name }) => ({ row, values, email, name }));
}

describe('the change log', () => {
  test('returns the wanted changes in the order of user ids, however often it is read and while it grows', () => {
    const some = fc.array(entry, { maxLength: 30 });
    fc.assert(
      fc.property(some, some, (first, then) => {
        const log = createChangeLog();
        const wanted: (Entry & { change: number })[] = [];
        for (const entries of [first, then]) {
          for (const one of entries) {
            const change = append(log, one);
            wanted.push({ change, ...one });
            assert.equal(change, wanted.length);
          }
          assert.deepEqual(readAll(log), inOrder(wanted));
          const isWanted = (row: number, change: number) => (row + change) % 3 !== 0;
          assert.deepEqual(
            readAll(log, isWanted),
            inOrder(wanted.filter(({ row, change }) => isWanted(row, change))),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test('keeps 10,000 characters outside the first plane intact wherever a piece ends', () => {
    const log = createChangeLog();
    const values = { level: 1, eventCount: 1, lastEvent: { seconds: 1, micros: 1 } } as const;
    const entries = Array.from({ length: 60 }, (_, n): Entry => {
      // Each time, one more byte moves the borders through the characters.
      const name = `${'x'.repeat(n % 7)}${'👩'.repeat(10_000 - (n % 7))}`;
      return {
        row: n,
        values,
        email: n % 2 === 0 ? null : '',
        name,
      };
    });
    for (const one of entries) append(log, one);
    assert.deepEqual(readAll(log), inOrder(entries));
  });

  test('can be read twice at the same time', () => {
    const log = createChangeLog();
    const values = { level: 2, eventCount: 5, lastEvent: { seconds: 1, micros: 1 } } as const;
    const rows = Array.from({ length: 20_000 }, (_, n) => n);
    for (const row of rows)
      append(log, {
        row,
        values,
        email: `user${row}@example.com`,
        name: null,
      });
    const [one, other] = [log.read(() => true, byId), log.read(() => true, byId)];
    for (const row of rows.toSorted(byId)) {
      for (const { value } of [one.next(), other.next()]) {
        assert.equal(value?.row, row);
        assert.equal(value?.identity.email?.toString('utf8'), `user${row}@example.com`);
      }
    }
  });

  test('holds a first load of 100,000 users in 6 MB, of which 4 are room for more', () => {
    const log = createChangeLog();
    const rng = (n: number) => (Math.imul(n, 0x9e37_79b1) ^ (n << 7)) >>> 0;
    for (let row = 0; row < 100_000; row++)
      append(log, {
        row,
        values: {
          level: ((row % 3) + 1) as LevelRank,
          eventCount: rng(row) % 50,
          lastEvent: { seconds: 1_767_225_600 + (rng(row) % 2_592_000), micros: rng(row + 1) % 1_000_000 },
        },
        email: `first.last${row}@example.com`,
        name: `First Last ${row}`,
      });
    assert.ok(log.bytes() < 6 * 1024 * 1024, `${log.bytes()} bytes`);
  });
});
