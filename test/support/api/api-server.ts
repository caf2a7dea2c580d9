// A real local HTTP server that answers each request as the test says, and a client that sleeps without taking time.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import {
  createCloudflareClient,
  type CloudflareClient,
  type SummaryPage,
} from '../../../src/cloudflare/client.ts';
import type { ClientUsage, CountUse } from '../../../src/cloudflare/usage.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import type { OperatorError } from '../../../src/errors.ts';

export const TOKEN = 'v1.0-Sup3rS3cret-Tok3n_0123456789';
export const ACCOUNT = '0123456789abcdef0123456789abcdef';

export type Reply = (request: IncomingMessage, response: ServerResponse, index: number) => void;

export const RECORD = {
  user_id: '182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e',
  email: 'ada@example.com',
  name: 'Ada Lovelace',
  max_risk_level: 'low',
  event_count: 3,
  last_event: '2026-11-01T10:00:00.123456Z',
};
export const PAGE = {
  success: true,
  errors: [],
  messages: [],
  result: { users: [RECORD] },
  result_info: { page: 1, per_page: 50, count: 1, total_count: 1, total_pages: 1 },
};

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

export function failed(status: number, code: number, message = 'told so', headers = {}): Reply {
  return json(status, { success: false, errors: [{ code, message }], messages: [], result: null }, headers);
}

export function text(status: number, body: string, headers: Record<string, string> = {}): Reply {
  return (_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

export async function listen(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`);
}

export type Harness = {
  client: CloudflareClient;
  baseUrl: URL;
  requests: { url: string; headers: IncomingMessage['headers'] }[];
  slept: number[];
  logs: { message: string; fields: Record<string, unknown> }[];
  usage: ClientUsage;
  countUse: CountUse;
  ask: (signal?: AbortSignal) => Promise<SummaryPage<unknown[]>>;
  refusal: () => Promise<OperatorError>;
};

/** The last reply is repeated. Sleeping moves the injected clock and takes no time. */
export async function harness(
  t: TestContext,
  replies: readonly Reply[],
  extra: Partial<Parameters<typeof createCloudflareClient>[0]> = {},
): Promise<Harness> {
  const requests: Harness['requests'] = [];
  const slept: number[] = [];
  const logs: Harness['logs'] = [];
  const usage: ClientUsage = { requests: 0, retries: 0, bytes: 0 };
  const countUse: CountUse = (of, by) => {
    usage[of] += by;
  };
  const baseUrl = await listen(t, (request, response) => {
    const index = requests.push({ url: request.url ?? '', headers: request.headers }) - 1;
    replies[Math.min(index, replies.length - 1)]!(request, response, index);
  });
  let time = Date.parse('2026-11-01T00:00:00Z');
  const log = (fields: Record<string, unknown>, message: string) => void logs.push({ message, fields });
  const client = createCloudflareClient({
    baseUrl,
    auth: { kind: 'token', token: TOKEN },
    logger: { debug: log, info: log, warn: log } as never,
    now: () => time,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      slept.push(ms);
      time += ms;
    },
    ...extra,
  });
  t.after(() => client.close());
  const ask = (signal = new AbortController().signal) =>
    client.summaryPage({
      accountId: ACCOUNT,
      page: 2,
      perPage: 50,
      signal,
      countUse,
      openReader: collectRecords,
    });
  const refusal = () => refusalOf(ask());
  return { client, baseUrl, requests, slept, logs, usage, countUse, ask, refusal };
}

export async function refusalOf(asking: Promise<unknown>): Promise<OperatorError> {
  const error = await asking.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error) || error.name !== 'OperatorError') {
    throw new Error('expected an OperatorError', { cause: error });
  }
  return error as OperatorError;
}
