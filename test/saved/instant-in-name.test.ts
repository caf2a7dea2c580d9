import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { instantInName } from '../../src/saved/instant-in-name.ts';

const read = (name: string, timezone: string | null = null) => {
  const found = instantInName(name, timezone);
  return found.kind === 'instant' ? found.at.toISOString() : found.kind;
};

describe('the instant in the name of a file', () => {
  const FOUR = '2024-01-05T04:00:00.000Z';
  for (const [name, instant] of [
    ['2024-01-05T04:00Z-page2.json', FOUR],
    ['2024-01-05T04-00-00Z.json.gz', FOUR],
    ['2024-01-05T04-00-00Z-2.json', FOUR],
    ['2024-01-05T04-00-00Z_page-0500.json', FOUR],
    ['20240105T040000Z.json', FOUR],
    ['risk_2024-01-05_04.00.00Z.json', FOUR],
    ['2024-01-05 04h00m00Z (2).json', FOUR],
    ['2024-01-05T04%3A00%3A00Z.json', FOUR],
    ['2024-01-05T04Z.json', FOUR],
    ['2024-01-05T04-00-00UTC.json', FOUR],
    ['2024-01-05T04-00-00+0100.json', '2024-01-05T03:00:00.000Z'],
    ['2024-01-05T04:00:00-05:00.json', '2024-01-05T09:00:00.000Z'],
    ['2024-01-05T04:00:00.123456Z.json', '2024-01-05T04:00:00.123Z'],
    ['risk-1704427200.json', FOUR],
    ['risk-1704427200123-p1.json', '2024-01-05T04:00:00.123Z'],
    ['0123456789abcdef0123456789abcdef-1704427200.json', FOUR],
    ['2024-01-05T04-00Z_1704427200.json', FOUR],
  ] as const)
    test(`is certain in ${name}`, () => {
      assert.equal(read(name), instant);
      assert.equal(read(name, 'Asia/Tokyo'), instant);
    });

  for (const [name, instant] of [
    ['risk_20240105.json.gz', '2024-01-04T23:00:00.000Z'],
    ['2024-01-05_p2.json', '2024-01-04T23:00:00.000Z'],
    ['2024-01-05-2.json', '2024-01-04T23:00:00.000Z'],
    ['2024-01-05T04-00-00.json', '2024-01-05T03:00:00.000Z'],
    ['dump.20240105-040000.json', '2024-01-05T03:00:00.000Z'],
    ['20240705040000.json', '2024-07-05T02:00:00.000Z'],
  ] as const)
    test(`needs a zone in ${name}`, () => {
      assert.equal(read(name), 'no_zone');
      assert.equal(read(name, 'Europe/Berlin'), instant);
    });

  for (const name of [
    '2024-01-05T04-00-00-0500.json',
    '2024-01-05-12.json',
    '2024010504.json',
    '2024-01-05T04-00Z_exported_2024-02-01T00-00Z.json',
    '2024-01-05T04-00-00Zulu.json',
    '01234567-20240105-4111-8111-123456789012.json',
  ])
    test(`is unclear in ${name}, with a zone and without one`, () => {
      assert.equal(read(name), 'unclear');
      assert.equal(read(name, 'UTC'), 'unclear');
    });

  test('is unclear in the hour that repeats when clocks are set back, and in no other', () => {
    assert.equal(read('20241027-0159.json', 'Europe/Berlin'), '2024-10-26T23:59:00.000Z');
    assert.equal(read('20241027-0200.json', 'Europe/Berlin'), 'unclear');
    assert.equal(read('20241027-0259.json', 'Europe/Berlin'), 'unclear');
    assert.equal(read('20241027-0300.json', 'Europe/Berlin'), '2024-10-27T02:00:00.000Z');
    assert.equal(read('20241027-0230.json', 'UTC'), '2024-10-27T02:30:00.000Z');
    assert.equal(read('2024-10-27T02-30+02:00.json', 'Europe/Berlin'), '2024-10-27T00:30:00.000Z');
    // The day begins once, even if its first hour repeats.
    assert.equal(read('20241103.json', 'America/Havana'), '2024-11-03T04:00:00.000Z');
  });

  for (const name of [
    'page-1.json',
    '05-01-2024.json',
    '2024-02-30T00-00Z.json',
    '2024-01-05T24-00Z.json',
    '0123456789abcdef0123456789abcdef.json',
    'risk2024-01-05T00Z.json',
  ])
    test(`is missing in ${name}`, () => {
      assert.equal(read(name), 'none');
      assert.equal(read(name, 'UTC'), 'none');
    });

  const DAY_MS = 86_400_000;
  const forms = [
    (iso: string) => iso,
    (iso: string) => iso.replaceAll(':', '-'),
    (iso: string) => iso.replaceAll(':', '_').replace('T', ' '),
    (iso: string) => iso.replace(/[-:]/g, ''),
    (iso: string) => String(Date.parse(iso)),
  ];

  test('is read back from every form in which an instant is written, whatever text surrounds it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 11_600 * DAY_MS, max: 23_000 * DAY_MS }),
        fc.constantFrom(...forms),
        fc.constantFrom('', 'risk-', 'dump_', 'zt.', 'a1b2-'),
        fc.constantFrom('.json', '.json.gz', '-page2.json', '_p12.json', '-3', ' (1).json', '-0002.json'),
        (ms, form, before, after) => {
          const at = new Date(ms);
          assert.equal(read(`${before}${form(at.toISOString())}${after}`), at.toISOString());
        },
      ),
    );
  });

  test('never throws, and says the same about the same name', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789-_:.TZz+ ap') }), (name) => {
        assert.deepEqual(instantInName(name, 'UTC'), instantInName(name, 'UTC'));
      }),
    );
  });
});
