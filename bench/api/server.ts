// `node bench/api/server.ts`: the API of the benchmarks, in its own process. Prints its address. POST /control makes
// and changes accounts. GET /control says how many requests have arrived.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAccount, type Account } from './account.ts';
import { createDriftingAccount, type DriftingAccount } from './drifting-account.ts';
import { createManyAccounts, type ManyAccounts, type ManyOptions } from './many-accounts.ts';
import { createPages, type Pages } from './pages.ts';
import { createRateLimit, type Limit } from './rate-limit.ts';

/** The body of POST /control. Each part that is present is done, in this order. */
export type Control = {
  latencyMs?: number;
  limit?: Limit | null;
  account?: string;
  create?: { users: number; seed: number; oneAnswer?: boolean };
  drift?: { users: number; seed: number; movesPerPage: number };
  /** All account ids that nothing else has created. */
  many?: ManyOptions;
  changeShare?: number;
  removeShare?: number;
  keepFirst?: number;
  moveOn?: number;
  startMoving?: boolean;
  /** Writes the list out in pages of this size. Needed after every change. */
  prepare?: number;
};

/** The answer of GET /control: counts since the last POST. `firstRequestAt` is in ms since 1970. */
export type Asked = { requests: number; firstRequestAt: number | null };

type Still = { account: Account; pages: Pages };

const still = new Map<string, Still>();
const drifting = new Map<string, DriftingAccount>();
let many: ManyAccounts | null = null;
let latencyMs = 0;
let limit = createRateLimit(null);
let asked: Asked = { requests: 0, firstRequestAt: null };

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    send(response, 500, failure(1000, 'the server failed'));
  });
});
// The process that started this one has ended.
process.stdin.resume().on('end', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/control') {
    if (request.method === 'POST') control((await readJson(request)) as Control);
    return send(response, 200, Buffer.from(JSON.stringify(asked)));
  }
  const truth = /^\/control\/truth\/([^/]+)$/.exec(url.pathname);
  if (truth !== null) return send(response, 200, Buffer.from(JSON.stringify(driftingOf(truth[1]!).truth())));
  asked.requests++;
  asked.firstRequestAt ??= performance.timeOrigin + performance.now();
  const { isRefused, headers } = limit.take(performance.now());
  if (latencyMs > 0) await sleep(latencyMs);
  if (isRefused) return send(response, 429, failure(971, 'Please wait and consider throttling'), headers);
  const [, accountId = '', rest = ''] =
    /\/accounts\/([^/]+)\/zt_risk_scoring\/([^/]+)$/.exec(url.pathname) ?? [];
  const body = rest === 'summary' ? summary(accountId, url.searchParams) : record(accountId, rest);
  if (body === null) send(response, 404, failure(7003, 'Could not route'), headers);
  else send(response, 200, body, headers);
}

function summary(accountId: string, query: URLSearchParams): Buffer | null {
  const account = still.get(accountId)?.pages ?? drifting.get(accountId) ?? many?.get(accountId);
  const number = (name: string, otherwise: number) => Math.max(1, Number(query.get(name) ?? otherwise));
  return account?.page(number('page', 1), number('per_page', 20)) ?? null;
}

function record(accountId: string, userId: string): Buffer | null {
  const account = still.get(accountId)?.account ?? drifting.get(accountId) ?? many?.get(accountId);
  const result = account?.lookUp(userId) ?? null;
  return result && Buffer.from(JSON.stringify({ errors: [], messages: [], success: true, result }));
}

function control(order: Control): void {
  const { account: accountId = '' } = order;
  if (order.latencyMs !== undefined) latencyMs = order.latencyMs;
  if (order.limit !== undefined) limit = createRateLimit(order.limit);
  if (order.create !== undefined) {
    const account = createAccount(order.create);
    drifting.delete(accountId);
    still.set(accountId, { account, pages: createPages(account, order.create.oneAnswer === true) });
  }
  if (order.drift !== undefined) {
    still.delete(accountId);
    drifting.set(accountId, createDriftingAccount(order.drift));
  }
  if (order.many !== undefined) many = createManyAccounts(order.many);
  if (order.changeShare !== undefined) stillOf(accountId).account.change(order.changeShare);
  if (order.removeShare !== undefined) stillOf(accountId).account.remove(order.removeShare);
  if (order.keepFirst !== undefined) stillOf(accountId).account.keepFirst(order.keepFirst);
  if (order.moveOn !== undefined) driftingOf(accountId).moveOn(order.moveOn);
  if (order.startMoving === true) driftingOf(accountId).start();
  if (order.prepare !== undefined) stillOf(accountId).pages.prepare(order.prepare);
  asked = { requests: 0, firstRequestAt: null };
}

function stillOf(accountId: string): Still {
  const found = still.get(accountId);
  if (found === undefined) throw new Error(`no account ${accountId}`);
  return found;
}

function driftingOf(accountId: string): DriftingAccount {
  const found = drifting.get(accountId);
  if (found === undefined) throw new Error(`no drifting account ${accountId}`);
  return found;
}

function failure(code: number, message: string): Buffer {
  return Buffer.from(
    JSON.stringify({ errors: [{ code, message }], messages: [], success: false, result: null }),
  );
}

function send(
  response: ServerResponse,
  status: number,
  body: Buffer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...headers,
  });
  response.end(body);
}
