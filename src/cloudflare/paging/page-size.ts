// What the first page tells of those to come: how many there are, and whether it was cut off at its size. Pure.
import type { SummaryPage } from '../client.ts';

// Without a total there is no expected end to go by: 100,000 pages of 1,000 are more users than any account has.
const CAP_WITHOUT_TOTAL = 100_000;

/** How many pages the totals promise; null when there are none to go by. */
export function expectedPages(first: Pick<SummaryPage<unknown>, 'info'>, size: number): number | null {
  const { total_count: total, total_pages: stated } = first.info;
  const pages = total !== undefined && size > 0 ? Math.ceil(total / size) : stated;
  // A promise beyond the cap is none.
  return pages === undefined || pages > CAP_WITHOUT_TOTAL ? null : Math.max(1, pages);
}

/** Pages after which there must be an end. */
export function pageCap(expected: number | null): number {
  return expected === null ? CAP_WITHOUT_TOTAL : expected * 2 + 100;
}

export function mayHoldMore(first: Pick<SummaryPage<unknown>, 'info' | 'count'>): boolean {
  const { total_count: total, total_pages: pages } = first.info;
  return total === undefined ? pages === undefined || pages > 1 : total > first.count;
}

const CUSTOMARY_SIZES = new Set([10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000]);

/**
 * Whether a page may have been cut off at its size, when no total says: as many records as were asked for, as the server
 * says that it puts on a page, or as servers customarily do. 120 records for 50 asked are an account of 120; 100 may be a limit.
 */
export function isFullPage(records: number, asked: number, stated: number | undefined): boolean {
  return records === asked || records === stated || CUSTOMARY_SIZES.has(records);
}
