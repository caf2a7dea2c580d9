// What happens to every missing user, for each decision. A retried publish sends the same bytes.
// test/sync/walk/compare-records.test.ts compares the rest of readChanges with a naive comparison.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { LookupOutcome } from '../../../src/sync/absence/absence.ts';
import { countRows, readChanges, type ChangeInputs } from '../../../src/sync/publish/changes.ts';
import { randomHashKey } from '../../../src/keyed-hash.ts';
import { createUserTable, type LevelRank } from '../../../src/sync/state/user-table.ts';
import { createChangeLog } from '../../../src/sync/walk/change-log.ts';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../../../src/sync/state/encode-identity.ts';
import { changedOf } from '../../support/world/replay-reading.ts';
import { NO_IDENTITY } from '../../../src/user-risk.ts';

const key = randomHashKey();
const lastEvent = { seconds: 1_767_225_600, micros: 1 };
const DECISIONS = ['nobody', 'gone', 'absent_twice', 'everybody', 'mass_clear'] as const;
const OUTCOMES = [null, 'level', 'no_level', 'reset', 'not_found', 'unreadable'] as const;

type Missing = { outcome: LookupOutcome | null; absentTwice: boolean; isAbsent: boolean };

/** One user at high with five events, who is missing. */
function oneMissing(
  decision: ChangeInputs['decision'],
  { outcome, absentTwice, isAbsent }: Missing,
): ChangeInputs {
  const table = createUserTable();
  const row = table.findOrAdd(Int32Array.of(1, 2, 3, 4));
  table.setKnown(row, 9, { level: 3, eventCount: 5, lastEvent, hash: new Uint32Array(2) }, isAbsent);
  const none = { users: 0, events: 0 };
  const isGone = outcome === 'reset' || outcome === 'not_found';
  return {
    state: { lastUserKey: 9, sums: { low: none, medium: none, high: { users: 1, events: 5 } } },
    table,
    key,
    log: createChangeLog(),
    missing: [{ row, userKey: 9, completeWalks: 0, absentTwice }],
    answers: new Map(
      outcome === null
        ? []
        : [[row, { outcome, lastResetTime: outcome === 'reset' ? '2026-02-01T00:00:00Z' : null }]],
    ),
    gone: new Set(isGone ? [row] : []),
    decision,
  };
}

describe('readChanges', () => {
  const both = [false, true];
  for (const decision of DECISIONS)
    test(`gives the right change of a missing user for the decision ${decision}`, () => {
      for (const outcome of OUTCOMES)
        for (const absentTwice of both)
          for (const isAbsent of both) {
            const { counts, rows } = readChanges(1, oneMissing(decision, { outcome, absentTwice, isAbsent }));
            const found = [...rows].map((row) => changedOf(row));
            const what = JSON.stringify({ outcome, absentTwice, isAbsent });
            const isCleared = {
              nobody: false,
              mass_clear: false,
              gone: outcome === 'reset' || outcome === 'not_found',
              absent_twice: absentTwice && outcome !== 'level',
              everybody: outcome !== 'level',
            }[decision];
            const endReason = isCleared ? (outcome === 'reset' ? 'reset' : 'absent') : null;
            // A user who was already absent, with nothing new known, is no change at all (P5).
            const isNoted = isCleared || outcome !== null || !isAbsent;
            assert.equal(found.length, isNoted ? 1 : 0, what);
            assert.equal(counts.rows, found.length, what);
            assert.equal(counts.cleared, isCleared ? 1 : 0, what);
            assert.equal(counts.newlyAbsent, !isCleared && !isAbsent ? 1 : 0, what);
            assert.equal(counts.asked, outcome === null ? 0 : 1, what);
            assert.equal(counts.updated + counts.appeared + counts.renamed + counts.acted, 0, what);
            assert.deepEqual(
              counts.sums.high,
              isCleared ? { users: 0, events: 0 } : { users: 1, events: 5 },
              what,
            );
            if (!isNoted) continue;
            const [{ key, changed } = assert.fail()] = found;
            assert.deepEqual(
              [
                key,
                changed.isMissing,
                changed.oldLevel,
                changed.newLevel,
                changed.outcome,
                changed.endReason,
              ],
              [9, true, 'high', null, outcome, endReason],
              what,
            );
            assert.equal(changed.resetAt, outcome === 'reset' ? 1_769_904_000_000_000n : null, what);
          }
    });

  test('gives the same bytes under the same keys when 30,000 changes are read five times', () => {
    const table = createUserTable();
    const log = createChangeLog();
    const identity = Buffer.alloc(IDENTITY_MAX_BYTES);
    const users = 30_000;
    for (let n = 0; n < users; n++) {
      const id = Int32Array.of(Math.imul(n, 0x9e37_79b1), n, 0, 0);
      const row = table.findOrAdd(id);
      const values = {
        level: ((n % 3) + 1) as LevelRank,
        eventCount: n,
        lastEvent: { seconds: n, micros: n },
        hash: Uint32Array.of(n, 1),
      };
      // A third of the users is known, a third of the changes is replaced by a later one, and a seventh is taken back.
      const before = { ...values, level: 1, hash: new Uint32Array(2) } as const;
      if (n % 3 === 0) table.setKnown(row, n + 1, before, false);
      for (const again of n % 3 === 1 ? [1, 2] : [1]) {
        const change = log.append(
          row,
          id,
          values,
          identity,
          encodeIdentity({ ...NO_IDENTITY, email: `user${n}-${again}@example.com` }, identity, 0),
        );
        table.note(row, true);
        table.setChange(row, change, Uint32Array.of(change, change));
      }
      if (n % 7 === 0 && n % 3 === 0) table.takeBackChange(row);
    }
    const none = { users: 0, events: 0 };
    const inputs: ChangeInputs = {
      state: { lastUserKey: users, sums: { low: { users: users / 3, events: 0 }, medium: none, high: none } },
      table,
      key,
      log,
      missing: [],
      answers: new Map(),
      gone: new Set(),
      decision: 'gone',
    };
    const digests = Array.from({ length: 5 }, () => {
      const { counts, rows } = readChanges(1, inputs);
      const digest = createHash('sha256');
      for (const row of rows)
        for (const value of row)
          if (value instanceof Uint8Array) digest.update(value);
          else digest.update(`${JSON.stringify(value)};`);
      return JSON.stringify([digest.digest('hex'), counts]);
    });
    assert.equal(new Set(digests).size, 1);
    const { counts, rows } = readChanges(1, inputs);
    const emails = [...rows].length;
    assert.equal(emails, counts.rows);
    assert.equal(counts.rows, countRows(inputs));
    assert.equal(counts.lastUserKey, users + counts.appeared);
    // Replaced changes are not sent.
    for (const row of readChanges(1, inputs).rows) {
      const { changed } = changedOf(row);
      const [, n, again] = /^user(\d+)-(\d)@/.exec(changed.email ?? '') ?? assert.fail();
      assert.equal(again, Number(n) % 3 === 1 ? '2' : '1');
    }
  });
});
