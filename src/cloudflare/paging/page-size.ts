// What the first page says about the others: how many there are, and whether the page was cut off at its size. Pure.
import type { SummaryPage } from '../client.ts';

// The cap if no total gives an expected end: 100,000 pages of 1,000 are more users than any account has.
const CAP_WITHOUT_TOTAL = 100_000;

/** How many pages the totals promise. Null if there are no usable totals. */
export function expectedPages(first: Pick<SummaryPage<unknown>, 'info'>, size: number): number | null {
  const { total_count: total, total_pages: stated } = first.info;
  const pages = total !== undefined && size > 0 ? Math.ceil(total / size) : stated;
  // A promise beyond the cap is ignored.
  return pages === undefined || pages > CAP_WITHOUT_TOTAL ? null : Math.max(1, pages);
}

/** How many pages are read before we give up. */
export function pageCap(expected: number | null): number {
  return expected === null ? CAP_WITHOUT_TOTAL : expected * 2 + 100;
}

export function mayHoldMore(first: Pick<SummaryPage<unknown>, 'info' | 'count'>): boolean {
  const { total_count: total, total_pages: pages } = first.info;
  return total === undefined ? pages === undefined || pages > 1 : total > first.count;
}

const CUSTOMARY_SIZES = new Set([10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000]);

/**
 * Without a total: whether a page may have been cut off at its size. It may, if the number of records is one of three:
 * the size that we asked for, the page size that the server states, or a usual page size of servers. If we asked for
 * 50, an answer of 120 records is an account of 120 users, but 100 may be a limit.
 */
export function isFullPage(records: number, asked: number, stated: number | undefined): boolean {
  return records === asked || records === stated || CUSTOMARY_SIZES.has(records);
}
