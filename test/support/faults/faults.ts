// The faults that a script of the fault server can name: answers of Cloudflare, of its edge, or of the network in
// between.
import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Asked, Exchange, Fault } from './fault-server.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const HTML =
  '<!DOCTYPE html><html><head><title>Just a moment</title></head><body>Checking your browser</body></html>';

/** An answer in Cloudflare's envelope for failures. */
export function failure(
  status: number,
  code: number,
  options: { message?: string; headers?: Record<string, string> } = {},
): Fault {
  const errors = [{ code, message: options.message ?? 'as the script says' }];
  const body = JSON.stringify({ success: false, errors, messages: [], result: null });
  return answer(`status ${status}`, status, body, { ...JSON_TYPE, ...options.headers });
}

/** The edge's page when the machine behind it did not answer. With status 200 it is a challenge. */
export function htmlPage(status: number): Fault {
  return answer(`html ${status}`, status, HTML, { 'content-type': 'text/html; charset=UTF-8' });
}

function answer(name: string, status: number, body: string, headers: Record<string, string>): Fault {
  return { name, run: ({ send }) => send({ status, headers, body: Buffer.from(body) }) };
}

/** The server's clock is wrong by this many milliseconds. `headers` gets the time of that clock. */
export function clockOff(
  ms: number,
  fault: (
    clock: (aheadMs: number) => string,
  ) => { status: number; code: number; headers: Record<string, string> } | null,
): Fault {
  return {
    name: 'clock off',
    async run({ upstream, send }) {
      const reads = Date.now() + ms;
      const clock = (aheadMs: number) => new Date(reads + aheadMs).toUTCString();
      const said = fault(clock);
      const page = await upstream();
      const date = { date: clock(0) };
      if (said === null) return send({ ...page, headers: { ...page.headers, ...date } });
      const errors = [{ code: said.code, message: 'slow down' }];
      const body = Buffer.from(JSON.stringify({ success: false, errors, result: null }));
      send({ status: said.status, headers: { ...JSON_TYPE, ...date, ...said.headers }, body });
    },
  };
}

// Below HTTP.

/** The connection ends in the middle of the body. */
export function cutBody(share = 0.5): Fault {
  return raw('cut body', ({ response }, page) => {
    response.writeHead(page.status, { ...page.headers, 'content-length': String(page.body.byteLength) });
    response.write(page.body.subarray(0, Math.floor(page.body.byteLength * share)), () => response.destroy());
  });
}

/** JSON that ends too early, in a body with the right length. */
export function truncatedJson(share = 0.5): Fault {
  return spoil('truncated json', (page) => ({
    ...page,
    body: page.body.subarray(0, Math.floor(page.body.byteLength * share)),
  }));
}

/** Content-Length is larger or smaller than the body. */
export function wrongLength(by: number): Fault {
  return raw('wrong length', ({ response }, page) => {
    const length = page.body.byteLength + by;
    response.writeHead(page.status, { ...page.headers, 'content-length': String(length) });
    // Bypasses node's own check of the length.
    response.flushHeaders();
    response.socket?.write(page.body, () => response.socket?.destroy());
  });
}

/** The connection ends before any answer. */
export const hangUp: Fault = { name: 'hang up', run: ({ response }) => void response.socket?.destroy() };

/** The page arrives whole, and then the connection ends, although it was to be kept. */
export const closeAfter: Fault = raw('close after', ({ response, send }, page) => {
  const { socket } = response;
  response.on('finish', () => setImmediate(() => socket?.destroy()));
  send(page);
});

export const silence: Fault = { name: 'silence', run: () => undefined };

/** Half of the body, and then nothing. */
export const stall: Fault = raw('stall', ({ response }, page) => {
  response.writeHead(page.status, { ...page.headers, 'content-length': String(page.body.byteLength) });
  response.write(page.body.subarray(0, page.body.byteLength >> 1));
});

/** One byte at a time, without end. */
export function drip(everyMs: number): Fault {
  return {
    name: 'drip',
    run({ response }) {
      response.writeHead(200, JSON_TYPE);
      const timer = setInterval(() => response.write(' '), everyMs);
      response.on('close', () => clearInterval(timer));
    },
  };
}

/** A body of this many bytes. The bytes that were read are counted as "huge bytes". */
export function huge(bytes: number, lengthStated: boolean): Fault {
  return {
    name: 'huge',
    async run({ response, count }) {
      const piece = Buffer.alloc(64 * 1024, ' ');
      response.writeHead(200, { ...JSON_TYPE, ...(lengthStated ? { 'content-length': String(bytes) } : {}) });
      for (let sent = 0; sent < bytes && !response.destroyed; sent += piece.byteLength) {
        const went = response.write(piece);
        count('huge bytes', piece.byteLength);
        // Also lets this end notice when the connection ends.
        await (went
          ? sleep(0)
          : new Promise((resolve) => void response.once('drain', resolve).once('close', resolve)));
      }
      response.end();
    },
  };
}

/** Zeros that unpack to this many megabytes. */
export function gzipBomb(megabytes: number): Fault {
  // gzip members may follow one another.
  const body = Buffer.concat(Array<Buffer>(megabytes).fill(gzipSync(Buffer.alloc(2 ** 20))));
  const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
  return { name: 'gzip bomb', run: ({ send }) => send({ status: 200, headers, body }) };
}

// Pages that are answered as if something else had been requested.

export function echoOf(page: number): Fault {
  return { name: 'echo', run: async ({ upstream, send }) => send(await upstream({ page })) };
}

/** No page is larger than this, whatever was requested. */
export function clampedTo(perPage: number): Fault {
  return {
    name: 'clamped',
    run: async ({ asked, upstream, send }) =>
      send(await upstream({ perPage: Math.min(perPage, asked.perPage) })),
  };
}

// JSON with changed contents.

export type Fields = Record<string, unknown>;
export type Page = {
  success: boolean;
  result: { users: Fields[] };
  result_info?: Record<string, unknown>;
};

export function rewritten(name: string, change: (page: Page, asked: Asked) => unknown): Fault {
  return {
    name,
    async run({ asked, upstream, send }) {
      const page = await upstream();
      const json = change(JSON.parse(page.body.toString('utf8')) as Page, asked);
      send({ ...page, body: Buffer.from(JSON.stringify(json)) });
    },
  };
}

/** Changes fields of result_info; undefined removes a field; null: there is no result_info. */
export function info(change: Record<string, unknown> | null): Fault {
  return rewritten('info', ({ result_info, ...page }) =>
    change === null ? page : { ...page, result_info: { ...result_info, ...change } },
  );
}

/** Changes the total by `by(page)`. */
export function totals(by: (page: number) => number): Fault {
  return rewritten('totals', ({ result_info, ...page }, { page: number }) => ({
    ...page,
    result_info: { ...result_info, total_count: Number(result_info?.['total_count']) + by(number) },
  }));
}

/** Replaces each record by what `change` returns. */
export function records(change: (record: Fields) => unknown): Fault {
  return rewritten('records', (page) => ({ ...page, result: { users: page.result.users.map(change) } }));
}

function spoil(name: string, change: (page: Answer) => Answer): Fault {
  return { name, run: async ({ upstream, send }) => send(change(await upstream())) };
}

function raw(name: string, act: (exchange: Exchange, page: Answer) => void): Fault {
  return { name, run: async (exchange) => act(exchange, await exchange.upstream()) };
}
