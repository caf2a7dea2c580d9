// The columns that keep a part of a user, in the tables that have them: named once, in user-risk.ts.
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { fieldsOf, type FieldOf, type History } from '../user-risk.ts';

/** In the order of the fields. The build breaks where the table lacks one. */
export function fieldColumns<H extends History>(
  table: Record<FieldOf<H>, AnyPgColumn>,
  history: H,
): AnyPgColumn[] {
  return fieldsOf(history).map((field) => table[field]);
}
