// A reverse proxy in front of an API, on real HTTP. A script of rules decides which request gets which fault. Requests
// without a rule pass unchanged, lookups of single users included. The same script and seed spoil the same requests, in
// whatever order they arrive.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  Agent,
  createServer,
  request as ask,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export type Asked = {
  kind: 'summary' | 'user' | 'other';
  page: number;
  perPage: number;
  headers: IncomingHttpHeaders;
};
export type Answer = { status: number; headers: Record<string, string>; body: Buffer };

export type Exchange = {
  asked: Asked;
  response: ServerResponse;
  /** The API's answer, or its answer to another page or per_page if given. */
  upstream(instead?: { page?: number; perPage?: number }): Promise<Answer>;
  send(answer: Answer): void;
  /** Adds to a count of `done()`. */
  count(what: string, by?: number): void;
};
/** `run` answers the request in its own way, or not at all. */
export type Fault = { name: string; run(exchange: Exchange): void | Promise<void> };

export type Rule = {
  /** The default is summary. */
  kind?: Asked['kind'];
  page?: number;
  when?: (asked: Asked) => boolean;
  /** Which of the requests that meet the conditions above, counted from 1. The default is all. */
  nth?: number | readonly number[] | { from: number };
  /** From 0 to 1: each such request is decided separately, by the seed. */
  chance?: number;
  fault: Fault;
};

export type FaultServer = {
  /** The upstream's address, on this server. */
  url: URL;
  /** Replaces the rules and resets all counts. The first rule that fits decides. */
  script(rules: readonly Rule[], seed?: number): void;
  /** Removes all rules; the counts stay. */
  heal(): void;
  /** How often each fault has happened, by name. */
  done(): Readonly<Record<string, number>>;
  /** The requests since the last script, in order of arrival. */
  asked(): readonly Asked[];
  /** Called before a request is answered. The answer waits for the promise. */
  onRequest(listener: ((asked: Asked) => void | Promise<void>) | null): void;
  /** Refuses new connections and closes the open ones, until `listen`. */
  refuse(): Promise<void>;
  listen(): Promise<void>;
  close(): Promise<void>;
};

/** `upstream`: a base URL, or a handler. */
export async function startFaultServer(upstream: URL | RequestListener): Promise<FaultServer> {
  const behind = typeof upstream === 'function' ? createServer(upstream) : null;
  if (behind !== null) await listenOn(behind, 0);
  const target =
    behind === null ? (upstream as URL) : new URL(`http://127.0.0.1:${portOf(behind)}/client/v4`);
  const agent = new Agent({ keepAlive: true });
  let rules: readonly Rule[] = [];
  let seed = 0;
  let met: number[] = [];
  let asked: Asked[] = [];
  let done: Record<string, number> = {};
  let listener: ((asked: Asked) => void | Promise<void>) | null = null;

  /** Every rule counts its requests, whichever rule decides in the end. */
  function choose(one: Asked): Fault | null {
    // By what is requested and how often, not by when: parallel requests arrive in any order.
    const again = asked.filter((other) => other.kind === one.kind && other.page === one.page).length;
    const fits = rules.filter((rule, index) => {
      if ((rule.kind ?? 'summary') !== one.kind) return false;
      if (rule.page !== undefined && rule.page !== one.page) return false;
      if (rule.when !== undefined && !rule.when(one)) return false;
      const nth = (met[index] = (met[index] ?? 0) + 1);
      return isNth(rule.nth, nth) && draw(seed, index, one.kind, one.page, again) < (rule.chance ?? 1);
    });
    return fits[0]?.fault ?? null;
  }

  async function handle(path: string, headers: IncomingHttpHeaders, response: ServerResponse): Promise<void> {
    const one = askedOf(path, headers);
    asked.push(one);
    const fault = choose(one);
    const count = (what: string, by = 1) => void (done[what] = (done[what] ?? 0) + by);
    await listener?.(one);
    const exchange: Exchange = {
      asked: one,
      response,
      upstream: (instead = {}) => fetchFrom(target, agent, redirected(path, instead), headers),
      send(answer) {
        response.writeHead(answer.status, {
          ...answer.headers,
          'content-length': String(answer.body.byteLength),
        });
        response.end(answer.body);
      },
      count,
    };
    if (fault === null) return exchange.send(await exchange.upstream());
    count(fault.name);
    await fault.run(exchange);
  }

  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    request.resume();
    // The connection may be cut while the response is written.
    response.on('error', () => undefined);
    handle(request.url ?? '/', request.headers, response).catch(() => response.destroy());
  });
  await listenOn(server, 0);
  const port = portOf(server);

  const shut = async (one: Server) => {
    const closed = new Promise<void>((resolve) => one.close(() => resolve()));
    one.closeAllConnections();
    await closed;
  };
  return {
    url: new URL(target.pathname, `http://127.0.0.1:${port}`),
    script(next, nextSeed = 1) {
      [rules, seed, met, asked, done] = [next, nextSeed, [], [], {}];
    },
    heal: () => void (rules = []),
    done: () => done,
    asked: () => asked,
    onRequest: (next) => void (listener = next),
    refuse: () => shut(server),
    listen: () => listenOn(server, port),
    async close() {
      if (server.listening) await shut(server);
      if (behind !== null) await shut(behind);
      agent.destroy();
    },
  };
}

function askedOf(path: string, headers: IncomingHttpHeaders): Asked {
  const url = new URL(path, 'http://api');
  const last = /\/zt_risk_scoring\/([^/]+)$/.exec(url.pathname)?.[1];
  return {
    kind: last === 'summary' ? 'summary' : last === undefined ? 'other' : 'user',
    page: Number(url.searchParams.get('page') ?? 1),
    perPage: Number(url.searchParams.get('per_page') ?? 0),
    headers,
  };
}

function redirected(path: string, { page, perPage }: { page?: number; perPage?: number }): string {
  const url = new URL(path, 'http://api');
  if (page !== undefined) url.searchParams.set('page', String(page));
  if (perPage !== undefined) url.searchParams.set('per_page', String(perPage));
  return `${url.pathname}${url.search}`;
}

async function fetchFrom(target: URL, agent: Agent, path: string, headers: IncomingHttpHeaders) {
  const request = ask({ host: target.hostname, port: target.port, path, agent, headers: passedOn(headers) });
  request.end();
  const [incoming] = (await once(request, 'response')) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return {
    status: incoming.statusCode ?? 0,
    headers: passedOn(incoming.headers) as Record<string, string>,
    body: Buffer.concat(pieces),
  };
}

// Headers that belong to one connection, and headers that node writes itself.
const OWN = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host', 'date']);

function passedOn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN.has(name)));
}

function isNth(rule: Rule['nth'], nth: number): boolean {
  if (rule === undefined) return true;
  if (typeof rule === 'number') return rule === nth;
  return 'from' in rule ? nth >= rule.from : rule.includes(nth);
}

/** At least 0 and below 1; always the same for the same arguments. */
function draw(...facts: readonly (string | number)[]): number {
  return createHash('sha256').update(facts.join('/')).digest().readUInt32BE(0) / 2 ** 32;
}

async function listenOn(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
