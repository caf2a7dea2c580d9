// The place in a list where the next page begins: the sort key of the last row that was sent, as an opaque text. So
// every page costs the same, and rows that are added in between shift nothing.
import type * as z from 'zod';
import { OperatorError } from '../errors.ts';

export function writeCursor(key: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Null without a cursor. Throws CURSOR_INVALID if it is not a cursor of the list that `Key` describes. */
export function readCursor<Key>(text: string | null | undefined, Key: z.ZodType<Key>): Key | null {
  if (!text) return null;
  try {
    return Key.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch (cause) {
    throw new OperatorError({
      code: 'CURSOR_INVALID',
      happened: 'The parameter cursor is not one of this list',
      means: 'It is not known where the rows continue',
      todo: 'Leave cursor out to begin at the first row',
      cause,
    });
  }
}

/**
 * Takes the `limit + 1` rows that were asked for. Returns the rows to send, and the cursor of the rest; null at the
 * end.
 */
export function cut<Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => readonly (string | number | null)[],
): { rows: Row[]; next: string | null } {
  const sent = rows.slice(0, limit);
  const last = sent.at(-1);
  return { rows: sent, next: rows.length > limit && last !== undefined ? writeCursor(keyOf(last)) : null };
}
