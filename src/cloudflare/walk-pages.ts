// One pass over all pages of the summary. Paging is undocumented, so it trusts nothing: it adopts the page size that comes
// back, asks beyond the expected end, and tells a server that ignores `page` from an account that ends. It hands on what was
// read of every page, and looks into none of it: what it remembers is one fingerprint a page.
import pLimit, { type LimitFunction } from 'p-limit';
import { OperatorError } from '../errors.ts';
import type { Paging } from '../evidence.ts';
import type { SummaryPage } from './client.ts';
import { isPageSizeRefused, isPageTimeout } from './problems.ts';

export type Pass = {
  pages: number;
  repeatedPages: number;
  totalFirst: number | null;
  totalLast: number | null;
  totalsMoved: boolean;
  /** The whole account came in one response. */
  oneResponse: boolean;
  paging: Paging;
  unknownFields: string[];
};

export type PassProgress = {
  pages: number;
  expected: number | null;
  /** Without those of pages that repeat the users of an earlier one. */
  records: number;
  /** As the newest answer stated it. */
  total: number | null;
  pageSize: number;
  repeatedPages: number;
};

export type PassRequest<T> = {
  fetchPage(page: number, perPage: number): Promise<SummaryPage<T>>;
  /**
   * Takes what was read of one page that is not empty. Pages come in the order in which their bodies ended. `isRepeat`: the page
   * has the same users as an earlier one, perhaps with newer values; do not count its records again.
   */
  accept(page: number, content: T, isRepeat: boolean): void | Promise<void>;
  /** Called before the pass is read again from its beginning, with pages of that size: what was accepted is no part of it. */
  restart(perPage: number): void;
  /** Distinct users accepted so far in this pass. */
  countMet(): number | Promise<number>;
  perPage: 'auto' | number;
  /** In auto mode, larger pages have failed before and are not asked for. */
  largest: number;
  concurrency: number;
  onPage?(progress: PassProgress): void;
};

/** What SYNC_PER_PAGE=auto asks for, and what it falls back to. */
export const AUTO_SIZES = [1_000, 100, 50];
// Without a total there is no expected end to go by: 100,000 pages of 1,000 are more users than any account has.
const CAP_WITHOUT_TOTAL = 100_000;

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

async function readPages<T>(request: PassRequest<T>, askedPerPage: number): Promise<Pass> {
  const { first, perPage, reads } = await firstPage(request, askedPerPage);
  const size = first.count;
  const totals: (number | null)[] = [];
  const usersOfPages = new Set<string>();
  const unknownFields = new Set<string>();
  const seen = { pages: reads - 1, records: 0, repeatedPages: 0 };
  let pageIgnored = false;

  /** Notes one answer and hands it on. */
  async function take(number: number, page: SummaryPage<T>): Promise<'new' | 'empty' | 'repeat'> {
    seen.pages++;
    totals.push(page.info.total_count ?? null);
    for (const field of page.unknownFields) unknownFields.add(field);
    if (page.count === 0) return 'empty';
    const isRepeat = usersOfPages.has(page.users);
    usersOfPages.add(page.users);
    if (isRepeat) seen.repeatedPages++;
    else seen.records += page.count;
    await request.accept(number, page.content, isRepeat);
    request.onPage?.({ ...seen, expected, total: totals.at(-1) ?? null, pageSize: size });
    return isRepeat ? 'repeat' : 'new';
  }

  /** An empty page, or an echo of another one, may be a slip of the server's: it is believed the second time. */
  async function read(number: number): Promise<{ what: 'new' | 'empty' | 'repeat'; records: number }> {
    let before: string | null = null;
    for (let turn = 1; ; turn++) {
      const page = await request.fetchPage(number, perPage);
      const what = await take(number, page);
      const isCertain = what === 'new' || what === before || turn === 3;
      // Everything at once may be large: not read a third time when the total says that it is all.
      const isWhole = what === 'repeat' && usersOfPages.size === 1 && (await isCovered());
      if (isCertain || isWhole) return { what, records: page.count };
      before = what;
    }
  }

  let expected = expectedPages(first, size);
  await take(1, first);
  const limit = pLimit(request.concurrency);
  const cap = () => (expected === null ? CAP_WITHOUT_TOTAL : expected * 2 + 100);
  let next = 2;
  let end = size === 0;
  let emptyFrom = Number.POSITIVE_INFINITY;

  // The pages that the totals promise. Page 2 goes first: if it is page 1 again, the rest need not be asked for.
  while (!end && expected !== null && next <= expected) {
    const upTo: number = next === 2 ? 2 : expected;
    const numbers = Array.from({ length: upTo - next + 1 }, (_, index) => next + index);
    next = upTo + 1;
    // Within the limit until it is accepted: pages that come faster than they are taken do not pile up.
    await allOrFirstError(limit, numbers, async (number) => {
      // A total may promise far too much.
      if (number > emptyFrom) return;
      const { what } = await read(number);
      if (what === 'empty') emptyFrom = Math.min(emptyFrom, number);
      if (number === 2 && what === 'repeat') pageIgnored = true;
    });
    if (emptyFrom <= expected) end = true;
    if (pageIgnored) end = await provenEnd(size);
  }

  // Beyond them, one at a time, until the end is proven.
  let metAtLastCheck = -1;
  while (!end) {
    if (next > cap()) throw endless(cap());
    const before = expected === null ? null : await request.countMet();
    const { what, records } = await read(next);
    if (what === 'repeat' && next === 2) pageIgnored = true;
    if (what === 'empty') {
      end = true;
    } else if (what === 'repeat') {
      end = await provenEnd(records);
    } else if (before !== null) {
      // Beyond the end that the totals promise: users that were all met already have only moved.
      end = (await request.countMet()) === before;
    } else if (isPowerOfTwo(next)) {
      // Without totals: a server that shuffles the same users for ever brings no new one. Looked at ever more rarely, because
      // a few pages without a new user are no proof.
      const met = await request.countMet();
      if (met === metAtLastCheck) throw unusable(size, null, met);
      metAtLastCheck = met;
    }
    next++;
  }

  /** Whether there is a total, and as much was read. A record whose user cannot be read is met by nobody's count. */
  async function isCovered(): Promise<boolean> {
    const total = totals.findLast((t) => t !== null) ?? null;
    if (total === null) return false;
    return seen.records >= total || (await request.countMet()) >= total;
  }

  /** Whether the totals say that there is no more; without any, whether a page of so many records cannot have been cut off. */
  async function isAll(records: number): Promise<boolean> {
    if (totals.some((total) => total !== null)) return isCovered();
    if (first.info.total_pages !== undefined) return usersOfPages.size >= first.info.total_pages;
    return !isFullPage(records, askedPerPage, first.info.per_page);
  }

  /** A full page that repeats an earlier one is no end, unless that is all there is. */
  async function provenEnd(records: number): Promise<boolean> {
    if (records < size || (await isAll(records))) return true;
    throw unusable(size, totals.findLast((total) => total !== null) ?? null, await request.countMet());
  }

  const known = totals.filter((total) => total !== null);
  const asked = request.perPage === 'auto' ? AUTO_SIZES[0]! : request.perPage;
  const hasSeveral = usersOfPages.size > 1;
  return {
    pages: seen.pages,
    repeatedPages: seen.repeatedPages,
    totalFirst: known[0] ?? null,
    totalLast: known.at(-1) ?? null,
    totalsMoved: new Set(known).size > 1,
    // Every page after the first was empty or page 1 again, which a short failure of the server's looks like, too: something
    // must say that page 1 is all.
    oneResponse: !hasSeveral && known.every((total) => total === seen.records) && (await isAll(size)),
    paging: {
      page: pageIgnored ? 'ignored' : hasSeveral ? 'honoured' : 'not_needed',
      per_page: size > asked ? 'ignored' : hasSeveral && size < asked ? 'clamped' : 'honoured',
      asked_per_page: asked,
      page_size: size,
      totals: known.length > 0,
    },
    unknownFields: [...unknownFields].toSorted(),
  };
}

