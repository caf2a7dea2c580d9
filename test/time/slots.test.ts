import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import fc from 'fast-check';
import { createTask, getTasks } from 'node-cron';
import { longestInterval, nextSlots } from '../../src/time/schedule.ts';
import { clockChanges, slotsBefore } from '../../src/time/slots.ts';

const iso = (dates: Date[]) => dates.map((date) => date.toISOString().slice(0, 19));

describe('slotsBefore', () => {
  const at = new Date('2026-11-25T12:34:56.789Z');
  for (const [expression, timezone, expected] of [
    ['0 * * * *', 'UTC', ['2026-11-25T12:00:00', '2026-11-25T11:00:00']],
    ['*/5 * * * *', 'UTC', ['2026-11-25T12:30:00', '2026-11-25T12:25:00']],
    ['*/20 * * * * *', 'UTC', ['2026-11-25T12:34:40', '2026-11-25T12:34:20']],
    ['30 2 * * *', 'Europe/Berlin', ['2026-11-25T01:30:00', '2026-11-24T01:30:00']],
    ['0 9-17 * * 1-5', 'Asia/Kathmandu', ['2026-11-25T11:15:00', '2026-11-25T10:15:00']],
    ['0 3 1 1 *', 'UTC', ['2026-01-01T03:00:00']],
    ['0 3 29 2 *', 'UTC', []],
    // As node-cron reads them: nicknames in any case, names, and its words for days.
    [' @Hourly ', 'UTC', ['2026-11-25T12:00:00', '2026-11-25T11:00:00']],
    ['0 12 ? nov Wed,7', 'UTC', ['2026-11-25T12:00:00', '2026-11-22T12:00:00']],
    ['0 3 L,15W * *', 'UTC', ['2026-11-16T03:00:00', '2026-10-31T03:00:00']],
    ['0 3 * * 1#2,5L', 'UTC', ['2026-11-09T03:00:00', '2026-10-30T03:00:00']],
  ] as const) {
    test(`${expression} in ${timezone}`, () => {
      assert.deepEqual(iso(slotsBefore(expression, timezone, at, 2)), expected);
    });
  }

  test('counts an instant that is a slot as before itself', () => {
    const slot = new Date('2026-11-25T12:00:00Z');
    assert.deepEqual(slotsBefore('0 * * * *', 'UTC', slot, 1), [slot]);
    assert.deepEqual(iso(slotsBefore('0 * * * *', 'UTC', new Date(slot.getTime() - 1), 1)), [
      '2026-11-25T11:00:00',
    ]);
  });

  test('finds the same slots as node-cron, going backwards', () => {
    mock.timers.enable({ apis: ['Date'], now: new Date('2026-09-14T00:00:00Z') });
    try {
      for (const expression of [
        '7 */3 * * *',
        '15,45 6 * * 1',
        '0 0 1 * *',
        '10 8-9 * 10-11 *',
        '@hourly',
        '@weekly',
        '@monthly',
      ]) {
        for (const timezone of ['UTC', 'America/St_Johns', 'Australia/Lord_Howe']) {
          const ahead = createTask(expression, () => undefined, { timezone }).getNextRuns(6);
          assert.deepEqual(
            slotsBefore(expression, timezone, ahead.at(-1)!, 6),
            ahead.toReversed(),
            `${expression} ${timezone}`,
          );
        }
      }
    } finally {
      mock.timers.reset();
    }
  });
});

