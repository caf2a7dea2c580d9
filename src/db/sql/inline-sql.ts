// SQL without parameters, for statements that cannot have any: COPY, and several statements that are sent together.
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
 * The text of a statement with all parameters written out. Drizzle can do this, but gets `-1` wrong. Needs
 * `standard_conforming_strings`, which every transaction pins. Never for emails or names: the server may log the text.
 */
export function writtenOut(statement: SQLWrapper): string {
  const { sql: text, params } = dialect.sqlToQuery(statement.getSQL());
  return text.replaceAll(/\$(\d+)/g, (_, n: string) => literal(params[Number(n) - 1]));
}

function literal(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  // In brackets, because a cast binds more tightly than a minus, and two minus signs begin a comment.
  if (typeof value === 'number' && Number.isFinite(value)) return value < 0 ? `(${value})` : String(value);
  if (typeof value !== 'string') throw new Error('not a text, a number, true, false or null');
  // A message of several statements ends at its first NUL.
  if (value.includes('\0')) throw new Error('SQL must not contain NUL');
  return `'${value.replaceAll("'", "''")}'`;
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
