// Lists of columns: bare names, as INSERT and SET need them, or names with their tables. They are built from the
// schema, so renaming a column breaks the build.
import { sql, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';

export function columnNames(...columns: AnyPgColumn[]): SQL {
  return sql.join(
    columns.map((column) => sql.identifier(column.name)),
    sql`, `,
  );
}

/** Columns with their tables, for a SELECT list. */
export function columnList(...columns: AnyPgColumn[]): SQL {
  return sql.join(
    columns.map((column) => sql`${column}`),
    sql`, `,
  );
}
