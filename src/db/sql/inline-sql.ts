// SQL without parameters, for what cannot have any: COPY, and several statements that are sent together.
import { sql, type SQL, type SQLWrapper } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';

const dialect = new PgDialect();

/** The text of a statement that consists of columns, tables and the literals below. Throws if a parameter is left. */
export function inline(statement: SQL): string {
  const { sql: text, params } = dialect.sqlToQuery(statement);
  if (params.length > 0) throw new Error('inline SQL must not contain parameters');
  return text;
}

/**
 * The text of a statement in which every parameter is written out. Needs `standard_conforming_strings`, which every
 * transaction pins. Never for emails or names: the server may log the text.
 */
export function writtenOut(statement: SQLWrapper): string {
  // A message of several statements ends at its first NUL.
  const { sql: text } = dialect.sqlToQuery(statement.getSQL().inlineParams());
  if (text.includes('\0')) throw new Error('SQL must not contain NUL');
  return text;
}

/** A whole number as a literal. */
export function whole(value: number): SQL {
  if (!Number.isSafeInteger(value)) throw new Error('not a whole number');
  return sql.raw(String(value));
}

/** A time as a literal. `text` must be a time in the format of PostgreSQL or RFC 3339. */
export function instant(text: string): SQL {
  if (!/^[\dTZ :.+-]{10,40}$/.test(text)) throw new Error('not a time');
  return sql.raw(`'${text}'::timestamptz`);
}
