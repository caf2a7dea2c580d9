// SQL without parameters, for statements that cannot have any: COPY, and several statements that travel together. Only numbers
// and times are written into it.
import { sql, type SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';

const dialect = new PgDialect();

/** The text of a statement made of columns, tables and the literals below. Throws where a parameter is left. */
export function inline(statement: SQL): string {
  const { sql: text, params } = dialect.sqlToQuery(statement);
  if (params.length > 0) throw new Error('a statement without parameters has some');
  return text;
}

/** A whole number as a literal. */
export function whole(value: number): SQL {
  if (!Number.isSafeInteger(value)) throw new Error('not a whole number');
  return sql.raw(String(value));
}

/** A time as a literal, as PostgreSQL or RFC 3339 writes it. */
export function instant(text: string): SQL {
  if (!/^[\dTZ :.+-]{10,40}$/.test(text)) throw new Error('not a time');
  return sql.raw(`'${text}'::timestamptz`);
}
