import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pagingChanges } from '../../../src/cloudflare/paging/paging-changes.ts';
import type { Paging } from '../../../src/evidence.ts';

const clamped: Paging = {
  page: 'honoured',
  per_page: 'clamped',
  asked_per_page: 1_000,
  page_size: 50,
  totals: true,
};

const cases: [title: string, was: Partial<Paging>, is: Partial<Paging>, changed: string[]][] = [
  ['nothing changed', {}, {}, []],
  ['the page parameter is ignored now', {}, { page: 'ignored' }, ['page']],
  ['the totals are gone', {}, { totals: false }, ['totals']],
  ['pages are clamped to another size', {}, { page_size: 100 }, ['page_size']],
  ['pages are no longer clamped', {}, { per_page: 'honoured', page_size: 1_000 }, ['per_page']],
  [
    'a shorter last page is no change',
    { per_page: 'honoured', page_size: 900 },
    { per_page: 'honoured' },
    [],
  ],
  [
    'an account that fits one page shows nothing about pages',
    {},
    { page: 'not_needed', per_page: 'honoured' },
    [],
  ],
  [
    'but it shows something about totals',
    { page: 'not_needed' },
    { page: 'not_needed', totals: false },
    ['totals'],
  ],
];

for (const [title, was, is, changed] of cases) {
  test(title, () => assert.deepEqual(pagingChanges({ ...clamped, ...was }, { ...clamped, ...is }), changed));
}
