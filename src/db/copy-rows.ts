// COPY … FROM STDIN in text format: five to ten times faster than Drizzle's values() for bulk rows.
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { getTableName, type Table } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import { from } from 'pg-copy-streams';
import type { PoolClient } from './pool.ts';

export type CopyValue = string | number | null;

const CHUNK_CHARACTERS = 256 * 1024;
// The server's own limits do not end a COPY that waits for its client, and TCP notices a dead path after minutes or hours.
const TIMEOUT_MS = 60_000;

/**
 * Appends `rows` (values in the order of `columns`) to `table`. All or nothing; throws what the server says, or pg's "Query
 * read timeout" when it has said nothing for too long: then only closing the connection helps.
 */
export async function copyRows<T extends PgTable>(
  client: PoolClient,
  table: T,
  columns: readonly (keyof T['_']['columns'] & string)[],
  rows: Iterable<readonly CopyValue[]>,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const { schema } = getTableConfig(table);
  const name = `"${schema}"."${getTableName(table as Table)}"`;
  const copy = from(`copy ${name} (${columns.map((c) => `"${c}"`).join(', ')}) from stdin`);
  const stream = client.query(Object.assign(copy, { query_timeout: timeoutMs }));
  await pipeline(Readable.from(chunks(rows)), stream);
}

function* chunks(rows: Iterable<readonly CopyValue[]>): Generator<string> {
  let chunk = '';
  for (const row of rows) {
    chunk += `${row.map(field).join('\t')}\n`;
    if (chunk.length >= CHUNK_CHARACTERS) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function field(value: CopyValue): string {
  if (value === null) return '\\N';
  if (typeof value === 'number') return String(value);
  return value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}
