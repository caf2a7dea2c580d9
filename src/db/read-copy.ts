// COPY … TO STDOUT in binary format: rows as bytes, without a string or an object for each value.
import { once } from 'node:events';
import { to } from 'pg-copy-streams';
import type { Pool } from './pool.ts';

/**
 * The fields of one row. Offsets are into `bytes`. The four bytes before `start[n]` hold the length of field n, or -1
 * for null.
 */
export type CopiedRow = { bytes: Buffer; start: Int32Array; length: Int32Array; end: number };

const SIGNATURE_BYTES = 19;
// TCP notices a broken path only after minutes or hours.
const TIMEOUT_MS = 60_000;

/**
 * Runs `copy (query) to stdout` in its own statement. When all rows have arrived, passes each one to `visit`, in the
 * same object every time. Use it for results of about a megabyte, which fit into the buffers of a connection. Then the
 * server never waits for a client that has stopped, and holds no snapshot or lock for it. Returns the number of bytes
 * received.
 */
export async function readCopy(
  pool: Pool,
  query: string,
  fields: number,
  visit: (row: CopiedRow) => void,
): Promise<number> {
  const client = await pool.connect();
  let broken: Error | undefined;
  let bytes: Buffer;
  try {
    const copy = to(`copy (${query}) to stdout (format binary)`);
    // pg replaces `callback` with one that stops its timer. copy-to never calls it, so this function does.
    const timed = Object.assign(copy, { query_timeout: TIMEOUT_MS, callback: () => undefined });
    const stream = client.query(timed);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    try {
      await once(stream, 'end');
    } finally {
      timed.callback();
    }
    bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
  const row: CopiedRow = { bytes, start: new Int32Array(fields), length: new Int32Array(fields), end: 0 };
  for (let at = SIGNATURE_BYTES; bytes.readInt16BE(at) >= 0; at = row.end) {
    row.end = at + 2;
    for (let n = 0; n < fields; n++) {
      const length = bytes.readInt32BE(row.end);
      row.start[n] = row.end + 4;
      row.length[n] = length;
      row.end += 4 + Math.max(0, length);
    }
    visit(row);
  }
  return bytes.length;
}
