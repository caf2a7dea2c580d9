// Times as people write them: what each form means, in zones with clock changes, compared with ICU by halving.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { localMinute, minute, parseWhen, startOfDay } from '../../src/time/when.ts';
import { createCalendar } from '../support/oracle/reporting/calendar.ts';

const NOW = new Date('2026-11-25T02:14:30.250Z');
const at = (text: string, timezone = 'UTC', now = NOW) => {
  const when = parseWhen(text, { now, timezone });
  return when?.kind === 'instant' ? when.at.toISOString() : when;
};

// A half-hour change, changes at midnight, a skipped day, a change over midnight, no change.
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'Pacific/Apia',
  'Atlantic/Azores',
  'Asia/Kathmandu',
  'Africa/Casablanca',
];
const instants = fc
  .integer({ min: Date.parse('2005-01-01'), max: Date.parse('2037-01-01') })
  .map((ms) => Math.floor(ms / 60_000) * 60_000);

describe('a time that is written by hand', () => {
  it('may be a word, a date, a time, or a duration before now', () => {
    for (const [text, expected] of [
      ['now', '2026-11-25T02:14:30.250Z'],
      ['today', '2026-11-25T00:00:00.000Z'],
      ['Yesterday', '2026-11-24T00:00:00.000Z'],
      ['yesterday 18:00', '2026-11-24T18:00:00.000Z'],
      ['2026-03-01', '2026-03-01T00:00:00.000Z'],
      ['2026-03-01T09:05', '2026-03-01T09:05:00.000Z'],
      [' 2026-03-01  09:05:06 ', '2026-03-01T09:05:06.000Z'],
      ['2026-03-01T09:05:06.123456Z', '2026-03-01T09:05:06.123Z'],
      ['2026-03-01T09:05:06.5+05:30', '2026-03-01T03:35:06.500Z'],
      ['2026-03-01T09:05-0800', '2026-03-01T17:05:00.000Z'],
      ['2026-03-01 09:05 UTC', '2026-03-01T09:05:00.000Z'],
      ['24h', '2026-11-24T02:14:30.250Z'],
      ['7d', '2026-11-18T02:14:30.250Z'],
      ['7d ago', '2026-11-18T02:14:30.250Z'],
      ['2 weeks ago', '2026-11-11T02:14:30.250Z'],
      ['1 day ago', '2026-11-24T02:14:30.250Z'],
      ['30min', '2026-11-25T01:44:30.250Z'],
      ['90 minutes ago', '2026-11-25T00:44:30.250Z'],
    ] as const)
      assert.equal(at(text), expected, text);
  });

  it('may be the id of a snapshot', () => {
    assert.deepEqual(at('41'), { kind: 'snapshot', id: 41 });
    assert.deepEqual(at('#352'), { kind: 'snapshot', id: 352 });
  });

  it('is refused when it is not a time', () => {
    for (const text of [
      '',
      'yesteryear',
      'tomorrow',
      '7',
      '7m',
      '7y',
      '-7d',
      '1.5h',
      'ago',
      '2026-02-29',
      '2026-02-30',
      '2026-13-01',
      '2026-3-1',
      '1969-12-31',
      '2026-03-01T24:00',
      '2026-03-01T09:60',
      '2026-03-01T9:00',
      '2026-03-01T09:00+25:00',
      '2026-03-01T',
      '01.03.2026',
      'ada@example.com',
      "2026-03-01'; drop table risk.users",
      '999999w',
    ]) {
      const when = parseWhen(text, { now: NOW, timezone: 'UTC' });
      assert.ok(text === '7' ? when?.kind === 'snapshot' : when === null, text);
    }
  });

  it('is in the given time zone unless it states its own', () => {
    assert.equal(at('2026-03-01', 'Europe/Berlin'), '2026-02-28T23:00:00.000Z');
    assert.equal(at('2026-07-01T09:00', 'Europe/Berlin'), '2026-07-01T07:00:00.000Z');
    assert.equal(at('2026-07-01T09:00Z', 'Europe/Berlin'), '2026-07-01T09:00:00.000Z');
    assert.equal(at('2026-07-01T09:00', '+05:30'), '2026-07-01T03:30:00.000Z');
    // In Auckland it is already the 25th, in New York still the 24th.
    assert.equal(at('today', 'Pacific/Auckland'), '2026-11-24T11:00:00.000Z');
    assert.equal(at('today', 'America/New_York'), '2026-11-24T05:00:00.000Z');
    assert.equal(at('yesterday', 'America/New_York'), '2026-11-23T05:00:00.000Z');
  });

  it('at a clock change is the first of two instants; a time that does not exist is later by the change', () => {
    assert.equal(at('2026-03-29T02:30', 'Europe/Berlin'), '2026-03-29T01:30:00.000Z');
    assert.equal(at('2026-10-25T02:30', 'Europe/Berlin'), '2026-10-25T00:30:00.000Z');
    assert.equal(at('2026-10-25T02:30+01:00', 'Europe/Berlin'), '2026-10-25T01:30:00.000Z');
    // No midnight in Beirut, two in the Azores, and no such day in Samoa.
    assert.equal(at('2026-03-29', 'Asia/Beirut'), '2026-03-28T22:00:00.000Z');
    assert.equal(at('2026-10-25', 'Atlantic/Azores'), '2026-10-25T00:00:00.000Z');
    assert.equal(at('2011-12-30', 'Pacific/Apia'), '2011-12-30T10:00:00.000Z');
    // The day after a change has its usual midnight, and yesterday has 25 hours.
    const morning = new Date('2026-10-26T05:00:00Z');
    assert.equal(at('yesterday', 'Europe/Berlin', morning), '2026-10-24T22:00:00.000Z');
    assert.equal(at('today', 'Europe/Berlin', morning), '2026-10-25T23:00:00.000Z');
    assert.equal(at('24h', 'Europe/Berlin', morning), '2026-10-25T05:00:00.000Z');
  });

  it('is read back from what a local clock shows, as the first instant that shows it', () => {
    fc.assert(
      fc.property(instants, fc.constantFrom(...ZONES), fc.constantFrom(' ', 'T'), (ms, zone, between) => {
        const shown = localMinute(new Date(ms), zone);
        const when = parseWhen(shown.replace(' ', between), { now: NOW, timezone: zone });
        assert.ok(when?.kind === 'instant');
        assert.equal(localMinute(when.at, zone), shown);
        assert.ok(when.at.getTime() <= ms && ms - when.at.getTime() <= 3_600_000);
      }),
      { numRuns: 2_000 },
    );
  });

  it('with an offset means the same as in Date, in every zone', () => {
    fc.assert(
      fc.property(
        instants,
        fc.constantFrom(...ZONES),
        fc.constantFrom('Z', '+00:00', '-03:45', '+14:00', '-11:00'),
        (ms, zone, offset) => {
          const text = new Date(ms).toISOString().replace('Z', offset);
          assert.equal(at(text, zone), new Date(text).toISOString());
        },
      ),
    );
  });

  it('never throws, whatever the text is', () => {
    const piece = fc.constantFrom(
      'today',
      'yesterday',
      '2026-03-29',
      'T',
      ' ',
      '02:30',
      ':',
      '7',
      'd',
      ' ago',
      'Z',
      '+',
      '#',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 6 }).map((p) => p.join('')),
        ),
        (text) => {
          const when = parseWhen(text, { now: NOW, timezone: 'Europe/Berlin' });
          assert.ok(when === null || when.kind === 'snapshot' || !Number.isNaN(when.at.getTime()));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('the start of a day', () => {
  it('is the first instant of that date, whatever the clocks do', () => {
    fc.assert(
      fc.property(instants, fc.constantFrom(...ZONES), (ms, zone) => {
        const [day] = createCalendar(zone).days(BigInt(ms) * 1000n, BigInt(ms) * 1000n);
        assert.equal(startOfDay(day!.day, zone).getTime(), Number(day!.from / 1000n));
      }),
      { numRuns: 300 },
    );
    for (const [day, zone] of [
      ['2011-12-31', 'Pacific/Apia'],
      ['2026-03-29', 'Asia/Beirut'],
      ['2026-10-25', 'Atlantic/Azores'],
      ['2018-11-04', 'America/Sao_Paulo'],
      ['2018-02-18', 'America/Sao_Paulo'],
      ['2026-04-05', 'Australia/Lord_Howe'],
    ] as const) {
      const noon = BigInt(startOfDay(day, zone).getTime() + 12 * 3_600_000) * 1000n;
      const [expected] = createCalendar(zone).days(noon, noon);
      assert.equal(expected!.day, day);
      assert.equal(startOfDay(day, zone).getTime(), Number(expected!.from / 1000n), `${day} ${zone}`);
    }
  });
});

describe('a time that is shown', () => {
  it('names UTC, or the offset of the zone at that time', () => {
    for (const [zone, text] of [
      ['UTC', '2026-07-01 22:30 UTC'],
      ['Europe/Berlin', '2026-07-02 00:30 +02:00'],
      ['America/St_Johns', '2026-07-01 20:00 -02:30'],
    ] as const)
      assert.equal(minute('2026-07-01T22:30:59.9Z', zone), text);
  });

  it('can be given back to any command, also in the hour that clocks repeat', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', '+05:30');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000_000 }), zones, (seconds, zone) => {
        const at = new Date(Math.floor(seconds / 60) * 60_000);
        const read = parseWhen(minute(at, zone), { now: new Date(0), timezone: 'Asia/Tokyo' });
        assert.deepEqual(read, { kind: 'instant', at });
      }),
      {
        examples: [
          [1_792_890_000, 'Europe/Berlin'],
          [1_792_893_600, 'Europe/Berlin'],
        ],
      },
    );
  });
});