describe('slots where the clocks change', () => {
  // For comparison, as node-cron does it while it waits: from one slot to the next.
  function walkForward(expression: string, timezone: string, from: Date, to: Date): Date[] {
    mock.timers.enable({ apis: ['Date'], now: from });
    try {
      for (let count = 8; ; count *= 2) {
        const slots = nextSlots(expression, timezone, count);
        if ((slots.at(-1) ?? to) >= to) return slots.filter((slot) => slot <= to);
      }
    } finally {
      mock.timers.reset();
    }
  }

  test('count once in the repeated hour', () => {
    const now = new Date('2027-11-07T06:45:00Z');
    assert.deepEqual(iso(slotsBefore('30 1 * * *', 'America/New_York', now, 2)), [
      '2027-11-07T05:30:00',
      '2027-11-06T05:30:00',
    ]);
    assert.deepEqual(iso(slotsBefore('30 2 * * *', 'Europe/Berlin', new Date('2027-10-31T01:45:00Z'), 2)), [
      '2027-10-31T01:30:00',
      '2027-10-30T00:30:00',
    ]);
  });

  const hours = (most: number) => fc.integer({ min: 1, max: most }).map((count) => count * 3_600_000);
  // Steps only, no lists. When a minute of a list is skipped and runs half an hour later instead, node-cron jumps over
  // the minutes in between. Looking back then finds those.
  const minutes = fc.oneof(
    fc.integer({ min: 0, max: 59 }).map(String),
    fc.integer({ min: 5, max: 59 }).map((step) => `*/${step}`),
  );
  const hoursOfDay = fc.oneof(
    fc.constant('*'),
    fc.integer({ min: 0, max: 3 }).map(String),
    fc.integer({ min: 2, max: 8 }).map((step) => `*/${step}`),
    fc.integer({ min: 0, max: 3 }).map((first) => `${first}-23`),
  );
  for (const [timezone, ...changes] of [
    ['America/New_York', '2027-03-14T07:00:00Z', '2027-11-07T06:00:00Z'],
    ['Europe/Berlin', '2027-03-28T01:00:00Z', '2027-10-31T01:00:00Z'],
    ['Australia/Lord_Howe', '2027-10-02T15:30:00Z', '2027-04-03T15:00:00Z'],
    ['Atlantic/Azores', '2027-03-28T01:00:00Z', '2027-10-31T01:00:00Z'],
    // The change is over midnight.
    ['America/Nuuk', '2027-03-28T01:00:00Z', '2027-10-31T01:00:00Z'],
    ['Asia/Kolkata', '2027-03-28T01:00:00Z'],
  ] as const) {
    test(`are the same as those of node-cron, going backwards: ${timezone}`, () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...changes),
          minutes,
          hoursOfDay,
          hours(12),
          hours(5),
          (change, ...rest) => {
            const [minute, hour, before, after] = rest;
            const expression = `${minute} ${hour} * * *`;
            // From an hour that does not repeat. What a process fires when it starts inside the repeated hour is a
            // separate matter.
            const from = new Date(Date.parse(change) - 3_600_000 - before);
            const to = new Date(Date.parse(change) + after);
            const ahead = walkForward(expression, timezone, from, to);
            const back = slotsBefore(expression, timezone, to, ahead.length + 1).filter(
              (slot) => slot > from,
            );
            assert.deepEqual(iso(back), iso(ahead).toReversed(), expression);
          },
        ),
        { numRuns: 20 },
      );
    });
  }
});

test('reading a schedule leaves no task behind', () => {
  const before = getTasks().size;
  slotsBefore('0 * * * *', 'Europe/Berlin', new Date(), 2);
  longestInterval('0 * * * *', 'Europe/Berlin');
  clockChanges('30 2 * * *', 'Europe/Berlin', new Date());
  assert.equal(getTasks().size, before);
});

describe('clockChanges', () => {
  const from = new Date('2026-11-25T12:00:00Z');
  const inBerlin = (expression: string) =>
    clockChanges(expression, 'Europe/Berlin', from).map(({ date, kind, times }) => [
      date,
      kind,
      times.join(' '),
    ]);

  test('names the night that skips a slot and the night that repeats it', () => {
    assert.deepEqual(inBerlin('30 2 * * *'), [
      ['2027-03-28', 'skipped', '02:30'],
      ['2027-10-31', 'repeated', '02:30'],
    ]);
  });

  test('is silent for a schedule without slots at that hour, and for UTC', () => {
    assert.deepEqual(inBerlin('0 6 * * *'), []);
    assert.deepEqual(clockChanges('30 2 * * *', 'UTC', from), []);
  });

  test('knows half-hour changes, and zones in the southern hemisphere', () => {
    assert.deepEqual(
      clockChanges('*/10 2 * * *', 'Australia/Lord_Howe', from).map((change) => [
        change.date,
        change.kind,
        change.times.join(' '),
      ]),
      [['2027-10-03', 'skipped', '02:00 02:10 02:20']],
    );
  });

  test('agrees with node-cron: a skipped slot does not run, and a repeated slot runs once', () => {
    for (const [day, kind, runs] of [
      ['2027-03-27T22:59:00Z', 'skipped', []],
      ['2027-10-30T21:59:00Z', 'repeated', ['2027-10-31T01:30:00']],
    ] as const) {
      mock.timers.enable({ apis: ['Date'], now: new Date(day) });
      const [next] = createTask('30 2 28,31 3,10 *', () => undefined, {
        timezone: 'Europe/Berlin',
      }).getNextRuns(1);
      mock.timers.reset();
      const change = inBerlin('30 2 * * *').find((entry) => entry[1] === kind);
      assert.ok(change);
      const sameDay = iso(next ? [next] : []).filter((text) => text.startsWith(String(change[0])));
      assert.deepEqual(sameDay, runs);
    }
  });
});
