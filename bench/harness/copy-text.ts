// A plain COPY: the cost of the fastest possible load of the same rows on this machine.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from } from 'pg-copy-streams';
import type { PoolClient } from '../../src/db/pool.ts';

export async function copyText(
  client: PoolClient,
  table: string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  const text = rows
    .map((row) => row.map((value) => (value === null ? '\\N' : String(value))).join('\t'))
    .join('\n');
  await pipeline(Readable.from([text, '\n']), client.query(from(`copy ${table} from stdin`)));
}
