// COPY … FROM STDIN of bytes that are already in the format of COPY, such as those of copy-out.ts.
import type { Writable } from 'node:stream';
import { from } from 'pg-copy-streams';
import type { PoolClient } from './pool.ts';

// pg has one limit for a whole statement. A large table may take hours, so this is the longest time that a timer can
// have.
const NO_LIMIT_MS = 2_147_483_647;

/** `copy` is the whole statement. Destroying the stream ends the COPY with an error, and the transaction has failed. */
export function copyIn(client: PoolClient, copy: string): Writable {
  return client.query(Object.assign(from(copy), { query_timeout: NO_LIMIT_MS }));
}
