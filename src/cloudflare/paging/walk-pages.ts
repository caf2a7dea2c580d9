// One pass over all pages of the summary. Paging is undocumented, so it trusts nothing: it adopts the page size that comes
// back, asks beyond the expected end, and tells a server that ignores `page` from an account that ends. It hands on what was
// read of every page, and looks into none of it: what it remembers is one fingerprint a page.
import { OperatorError } from '../../errors.ts';
import { isPageSizeRefused, isPageTimeout } from '../problems/meanings.ts';
import { AUTO_SIZES, type Pass, type PassRequest } from './pass.ts';
import { readPages } from './read-pages.ts';

/**
 * Large pages mean fewer requests and less drift; a server that refuses them, or is too slow for them, gets smaller ones, also
 * when that shows on a later page. Throws PAGING_UNUSABLE when the account cannot be read whole, PAGING_ENDLESS at the cap, or
 * what `fetchPage` throws.
 */
export async function walkPages<T>(request: PassRequest<T>): Promise<Pass> {
  const sizes =
    request.perPage === 'auto' ? AUTO_SIZES.filter((size) => size <= request.largest) : [request.perPage];
  let perPage = sizes[0]!;
  for (;;) {
    // The page size that was in use: less than was asked for at first, where the server clamps.
    let used = perPage;
    const fetchPage = (page: number, size: number) => {
      used = size;
      return request.fetchPage(page, size);
    };
    try {
      return await readPages({ ...request, fetchPage }, perPage);
    } catch (error) {
      const isSizeToBlame = isPageSizeRefused(error) || isPageTimeout(error) || isTooLarge(error);
      const smaller = isSizeToBlame ? sizes.find((size) => size < used) : undefined;
      if (smaller === undefined) throw error;
      perPage = smaller;
      request.restart(perPage);
    }
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'BODY_TOO_LARGE';
}
