// Pages after the first that are refused: asks for them again, and distinguishes the end of the list from a missing
// page.
import { EXIT, type OperatorError } from '../../errors.ts';
import type { SummaryPage } from '../client.ts';
import { isPageSizeRefused, pageRefusal } from '../problems/meanings.ts';
import { take, type OpenPass } from './open-pass.ts';
import { isFullPage } from './page-size.ts';
import { pageRefused } from './paging-errors.ts';
import { isEndOfList, isTotalMet, type RefusedPage } from './end-of-list.ts';

/**
 * Asks for a refused page again. If the total is not met, it first asks for the page before it: the list may have
 * become shorter, and its answer states the new total. Null: refused both times. Throws any other error.
 */
export async function fetchTwice<T>(pass: OpenPass<T>, number: number): Promise<SummaryPage<T> | null> {
  const { request, perPage } = pass;
  const first = await orRefusal(request.fetchPage(number, perPage));
  if ('page' in first) return first.page;
  if (!isTotalMet(await factsOf(pass))) {
    const before = await orRefusal(request.fetchPage(number - 1, perPage));
    if ('page' in before) await take(pass, number - 1, before.page);
  }
  const second = await orRefusal(request.fetchPage(number, perPage));
  if ('page' in second) return second.page;
  if (pass.refused === null || number < pass.refused.number) pass.refused = { number, ...second };
  return null;
}

async function orRefusal<T>(
  asking: Promise<SummaryPage<T>>,
): Promise<{ page: SummaryPage<T> } | { error: OperatorError }> {
  try {
    return { page: await asking };
  } catch (error) {
    if (pageRefusal(error) === null) throw error;
    return { error: error as OperatorError };
  }
}

async function factsOf<T>({ request, first, ...pass }: OpenPass<T>): Promise<Omit<RefusedPage, 'number'>> {
  const { ledger, newest, size, expectedPages: expected, askedPerPage } = pass;
  return {
    newest,
    size,
    isFirstFull: isFullPage(size, askedPerPage, first.info.per_page),
    expected,
    totals: ledger.totals(),
    pages: ledger.distinctPages(),
    statedPages: first.info.total_pages,
    met: await request.countMet(),
    records: ledger.counts().records,
  };
}

/**
 * Throws PAGE_REFUSED if the refused page may hold users. If the server is broken, or refuses a page size that it has
 * not served, it throws the server's own error.
 */
export async function proveRefusedEnd<T>(
  pass: OpenPass<T>,
  { number, error }: NonNullable<OpenPass<T>['refused']>,
): Promise<void> {
  const facts = await factsOf(pass);
  if (isEndOfList({ ...facts, number })) return;
  const isNewSize = pass.perPage !== pass.askedPerPage && pass.ledger.distinctPages() === 1;
  if (error.exit === EXIT.tryLater || (isNewSize && isPageSizeRefused(error))) throw error;
  throw pageRefused(number, error, { met: facts.met, total: facts.totals.at(-1) ?? null });
}
