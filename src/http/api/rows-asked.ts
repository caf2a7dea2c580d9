// How many rows an answer of a paged list holds. A file is opened as a whole, so it has more; the header Link leads to
// the rest.
import { ROWS_OF_A_FILE } from '../../answers/people/rows-of-a-file.ts';
import { MOST_PAGE_ROWS } from './parameters.ts';

const USUAL_ROWS = 100;

export function rowsAsked({
  limit,
  format,
}: {
  limit?: number | undefined;
  format?: string | undefined;
}): number {
  if (format === 'csv') return limit ?? ROWS_OF_A_FILE;
  return Math.min(limit ?? USUAL_ROWS, MOST_PAGE_ROWS);
}
