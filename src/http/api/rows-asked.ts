// How many rows an answer of a paged list holds.
import { MOST_ROWS } from './parameters.ts';

const USUAL_ROWS = 100;
/** A file is opened as a whole: it has all rows of most lists. The header Link leads on. */
const ROWS_OF_A_FILE = 50_000;

export function rowsAsked({
  limit,
  format,
}: {
  limit?: number | undefined;
  format?: string | undefined;
}): number {
  if (format === 'csv') return limit ?? ROWS_OF_A_FILE;
  return Math.min(limit ?? USUAL_ROWS, MOST_ROWS);
}
