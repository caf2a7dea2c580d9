// One pass over all pages of the summary: what it needs, what it tells on the way, and what it found.
import type { Paging } from '../../evidence.ts';
import type { SummaryPage } from '../client.ts';

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
