// One pass over all pages of the summary. Paging is undocumented, so nothing is trusted. The pass adopts the page size
// that comes back and asks beyond the expected end. It also tells a server that ignores `page` from the end of an
// account. It hands on the content of every page without reading it, and remembers one fingerprint per page.
import { OperatorError } from '../../errors.ts';
import { isPageSizeRefused, isPageTimeout } from '../problems/meanings.ts';
import { AUTO_SIZES, type Pass, type PassRequest } from './pass.ts';
import { readPages } from './read-pages.ts';

/**
 * Large pages mean fewer requests and less drift. If the server refuses them or is too slow for them, smaller pages are
 * tried, even if only a later page shows it. Throws PAGING_UNUSABLE if the account cannot be read completely,
 * PAGING_ENDLESS at the cap, or what `fetchPage` throws.
 */
export async function walkPages<T>(request: PassRequest<T>): Promise<Pass> {
  const sizes =
    request.perPage === 'auto' ? AUTO_SIZES.filter((size) => size <= request.largest) : [request.perPage];
  let perPage = sizes[0]!;
  for (;;) {
    // The page size in use. If the server clamps, it is smaller than what was asked for at first.
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
