// What a pass remembers about its pages: counts, the totals that the server stated, and one fingerprint per page. No
// records.
import type { SummaryPage } from '../client.ts';

export type Noted = 'new' | 'empty' | 'repeat';

export type Ledger = {
  /** repeat: the page has the same users as an earlier one. */
  note(page: Pick<SummaryPage<unknown>, 'info' | 'count' | 'users' | 'unknownFields'>): Noted;
  counts(): { pages: number; records: number; repeatedPages: number };
  /** Number of pages with different users. */
  distinctPages(): number;
  /** The totals that the server stated, in the order of the answers. */
  totals(): number[];
  /** The total in the newest answer. */
  newestTotal(): number | null;
  unknownFields(): string[];
};

/** `pagesBefore`: pages that were read already. Only their number counts. */
export function createLedger(pagesBefore: number): Ledger {
  const totals: (number | null)[] = [];
  const usersOfPages = new Set<string>();
  const unknownFields = new Set<string>();
  const counts = { pages: pagesBefore, records: 0, repeatedPages: 0 };
  return {
    note(page) {
      counts.pages++;
      totals.push(page.info.total_count ?? null);
      for (const field of page.unknownFields) unknownFields.add(field);
      if (page.count === 0) return 'empty';
      const isRepeat = usersOfPages.has(page.users);
      usersOfPages.add(page.users);
      if (isRepeat) counts.repeatedPages++;
      else counts.records += page.count;
      return isRepeat ? 'repeat' : 'new';
    },
    counts: () => ({ ...counts }),
    distinctPages: () => usersOfPages.size,
    totals: () => totals.filter((total) => total !== null),
    newestTotal: () => totals.at(-1) ?? null,
    unknownFields: () => [...unknownFields].toSorted(),
  };
}
