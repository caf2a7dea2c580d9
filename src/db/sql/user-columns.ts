// For each part of a user, the columns that store it. user-risk.ts names the fields once.
import { sql, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { fieldsOf, IDENTITY_FIELDS, type FieldOf, type HistoryName } from '../../user-risk.ts';

/** In the order of the fields. If the table lacks one, the build breaks. */
export function fieldColumns<H extends HistoryName>(
  table: Record<FieldOf<H>, AnyPgColumn>,
  history: H,
): AnyPgColumn[] {
  return fieldsOf(history).map((field) => table[field]);
}

/** The same columns by name, for the SELECT of drizzle. */
export function fieldsFrom<H extends HistoryName, T extends Record<FieldOf<H>, AnyPgColumn>>(
  table: T,
  history: H,
): Pick<T, FieldOf<H>> {
  return Object.fromEntries(fieldsOf(history).map((field) => [field, table[field]])) as Pick<T, FieldOf<H>>;
}

/** The fields of the identity for a SELECT list: of this alias, or null: nulls under the same names. */
export function identityList(alias: string | null): SQL {
  return sql.raw(
    IDENTITY_FIELDS.map((field) => (alias === null ? `null as ${field}` : `${alias}.${field}`)).join(', '),
  );
}

/** Whether `holds` is true of one of the columns, or of several. */
export function anyOf(columns: readonly AnyPgColumn[], holds: (column: AnyPgColumn) => SQL): SQL {
  return sql`(${sql.join(columns.map(holds), sql` or `)})`;
}
