// The table compared with a Map, and its memory per user.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACTIVITY,
  createUserTable,
  IDENTITY,
  LEVEL,
  readUserId,
  type LevelRank,
  type UserValues,
} from '../../../src/sync/state/user-table.ts';

/** P9. */
const BYTES_PER_USER = 100;

const anyWord = fc.integer({ min: 0, max: 0xffff_ffff });
const anyHash = fc.tuple(anyWord, anyWord).map((words) => Uint32Array.from(words));
const values: fc.Arbitrary<UserValues> = fc.record({
  level: fc.constantFrom<LevelRank>(0, 1, 2, 3),
  eventCount: fc.nat(2_147_483_647),
  lastEvent: fc.oneof(
    fc.record(
      {
        seconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
        micros: fc.nat(999_999),
      },
      { noNullPrototype: true },
    ),
    fc.constantFrom({ seconds: Infinity, micros: 0 }, { seconds: -Infinity, micros: 0 }),
  ),
  hash: anyHash,
});

describe('the user table', () => {
  test('finds 200,000 random ids, each at its own row, and no other id', () => {
    const table = createUserTable();
    const words = new Int32Array(Uint8Array.from(randomBytes(200_000 * 16)).buffer);
    const id = new Int32Array(4);
    const at = (n: number) => {
      id.set(words.subarray(4 * n, 4 * n + 4));
      return id;
    };
    const half = 100_000;
    for (let n = 0; n < half; n++) assert.equal(table.findOrAdd(at(n)), n);
    for (let n = 0; n < half; n++) {
      if (table.find(at(n)) !== n || table.findOrAdd(at(n)) !== n)
        assert.fail(`user ${n} is not found again`);
      if (table.find(at(half + n)) !== -1) assert.fail('a user is found who is not there');
    }
    table.reserve(10);
    table.reserve(2 * half);
    for (let n = half; n < 2 * half; n++) assert.equal(table.findOrAdd(at(n)), n);
    for (let n = 0; n < 2 * half; n++) if (table.find(at(n)) !== n) assert.fail(`user ${n} is lost`);
    assert.equal(table.size(), 2 * half);
  });

  test('distinguishes ids that differ in one bit, or only in their order', () => {
    const table = createUserTable();
    const id = new Int32Array(4);
    const seen = new Set<number>([table.findOrAdd(id)]);
    for (let bit = 0; bit < 128; bit++) {
      id.fill(0);
      id[bit >> 5] = 1 << (bit & 31);
      seen.add(table.findOrAdd(id));
    }
    for (let n = 0; n < 20_000; n++) seen.add(table.findOrAdd(Int32Array.of(n, -n, n << 16, ~n)));
    assert.equal(seen.size, table.size());
    assert.equal(table.size(), 1 + 128 + 20_000);
  });

  test('returns every id as text and as bytes, read in upper or lower case', () => {
    fc.assert(
      fc.property(fc.uuid({ version: [1, 4, 7] }), fc.boolean(), (uuid, isUpper) => {
        const table = createUserTable();
        const id = new Int32Array(4);
        readUserId(isUpper ? uuid.toUpperCase() : uuid, id);
        const row = table.findOrAdd(id);
        const bytes = new Uint8Array(16);
        table.writeUserId(row, bytes);
        assert.equal(table.userId(row), uuid);
        assert.equal(Buffer.from(bytes).toString('hex'), uuid.replaceAll('-', ''));
      }),
      { numRuns: 200 },
    );
  });

  test('orders users by their ids as PostgreSQL orders them, and a user is equal to itself', () => {
    fc.assert(
      fc.property(fc.array(fc.uuid(), { minLength: 2, maxLength: 20 }), (uuids) => {
        const table = createUserTable();
        const id = new Int32Array(4);
        const rows = uuids.map((uuid) => {
          readUserId(uuid, id);
          return table.findOrAdd(id);
        });
        for (const [n, row] of rows.entries())
          for (const [m, other] of rows.entries()) {
            const [one, two] = [uuids[n]!, uuids[m]!];
            assert.equal(Math.sign(table.compareIds(row, other)), one < two ? -1 : Number(one > two));
          }
      }),
      { numRuns: 100 },
    );
  });

  test('keeps what the history holds, and every other bit', () => {
    const users = fc.array(
      fc.record({ values, isAbsent: fc.boolean(), key: fc.integer({ min: 1, max: 2_147_483_647 }) }),
      {
        minLength: 1,
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(users, anyHash, (users, hash) => {
        const table = createUserTable();
        table.beginReading();
        for (const [n, { values, isAbsent, key }] of users.entries()) {
          const row = table.findOrAdd(Int32Array.of(n, 0, 0, 0));
          // Earlier notes and changes must survive: a returning user is known only after the walk.
          if (n % 2 === 0) table.note(row, n % 4 === 0);
          if (n % 3 === 0) table.setChange(row, n + 1, hash);
          table.setKnown(row, key, values, isAbsent);
        }
        for (const [row, { values, isAbsent, key }] of users.entries()) {
          assert.equal(table.key(row), key);
          assert.equal(table.level(row), values.level);
          assert.equal(table.eventCount(row), values.eventCount);
          assert.deepEqual(table.lastEvent(row), values.lastEvent);
          assert.equal(table.isAbsent(row), isAbsent);
          assert.equal(table.wasMet(row), row % 2 === 0);
          assert.equal(table.wasAccepted(row), row % 4 === 0);
          assert.equal(table.isChanged(row), row % 3 === 0);
          assert.equal(table.change(row), row % 3 === 0 ? row + 1 : 0);
          assert.equal(table.holdsChange(row, hash), row % 3 === 0);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('compares part by part, and an unknown user differs in every part', () => {
    fc.assert(
      fc.property(values, values, fc.integer({ min: 0, max: 7 }), (was, other, which) => {
        const table = createUserTable();
        const row = table.findOrAdd(Int32Array.of(1, 2, 3, 4));
        assert.equal(table.compare(row, was), LEVEL | ACTIVITY | IDENTITY);
        table.setKnown(row, 1, was, false);
        const is: UserValues = {
          level: which & LEVEL ? other.level : was.level,
          eventCount: which & ACTIVITY ? other.eventCount : was.eventCount,
          lastEvent: which & ACTIVITY ? other.lastEvent : was.lastEvent,
          hash: which & IDENTITY ? other.hash : was.hash,
        };
        const differs =
          (is.level === was.level ? 0 : LEVEL) |
          (is.eventCount === was.eventCount &&
          is.lastEvent.seconds === was.lastEvent.seconds &&
          is.lastEvent.micros === was.lastEvent.micros
            ? 0
            : ACTIVITY) |
          (is.hash[0] === was.hash[0] && is.hash[1] === was.hash[1] ? 0 : IDENTITY);
        assert.equal(table.compare(row, is), differs);
      }),
      { numRuns: 300 },
    );
  });

  test('infinity in the history equals no instant that a record can have', () => {
    const table = createUserTable();
    const row = table.findOrAdd(Int32Array.of(1, 2, 3, 4));
    const hash = new Uint32Array(2);
    for (const seconds of [Infinity, -Infinity]) {
      table.setKnown(row, 1, { level: 1, eventCount: 1, lastEvent: { seconds, micros: 0 }, hash }, false);
      for (const said of [-62_135_596_800, 0, 253_402_300_799]) {
        const is: UserValues = { level: 1, eventCount: 1, lastEvent: { seconds: said, micros: 0 }, hash };
        assert.equal(table.compare(row, is), ACTIVITY);
      }
    }
  });

  for (const [users, isReserved] of [
    [100_000, false],
    [100_000, true],
    [200_000, false],
    [1_000_000, true],
  ] as const)
    test(`takes at most ${BYTES_PER_USER} bytes a user for ${users} users, ${isReserved ? 'expected' : 'unexpected'}, as counted and as the process shows`, (t) => {
      const before = process.memoryUsage().arrayBuffers;
      const table = createUserTable();
      if (isReserved) table.reserve(users);
      const id = new Int32Array(4);
      for (let n = 0; n < users; n++) {
        id[0] = n;
        id[1] = Math.imul(n, 0x9e37_79b1);
        id[2] = ~n;
        table.findOrAdd(id);
      }
      const perUser = table.bytes() / users;
      t.diagnostic(`${perUser.toFixed(1)} bytes a user`);
      assert.ok(perUser <= BYTES_PER_USER, `${perUser} bytes a user`);
      globalThis.gc?.();
      const seen = process.memoryUsage().arrayBuffers - before;
      assert.ok(table.size() === users && seen < table.bytes() * 2, `${seen} bytes beside ${table.bytes()}`);
    });
});