async function firstPage<T>(
  request: PassRequest<T>,
  perPage: number,
): Promise<{ first: SummaryPage<T>; perPage: number; reads: number }> {
  let first = await request.fetchPage(1, perPage);
  let reads = 1;
  if (first.count === 0) {
    first = await request.fetchPage(1, perPage);
    reads++;
  }
  // A clamped page: ask for what comes back, so that page numbers mean the same to both sides.
  const isClamped = first.count > 0 && mayHoldMore(first);
  return { first, perPage: isClamped ? Math.min(perPage, first.count) : perPage, reads };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'BODY_TOO_LARGE';
}

function mayHoldMore(first: Pick<SummaryPage<unknown>, 'info' | 'count'>): boolean {
  const { total_count: total, total_pages: pages } = first.info;
  return total === undefined ? pages === undefined || pages > 1 : total > first.count;
}

/** How many pages the totals promise; null when there are none to go by. Pure. */
export function expectedPages(first: Pick<SummaryPage<unknown>, 'info'>, size: number): number | null {
  const { total_count: total, total_pages: stated } = first.info;
  const pages = total !== undefined && size > 0 ? Math.ceil(total / size) : stated;
  // A promise beyond the cap is none.
  return pages === undefined || pages > CAP_WITHOUT_TOTAL ? null : Math.max(1, pages);
}

const CUSTOMARY_SIZES = new Set([10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000]);

/**
 * Whether a page may have been cut off at its size, when no total says: as many records as were asked for, as the server
 * says that it puts on a page, or as servers customarily do. 120 records for 50 asked are an account of 120; 100 may be a limit.
 */
export function isFullPage(records: number, asked: number, stated: number | undefined): boolean {
  return records === asked || records === stated || CUSTOMARY_SIZES.has(records);
}

function isPowerOfTwo(n: number): boolean {
  return (n & (n - 1)) === 0;
}

/** Runs all; after the first error no further one starts, and it is thrown once those under way have ended. */
async function allOrFirstError(
  limit: LimitFunction,
  numbers: number[],
  work: (number: number) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const run = async (number: number) => {
    // Asked when its turn has come: all of them wait in the queue by the time that the first one fails.
    if (errors.length === 0) await work(number).catch((error: unknown) => errors.push(error));
  };
  await Promise.all(numbers.map((number) => limit(run, number)));
  if (errors.length > 0) throw errors[0];
}

function unusable(size: number, total: number | null, met: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_UNUSABLE',
    happened: `Cloudflare answers with the same ${size} users for every page, and ${
      total === null ? 'states no total' : `says that there are ${total} (met: ${met})`
    }`,
    means: 'The account cannot be read whole, and half an account is worse than none: nothing was published',
    todo: 'Set SYNC_PER_PAGE to more than the number of users; if that does not help, report the paging behaviour to the project',
  });
}

function endless(cap: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_ENDLESS',
    happened: `After ${cap} pages Cloudflare still answers with new users, far more than it said there are`,
    means: 'There is no end to go by, so nothing was published',
    todo: 'Run `zt-risk-sync sync` again; if it repeats, report the paging behaviour to the project',
  });
}
