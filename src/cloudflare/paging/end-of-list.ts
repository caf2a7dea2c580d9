// Decides what the refusal of a page after the first means: the end of the list, or a missing page. Pure.

export type RefusedPage = {
  number: number;
  /** The highest page that was served with users, and its number of records. */
  newest: { number: number; records: number };
  /** Records on the first page. `isFirstFull`: without a total, that number may mean that the page was cut off. */
  size: number;
  isFirstFull: boolean;
  /** The number of pages that the first answer promised. Null if it stated nothing usable. */
  expected: number | null;
  /** The totals that the server stated in this pass, in the order of the answers. */
  totals: readonly number[];
  /** Pages with different users, and the number of pages that the first answer stated. */
  pages: number;
  statedPages: number | undefined;
  /** Distinct users and records, without those of repeated pages. */
  met: number;
  records: number;
};

/** The stated total is met, and no total of this pass has proved too small. */
export function isTotalMet(facts: Omit<RefusedPage, 'number'>): boolean {
  const { totals, met, records, pages, statedPages } = facts;
  const newest = totals.at(-1);
  if (newest !== undefined) return Math.max(met, records) >= newest && met <= Math.max(...totals);
  return statedPages !== undefined && pages === statedPages;
}

/**
 * A refused page is the end of the list if the stated total is met. Otherwise it is the end only if the page before it
 * was not full, and no total promises more pages. A page that was served after it proves that it is not the end.
 */
export function isEndOfList(facts: RefusedPage): boolean {
  const { number, newest, size, isFirstFull, expected } = facts;
  if (newest.number > number) return false;
  if (isTotalMet(facts)) return true;
  if (expected !== null && number <= expected) return false;
  return newest.number === number - 1 && (number === 2 ? !isFirstFull : newest.records < size);
}
