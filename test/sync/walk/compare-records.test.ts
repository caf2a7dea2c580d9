// The comparison finds the same changes as a naive one over Maps, for random accounts and whatever is read.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as tick } from 'node:timers/promises';
import fc from 'fast-check';
import { missingRows } from '../../../src/sync/absence/missing-users.ts';
import { countRows, readChanges } from '../../../src/sync/publish/changes.ts';
import { randomHashKey } from '../../../src/keyed-hash.ts';
import { AS_SERVED } from '../../../src/sync/walk/identity-policy.ts';
import { createComparison } from '../../../src/sync/walk/compare-records.ts';
import { countReason } from '../../../src/sync/walk/reason-counts.ts';
import { naiveComparison, type Heard, type Known } from '../../support/oracle/naive-comparison.ts';
import { story, type Story } from '../../support/world/random-reading.ts';
import {
  changedOf,
  inputsOf,
  replayStep,
  resolveCleared,
  startReplay,
  takenOrder,
  type Replayed,
} from '../../support/world/replay-reading.ts';
import { uuidOf } from '../../support/world/random-world.ts';

const RUNS = Number(process.env['TEST_READINGS'] ?? 400);

function changesOf(replayed: Replayed, story: Story) {
  const inputs = inputsOf(replayed, story);
  const { counts, rows } = readChanges(1, inputs);
  // One array carries every row.
  const found = [...mapRows(rows)];
  return { inputs, counts, found };
}

function* mapRows(rows: ReturnType<typeof readChanges>['rows']) {
  for (const row of rows) yield changedOf(row);
}

async function compareWithNaive(story: Story): Promise<void> {
  const { known, lastUserKey, steps, ruling } = story;
  const replayed = startReplay(known, randomHashKey(), Promise.resolve());
  const { table, comparison } = replayed;
  const naive = naiveComparison(known);
  for (const step of steps) {
    await replayStep(replayed, step);
    if (step.kind === 'begin') naive.beginReading();
    else for (const { records } of takenOrder(step.answers)) naive.take(records.map(({ heard }) => heard));
    assert.deepEqual({ ...table.counts() }, naive.met());
  }
  assert.deepEqual(
    comparison.lastMet().map(({ userId }) => userId),
    naive.lastMet(),
  );
  resolveCleared(replayed, known);
  assert.deepEqual(
    missingRows(table)
      .map((row) => table.userId(row))
      .toSorted(),
    naive.missing().toSorted(),
  );

  const { inputs, counts, found } = changesOf(replayed, story);
  const { changes, counts: counted, sums } = naive.publish(ruling);
  const byId = (a: [string, unknown], b: [string, unknown]) => (a[0] < b[0] ? -1 : 1);
  assert.deepEqual(
    found.map(({ userId, changed }) => [userId, changed] as [string, unknown]).toSorted(byId),
    [...changes].toSorted(byId),
  );
  assert.deepEqual(counts, { ...counted, sums, lastUserKey: lastUserKey + counted.appeared });
  assert.ok(countRows(inputs) >= counted.rows, 'there are more rows than the limits of the publish expect');
  // New users get keys above the highest key ever given, in the order of their ids.
  assert.deepEqual(
    found.flatMap(({ userId, key, changed }) => (changed.isNew ? [[userId, key]] : [])),
    [...changes]
      .flatMap(([userId, { isNew }]) => (isNew ? [userId] : []))
      .toSorted()
      .map((userId, n) => [userId, lastUserKey + 1 + n]),
  );
  // A retried publish sends the same rows.
  assert.deepEqual(changesOf(replayed, story).found, found);
}

