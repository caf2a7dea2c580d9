// For each part of a user, the columns that store it. user-risk.ts names the fields once.
import { sql, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { fieldsOf, type FieldOf, type History } from '../../user-risk.ts';

/** In the order of the fields. If the table lacks one, the build breaks. */
export function fieldColumns<H extends History>(
  table: Record<FieldOf<H>, AnyPgColumn>,
  history: H,
): AnyPgColumn[] {
  return fieldsOf(history).map((field) => table[field]);
}

/** Whether `holds` is true of one of the columns, or of several. */
export function anyOf(columns: readonly AnyPgColumn[], holds: (column: AnyPgColumn) => SQL): SQL {
  return sql`(${sql.join(columns.map(holds), sql` or `)})`;
}
