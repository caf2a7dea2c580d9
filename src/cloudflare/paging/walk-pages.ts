// One pass over all pages of the summary. Paging is undocumented, so nothing is trusted. The pass adopts the page size
// that the server returns, and asks beyond the expected end. It also distinguishes a server that ignores `page` from
// the end of an account. It hands on the content of every page without reading it, and remembers one fingerprint per
// page.
import { OperatorError } from '../../errors.ts';
import { isPageSizeRefused, isPageTimeout } from '../problems/meanings.ts';
import { AUTO_SIZES, type Pass, type PassRequest, type ReadPages } from './pass.ts';
import type { CloudflareClient } from '../client.ts';
import { pageSizeRefused } from './paging-errors.ts';
import { readPages } from './read-pages.ts';

/** The pages that the API serves now. */
export function pagesOfApi<T>(client: Pick<CloudflareClient, 'summaryPage'>): ReadPages<T> {
  return ({ accountId, signal, countUse, openReader, ...request }) =>
    walkPages({
      ...request,
      fetchPage: (page, perPage) =>
        client.summaryPage({ accountId, page, perPage, signal, countUse, openReader }),
    });
}

/**
 * Large pages mean fewer requests and less drift. If the server refuses them or is too slow for them, the pass tries
 * smaller pages, even if only a later page shows the problem. The last try leaves the size out. Throws PAGING_UNUSABLE
 * if the account cannot be read completely, PAGING_ENDLESS at the cap, PAGE_REFUSED if a page is missing,
 * PAGE_SIZE_REFUSED if SYNC_PER_PAGE is not served, or what `fetchPage` throws.
 */
export async function walkPages<T>(request: PassRequest<T>): Promise<Pass> {
  const isAuto = request.perPage === 'auto';
  let perPage = request.perPage === 'auto' ? request.firstSize : request.perPage;
  for (;;) {
    // The page size in use. If the server clamps, it is smaller than the size that was asked for at first.
    let used = perPage;
    const fetchPage = (page: number, size: number) => {
      used = size;
      return request.fetchPage(page, size);
    };
    try {
      return await readPages({ ...request, fetchPage }, perPage);
    } catch (error) {
      if (!isAuto && isPageSizeRefused(error)) throw pageSizeRefused(perPage, error);
      const smaller = isAuto ? smallerSize(used, error) : undefined;
      if (smaller === undefined) throw error;
      perPage = smaller;
      request.restart(perPage);
    }
  }
}

/** Undefined: a smaller page does not help. */
function smallerSize(used: number, error: unknown): number | undefined {
  // If 50 users are too much to read, the answer is not a page, and each attempt may cost a gigabyte.
  if (isTooLarge(error)) return AUTO_SIZES.find((size) => size < used && size >= 50);
  if (!isPageSizeRefused(error) && !isPageTimeout(error)) return undefined;
  return AUTO_SIZES.find((size) => size < used);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'BODY_TOO_LARGE';
}
