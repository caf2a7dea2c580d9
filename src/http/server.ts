// Starts and stops the HTTP server. No client can block it: each part of a request and of an answer has a time limit.
// To stop, it refuses new requests, lets running ones finish, and cuts them off after a grace period.
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { OperatorError } from '../errors.ts';
import { keepRoom, MAX_CONNECTIONS } from './connections.ts';

export type HttpServer = {
  port: number;
  /** Resolves when every connection is closed. */
  close(graceMs: number): Promise<void>;
};

export type HttpTiming = Pick<
  Required<ServerOptions>,
  'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout'
> & {
  connectionsCheckingInterval: number;
  /** Silence in both directions while an answer is made or read. Longer than any answer takes to be made. */
  silenceTimeout: number;
};

// Requests are small. A scraper keeps its connection from one scrape to the next, usually a minute. The app keeps no
// connection of a stranger after the answer.
const TIMING: HttpTiming = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 1_000,
  silenceTimeout: 30_000,
};
// Linux gives no more than net.core.somaxconn, usually 4,096. When this queue is full, a probe waits a second.
const BACKLOG = 4_096;

/** Throws HTTP_PORT_TAKEN or HTTP_ADDRESS_UNUSABLE (exit 78). Port 0 takes a free one. */
export async function startHttp(options: {
  app: Pick<Hono, 'fetch'>;
  host: string;
  port: number;
  timing?: Partial<HttpTiming>;
  maxConnections?: number;
  /** A connection was closed to make room for another one. */
  onCrowded?: () => void;
}): Promise<HttpServer> {
  const { app, host, port } = options;
  const { silenceTimeout, ...timing } = { ...TIMING, ...options.timing };
  const answer = oneAtATime(listenerOf(app, host));
  const server = createServer({ ...timing, maxHeaderSize: 8_192 }, (request, response) => {
    room.moved(request.socket);
    answer(request, response);
  });
  server.setTimeout(silenceTimeout);
  const room = keepRoom(
    server,
    options.maxConnections ?? MAX_CONNECTIONS,
    options.onCrowded ?? (() => undefined),
  );
  await listening(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: (graceMs) => closeWithin(server, graceMs),
  };
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function listenerOf(app: Pick<Hono, 'fetch'>, host: string): Listener {
  const listener = getRequestListener(app.fetch, {
    hostname: host,
    // Replaces the global Request and Response by the adapter's. Otherwise bodyLimit cannot rebuild a request.
    overrideGlobalObjects: true,
    // Only for a request that cannot be read, such as one with an impossible Host. The app answers its own errors.
    errorHandler: () =>
      Response.json(
        { error: { code: 'REQUEST_INVALID', message: 'The request cannot be read' } },
        { status: 400, headers: { Connection: 'close' } },
      ),
  });
  return (request, response) => void listener(request, response);
}

/** Refuses pipelined requests. With one for each connection, the work that waits before a probe has a limit. */
function oneAtATime(listener: Listener): Listener {
  const answering = new Set<Socket>();
  return (request, response) => {
    const { socket } = request;
    if (answering.has(socket)) return void response.writeHead(503, { Connection: 'close' }).end();
    answering.add(socket);
    response.once('close', () => answering.delete(socket));
    listener(request, response);
  };
}

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((error: NodeJS.ErrnoException) => {
    throw unusable(error, host, port);
  });
}

async function closeWithin(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((done) => server.close(() => done()));
  // Otherwise a connection that has answered stays open for the next request.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** As people type it. */
export function addressOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function unusable(error: NodeJS.ErrnoException, host: string, port: number): OperatorError {
  const isTaken = error.code === 'EADDRINUSE';
  return new OperatorError({
    code: isTaken ? 'HTTP_PORT_TAKEN' : 'HTTP_ADDRESS_UNUSABLE',
    happened: isTaken
      ? `Port ${port} on ${host} is in use by another program`
      : `Cannot listen on port ${port} of ${host} (${error.code ?? 'unknown'})`,
    means: 'The server was not started, and nothing was synced',
    todo: isTaken
      ? 'Set HTTP_PORT to a free port, or end the program that uses this one'
      : 'Set HTTP_HOST to an address of this machine and HTTP_PORT to a port that this user may open',
    cause: error,
  });
}
