// Whatever is appended comes back in the order of user ids, however it falls on the borders of the log's pieces.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import type { LevelRank, UserValues } from '../../../src/sync/state/user-table.ts';
import { createChangeLog, type ChangeLog } from '../../../src/sync/walk/change-log.ts';

type Entry = { row: number; id: Int32Array; values: UserValues; email: string | null; name: string | null };

// What is read has a prototype.
const plain = { noNullPrototype: true };
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const text = fc.oneof(
  fc.constantFrom(null, '', 'a', '\u{10ffff}', 'ada@example.com', 'a'.repeat(320)),
  fc.string({ unit: 'binary', maxLength: 40 }),
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
    row: word,
    // Most share a bucket, and some an id.
    id: fc
      .tuple(fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000), fc.nat(2), fc.constant(0), fc.integer())
      .map((words) => Int32Array.from(words)),
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
        hash: fc.tuple(word, word).map((words) => Uint32Array.from(words)),
      },
      plain,
    ),
    email: text,
    name: fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: longName }),
  },
  plain,
);

const into = Buffer.alloc(IDENTITY_MAX_BYTES);

function append(log: ChangeLog, { row, id, values, email, name }: Entry): number {
  return log.append(row, id, values, into, encodeIdentity(email, name, into, 0));
}

/** One object carries every change. */
function readAll(log: ChangeLog, isWanted: (row: number, change: number) => boolean = () => true) {
  const read: unknown[] = [];
  for (const change of log.read(isWanted))
    read.push({
      change: change.change,
      row: change.row,
      values: {
        level: change.level,
        eventCount: change.eventCount,
        lastEvent: { ...change.lastEvent },
        hash: change.hash.slice(),
      },
      email: change.email?.toString('utf8') ?? null,
      name: change.name?.toString('utf8') ?? null,
    });
  return read;
}

/** By the text of the user id; of one user in the order in which they were appended. */
function inOrder(entries: readonly (Entry & { change: number })[]) {
  const hex = ({ id }: Entry) => [...id].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  return entries
    .toSorted((a, b) => (hex(a) < hex(b) ? -1 : hex(a) > hex(b) ? 1 : a.change - b.change))
    .map(({ id: _id, ...rest }) => rest);
}

describe('the change log', () => {
  test('gives back what was appended and is wanted, in order of user ids, as often as it is read and while it grows', () => {
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

  test('keeps 10,000 characters outside the first plane whole at every place where a piece may end', () => {
    const log = createChangeLog();
    const values = { level: 1, eventCount: 1, lastEvent: { seconds: 1, micros: 1 } } as const;
    const entries = Array.from({ length: 60 }, (_, n): Entry => {
      // One byte more each time moves the borders through the characters.
      const name = `${'x'.repeat(n % 7)}${'👩'.repeat(10_000 - (n % 7))}`;
      return {
        row: n,
        id: Int32Array.of(n % 2, n, 0, 0),
        values: { ...values, hash: Uint32Array.of(n, 1) },
        email: n % 2 === 0 ? null : '',
        name,
      };
    });
    for (const one of entries) append(log, one);
    assert.deepEqual(readAll(log), inOrder(entries.map((one, n) => ({ change: n + 1, ...one }))));
  });

  test('two who read it at once do not disturb each other', () => {
    const log = createChangeLog();
    const values = { level: 2, eventCount: 5, lastEvent: { seconds: 1, micros: 1 } } as const;
    const rows = Array.from({ length: 20_000 }, (_, n) => n);
    for (const row of rows)
      append(log, {
        row,
        id: Int32Array.of(row, 0, 0, 0),
        values: { ...values, hash: Uint32Array.of(row, row) },
        email: `user${row}@example.com`,
        name: null,
      });
    const [one, other] = [log.read(() => true), log.read(() => true)];
    for (const row of rows) {
      for (const { value } of [one.next(), other.next()]) {
        assert.equal(value?.row, row);
        assert.equal(value?.email?.toString('utf8'), `user${row}@example.com`);
      }
    }
  });

  test('holds a first load of 100,000 users in 8 MB, of which half is room for more', () => {
    const log = createChangeLog();
    const rng = (n: number) => (Math.imul(n, 0x9e37_79b1) ^ (n << 7)) >>> 0;
    for (let row = 0; row < 100_000; row++)
      append(log, {
        row,
        id: Int32Array.of(rng(row + 4), row, 0, 0),
        values: {
          level: ((row % 3) + 1) as LevelRank,
          eventCount: rng(row) % 50,
          lastEvent: { seconds: 1_767_225_600 + (rng(row) % 2_592_000), micros: rng(row + 1) % 1_000_000 },
          hash: Uint32Array.of(rng(row + 2), rng(row + 3)),
        },
        email: `first.last${row}@example.com`,
        name: `First Last ${row}`,
      });
    assert.ok(log.bytes() < 8 * 1024 * 1024, `${log.bytes()} bytes`);
  });
});
