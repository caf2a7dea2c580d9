// COPY … TO STDOUT as a stream of bytes, for results of any size: the server waits while the reader is busy, and memory
// stays flat. The server holds a snapshot of the database until the end. So use it only for a reader who asked for the
// rows.
import type { Readable } from 'node:stream';
import { to } from 'pg-copy-streams';
import type { PoolClient } from './pool.ts';

// pg has one limit for a whole statement. An export may take hours, so this is the longest time that a timer can have.
const NO_LIMIT_MS = 2_147_483_647;
/** If the server sends nothing for this long, the path is broken. TCP notices that only after hours. */
const SILENT_MS = 600_000;

export type CopyOut = {
  stream: Readable;
  /** Call it at the end, even after an error. */
  close(): void;
  /** The number of rows of the result. Known after the next statement of this client has been answered. */
  rowCount(): number;
};

/**
 * `copy` is the whole statement. If the stream is destroyed before its end, the connection is closed: nothing else ends
 * a COPY while its client does not read. The statement is sent at once, and the stream fails with the server's error.
 */
export function copyOut(client: PoolClient, copy: string): CopyOut {
  const query = to(copy);
  // pg replaces `callback` with one that stops its timer. copy-to never calls it, so close() does.
  const timed = Object.assign(query, { query_timeout: NO_LIMIT_MS, callback: () => undefined });
  const stream = client.query(timed);
  let hasEnded = false;
  const silence = setTimeout(() => stream.destroy(new Error('Query read timeout')), SILENT_MS);
  stream.on('data', () => silence.refresh());
  stream.on('end', () => (hasEnded = true));
  stream.on('close', () => {
    if (!hasEnded) client.end().catch(() => undefined);
  });
  // A connection that is closed half-way reports it again after the last listener has gone.
  stream.on('error', () => undefined);
  stream.pause();
  return {
    stream,
    close() {
      clearTimeout(silence);
      timed.callback();
    },
    rowCount: () => query.rowCount,
  };
}
