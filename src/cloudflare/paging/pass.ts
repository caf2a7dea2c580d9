// One pass over all pages of the summary: what it needs, what it reports on the way, and its result.
import type { Paging } from '../../evidence.ts';
import type { OpenReader } from '../endpoints/summary/record-reader.ts';
import type { CloudflareClient, SummaryPage } from '../client.ts';

export type Pass = {
  pages: number;
  repeatedPages: number;
  totalFirst: number | null;
  totalLast: number | null;
  totalsMoved: boolean;
  /** The whole account arrived in one response. */
  oneResponse: boolean;
  /** The page size that the pass began with, when it was read to its end. */
  askedPerPage: number;
  /** How the server handled paging; null if no server was asked. */
  paging: Paging | null;
  /** What the source of the pages knows to be missing. Each entry makes the walk partial. */
  doubts?: readonly string[];
  /** The cause, if the page that proves the end was refused. */
  refusedEnd: string | null;
  unknownFields: string[];
};

export type PassProgress = {
  pages: number;
  expected: number | null;
  /** Without the records of pages that repeat the users of an earlier page. */
  records: number;
  /** The total in the newest answer. */
  total: number | null;
  pageSize: number;
  repeatedPages: number;
};

export type PassRequest<T> = {
  fetchPage(page: number, perPage: number): Promise<SummaryPage<T>>;
  /**
   * Takes the content of one page that is not empty. Pages arrive in the order in which their bodies ended. `isRepeat`:
   * the page has the same users as an earlier page, perhaps with newer values. Do not count its records again.
   */
  accept(page: number, content: T, isRepeat: boolean): void | Promise<void>;
  /**
   * Called before the pass starts again from its first page, with pages of that size. What was accepted until then does
   * not belong to the pass.
   */
  restart(perPage: number): void;
  /** Distinct users accepted so far in this pass. */
  countMet(): number | Promise<number>;
  perPage: 'auto' | number;
  /** The page size to begin with in auto mode, because larger pages have failed before. */
  firstSize: number;
  concurrency: number;
  onPage?(progress: PassProgress): void;
};

/** Reads all pages once, from any source. */
export type ReadPages<T> = (request: PagesRequest<T>) => Promise<Pass>;

export type PagesRequest<T> = Omit<PassRequest<T>, 'fetchPage'> &
  Pick<Parameters<CloudflareClient['summaryPage']>[0], 'accountId' | 'signal' | 'countUse'> & {
    openReader: OpenReader<T>;
  };

/** As a page size: per_page is left out, and the server decides. */
export const NO_SIZE = 0;

/**
 * The page sizes of SYNC_PER_PAGE=auto: the first one, and the smaller ones that follow it. Some endpoints of this API
 * take at most 25, and 10 is the smallest usual limit.
 */
export const AUTO_SIZES = [1_000, 100, 50, 25, 20, 10, NO_SIZE];
