import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { timesOf } from '../../src/saved/file-times.ts';
import type { FileFacts, PageFacts } from '../../src/saved/inspect-file.ts';
import { planSnapshots } from '../../src/saved/plan-snapshots.ts';

const DAY_1 = new Date('2024-01-01T00:00:00Z');
const DAY_2 = new Date('2024-01-02T00:00:00Z');
const fileOf = (name: string) => ({ name, open: () => assert.fail() });
const page = (number: number | null, total: number | null = 30, records = 10): PageFacts => {
  return { number, total, perPage: 10, records };
};
const facts = (name: string, pages: PageFacts[], digest = name): FileFacts => {
  return { file: fileOf(name), digest, pages, newestEvent: null };
};
const doubts = (...pages: PageFacts[]) => planSnapshots([{ at: DAY_1, facts: facts('a', pages) }])[0]!.doubts;

describe('a plan', () => {
  test('puts snapshots in the order of time and files in the order of their pages, however they were named', () => {
    const plan = planSnapshots([
      { at: DAY_2, facts: facts('late.json', [page(1)]) },
      { at: DAY_1, facts: facts('b10.json', [page(10)]) },
      { at: DAY_1, facts: facts('c.json', [page(1)]) },
      { at: DAY_1, facts: facts('a2.json', [page(2), page(3)]) },
    ]);
    assert.deepEqual(
      plan.map(({ at, files }) => [at, files.map(({ file }) => file.name)]),
      [
        [DAY_1, ['c.json', 'a2.json', 'b10.json']],
        [DAY_2, ['late.json']],
      ],
    );
  });

  test('orders lists, which state no page, by the numbers in their names', () => {
    const plan = planSnapshots(
      ['p10', 'p9', 'p1'].map((name) => ({ at: DAY_1, facts: facts(name, [page(null, null)]) })),
    );
    assert.deepEqual(
      plan[0]!.files.map(({ file }) => file.name),
      ['p1', 'p9', 'p10'],
    );
  });

  test('takes the same content once at an instant, and again at another instant', () => {
    const plan = planSnapshots([
      { at: DAY_1, facts: facts('a.json', [page(1)], 'same') },
      { at: DAY_1, facts: facts('a.json.gz', [page(1)], 'same') },
      { at: DAY_2, facts: facts('b.json', [page(1)], 'same') },
    ]);
    assert.deepEqual(
      plan.map(({ files }) => files.length),
      [1, 1],
    );
  });

  test('refuses two contents that are both the same page, and allows two empty answers beyond the end', () => {
    const twice = ['a@example.com.json', 'b.json'].map((name) => ({
      at: DAY_1,
      facts: facts(name, [page(2)]),
    }));
    assert.throws(() => planSnapshots(twice), {
      code: 'IMPORT_PAGES_TWICE',
      happened:
        '[email] and b.json both hold page 2 of the snapshot of 2024-01-01T00:00:00.000Z, and the files differ',
    });
    assert.throws(
      () => planSnapshots([{ at: DAY_1, facts: facts('a', [page(2), page(2)]) }]),
      /a holds page 2 of the snapshot of \S+ twice/,
    );
    assert.deepEqual(doubts(page(1), page(2, 10, 0), page(2, 10, 0)), []);
  });

  test('doubts a snapshot with a page that was not saved, even if the total fits', () => {
    assert.deepEqual(doubts(page(1), page(2), page(3)), []);
    assert.deepEqual(doubts(page(2)), ['of the pages, 1 is not among the saved files']);
    assert.deepEqual(doubts(page(1), page(4)), ['of the pages, 2, 3 are not among the saved files']);
    assert.deepEqual(doubts(page(9)), [
      'of the pages, 1, 2, 3, 4, 5 and 3 more are not among the saved files',
    ]);
  });

  test('doubts a snapshot in which only some pages state a total', () => {
    assert.deepEqual(doubts(page(1), page(null, null)), ['1 of 2 saved pages state no total']);
    // A walk without any total is always partial.
    assert.deepEqual(doubts(page(null, null)), []);
  });
});

describe('the times of files', () => {
  const names = (...all: string[]) => all.map(fileOf);
  const none = { at: null, timezone: null };
  const told = (files: string[], options: { at: string | null; timezone: string | null }) =>
    timesOf(names(...files), options).map(({ at }) => at.toISOString());

  test('come from --at for all files, otherwise from the file names, and never from a folder', () => {
    assert.deepEqual(told(['2024-01-02T00Z/a.json', 'b'], { at: '2024-01-01T00:00Z', timezone: null }), [
      DAY_1.toISOString(),
      DAY_1.toISOString(),
    ]);
    assert.deepEqual(told(['x/2024-01-01T00-00Z.json', 'C:\\x\\2024-01-02T00-00Z.json'], none), [
      DAY_1.toISOString(),
      DAY_2.toISOString(),
    ]);
    assert.throws(() => told(['2024-01-02T00Z/a.json'], none), { code: 'IMPORT_TIME_UNKNOWN' });
  });

  test('are refused together, with the fix', () => {
    const files = ['2024-01-01T00Z.json', 'a', 'b', 'c', 'd'];
    assert.throws(
      () => told(files, none),
      /The times of 4 of 5 files are not known.*\(a, b, c, and 1 more\).*--at/,
    );
    assert.throws(
      () => told(['20240101.json'], none),
      /The time of 20240101.json is not certain.*--timezone UTC/,
    );
    assert.throws(() => told(['2024-01-01-12.json'], none), /can be read in several ways/);
    assert.throws(
      () => told(['a'], { at: '2024-01-01', timezone: null }),
      /^OperatorError: --at 2024-01-01 is not/,
    );
    assert.throws(() => told(['a'], { at: 'yesterday', timezone: 'UTC' }), { code: 'IMPORT_TIME_UNKNOWN' });
  });
});