describe('the comparison', () => {
  test('finds the same changes as a naive one over maps, whatever is read in whatever order', async () => {
    await fc.assert(fc.asyncProperty(story, compareWithNaive), { numRuns: RUNS });
  });

  test('waits until the state is complete, and passes on the error if it cannot be read', async () => {
    let resolve = (): void => undefined;
    const whole = new Promise<void>((done) => (resolve = done));
    const { comparison } = startReplay([], randomHashKey(), whole);
    let isOpen = false;
    const opening = Promise.resolve(comparison.openReader()).then(() => (isOpen = true));
    await tick();
    assert.equal(isOpen, false);
    resolve();
    await opening;

    const why = new Error('no state');
    const failed = Promise.reject(why);
    failed.catch(() => undefined);
    const other = startReplay([], randomHashKey(), failed).comparison;
    await assert.rejects(async () => other.openReader(), why);
  });

  const ada: Known = {
    userId: uuidOf('ada'),
    key: 7,
    level: 'low',
    eventCount: 3,
    lastEvent: 1_767_225_600_000_001n,
    email: 'ada@example.com',
    name: 'Ada',
    isAbsent: false,
  };
  const served = {
    user_id: ada.userId,
    email: ada.email,
    name: ada.name,
    max_risk_level: 'low',
    event_count: 3,
    last_event: '2026-01-01T00:00:00.000001Z',
  };
  const nobodyAsked = { decision: 'nobody', answers: new Map(), absentTwice: new Set<string>() } as const;

  /** What a publish would change after each list of records has been read in a separate reading. */
  async function after(known: readonly Known[], ...readings: readonly (readonly object[])[]) {
    const replayed = startReplay(known, randomHashKey(), Promise.resolve());
    for (const records of readings) {
      await replayStep(replayed, { kind: 'begin' });
      const heard: Heard = { userId: null, contents: null };
      const answer = { records: records.map((raw) => ({ raw, heard })), brokeAfter: null, turn: 0 };
      await replayStep(replayed, { kind: 'answers', interleave: [], answers: [answer] });
    }
    const story = { known, lastUserKey: 7, steps: [], ruling: nobodyAsked };
    return { ...changesOf(replayed, story), log: replayed.log };
  }

  test('believes the last read of two records of a user, even when it repeats what the history holds', async () => {
    const other = { ...served, max_risk_level: 'high', email: null, event_count: 9 };
    assert.equal((await after([ada], [other], [served])).found.length, 0);
    assert.equal((await after([ada], [other, served])).found.length, 0);
    const { found } = await after([ada], [served, other]);
    assert.deepEqual(
      found.map(({ changed }) => [changed.newLevel, changed.email, changed.identityChanged]),
      [['high', null, true]],
    );
    // A change that was taken back is made again.
    assert.deepEqual((await after([ada], [other, served, other])).found, found);
  });

  test('a later rejected record takes back nothing', async () => {
    const flawed = { ...served, event_count: -1 };
    const { found } = await after([ada], [{ ...served, max_risk_level: 'high' }], [flawed]);
    assert.deepEqual(
      found.map(({ changed }) => changed.newLevel),
      ['high'],
    );
  });

  test('an equal record ends an absence, and so does a rejected record', async () => {
    const absent = { ...ada, isAbsent: true };
    for (const record of [served, { ...served, event_count: -1 }]) {
      const { found, counts } = await after([absent], [record]);
      assert.deepEqual(
        found.map(({ key, changed }) => [key, changed.oldLevel, changed.newLevel, changed.eventCount]),
        [[7, 'low', 'low', null]],
      );
      assert.equal(counts.updated, 1);
    }
  });

  test('distinguishes null from an empty text, and the end of the email from the start of the name', async () => {
    for (const [was, is] of [
      [
        { email: null, name: 'Ada' },
        { email: '', name: 'Ada' },
      ],
      [
        { email: 'a', name: 'bc' },
        { email: 'ab', name: 'c' },
      ],
      [
        { email: 'a', name: null },
        { email: null, name: 'a' },
      ],
      [
        { email: 'a', name: '' },
        { email: 'a', name: null },
      ],
    ] as const) {
      const { found } = await after([{ ...ada, ...was }], [{ ...served, ...is }]);
      assert.deepEqual(
        found.map(({ changed }) => [
          changed.identityChanged,
          changed.activityChanged,
          changed.email,
          changed.name,
        ]),
        [[true, false, is.email, is.name]],
      );
    }
  });

  test('keeps a change once when several passes read it', async () => {
    const other = { ...served, max_risk_level: 'high' };
    const once = (await after([ada], [other])).log;
    const often = (await after([ada], [other], [other], [other])).log;
    assert.equal(
      [
        ...often.read(
          () => true,
          () => 0,
        ),
      ].length,
      1,
    );
    assert.equal(often.bytes(), once.bytes());
  });

  test('infinity in the history equals no record', async () => {
    for (const lastEvent of ['infinity', '-infinity'] as const) {
      const { found } = await after(
        [{ ...ada, lastEvent }],
        [{ ...served, last_event: '9999-12-31T23:59:58.999999Z' }],
      );
      assert.deepEqual(
        found.map(({ changed }) => [changed.activityChanged, changed.lastEvent]),
        [[true, 253_402_300_798_999_999n]],
      );
    }
  });
});

test('an answer with many bad records keeps a limited amount of their text, and counts the others by reason', async () => {
  const { comparison, table } = startReplay([], randomHashKey(), Promise.resolve());
  const reader = await comparison.openReader();
  const raw = (n: number) => ({ user_id: uuidOf(`bad ${n}`), note: 'x'.repeat(5_000) });
  for (let n = 0; n < 1_500; n++) reader.add(raw(n));
  for (let n = 0; n < 3; n++) reader.add(null);
  const outcome = reader.end();
  comparison.take(outcome);
  assert.deepEqual([outcome.records, outcome.rejected, outcome.unreadable], [1_503, 1_503, 3]);
  assert.equal(outcome.rejections.length, 932);
  const [[reason, records] = ['', 0], other] = outcome.unkept;
  assert.match(reason, /^max_risk_level: missing/);
  assert.deepEqual([records, other], [568, ['record: not an object', 3]]);
  assert.equal(table.counts().anyThis, 1_500);
});

test('an answer that never ends is aborted when memory runs short', async () => {
  const { table, log, key } = startReplay([], randomHashKey(), Promise.resolve());
  const full = new Error('full');
  const checkMemory = (more: number) => {
    if (more > 300_000) throw full;
  };
  const comparison = createComparison({
    table,
    log,
    key,
    policy: AS_SERVED,
    checkMemory,
    whole: Promise.resolve(),
  });
  const reader = await comparison.openReader();
  const bad = { user_id: uuidOf('bad') };
  assert.throws(() => {
    for (let n = 0; n < 1_000_000; n++) reader.add(bad);
  }, full);
  // Records without a readable user take no memory, however many there are.
  const others = await comparison.openReader();
  for (let n = 0; n < 20_000; n++) others.add(1);
  assert.equal(others.end().unreadable, 20_000);
});

test('reasons are counted by name, up to a number of names', () => {
  const counts = new Map<string, number>();
  for (let n = 0; n < 100; n++) countReason(counts, `reason ${n % 60}`, 2);
  assert.equal(counts.size, 51);
  assert.deepEqual([counts.get('reason 0'), counts.get('other reasons')], [4, 20]);
});
