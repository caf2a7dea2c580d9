// Bodies too large to hold in memory: how they are sent, and how a client reads them.
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import type { OpenReader } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { ACCOUNT, PAGE, RECORD, type Harness, type Reply } from './api-server.ts';

export const MIB = 1024 * 1024;
export const jsonHead = { 'content-type': 'application/json' };
export const users = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    ...RECORD,
    user_id: `user-${n}`,
    event_count: n,
    'new-field': n,
  }));
export const pageOf = (count: number) => ({
  ...PAGE,
  result: { users: users(count) },
  result_info: { total_count: count },
});

/** Treats every body as too large to hold in memory. */
export const STREAM = { bodyLimits: { heldBytes: 0 } };

export function ask<T>(h: Harness, openReader: OpenReader<T>, signal = new AbortController().signal) {
  return h.client.summaryPage({
    accountId: ACCOUNT,
    page: 1,
    perPage: 50,
    signal,
    countUse: h.countUse,
    openReader,
  });
}

/** Sends piece after piece, as fast as the client takes them, or with a pause after each. */
export function sending(pieces: Iterable<string | Buffer>, head = jsonHead, pauseMs = 0): Reply {
  return (_request, response) => {
    response.writeHead(200, head);
    void (async () => {
      for (const piece of pieces) {
        if (response.destroyed) return;
        if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
        if (pauseMs > 0) await after(pauseMs);
      }
      response.end();
    })();
  };
}

export function* repeated(piece: string, bytes: number): Generator<string> {
  const block = piece.repeat(Math.ceil(65_536 / piece.length));
  for (let sent = 0; sent < bytes; sent += block.length) yield block;
}
