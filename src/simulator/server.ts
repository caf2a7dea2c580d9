// Simulates the Cloudflare API over HTTP for invented accounts. Never repeats what it was sent: no token, key or path
// appears in an answer.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createAccountList } from './account-list.ts';
import { aboutCredentials, credentialsRouteOf } from './about-credentials.ts';
import { blocked, challengePage, edgePage, failure, result, throttled } from './answers.ts';
import type { Answer } from './answers.ts';
import { identify } from './credentials.ts';
import type { Caller, Credentials } from './credentials.ts';
import type { Fault } from './faults.ts';
import { createListing } from './listing.ts';
import type { Listing } from './listing.ts';
import { createRateLimiter, rateHeaders } from './rate-limit.ts';
import type { RateLimit } from './rate-limit.ts';
import { behaviours, routeOf, userRecord } from './routes.ts';
import { summaryPage } from './summary.ts';
import type { World } from './world.ts';

export type Worlds = World | ReadonlyMap<string, World> | ((accountId: string) => World | undefined);

export type SimulatorOptions = {
  /** Worlds by account id. A single world answers for every id of 32 hexadecimal digits. */
  worlds: Worlds;
  /** The accounts that the list names. Default: those of a map of worlds, or none. */
  accountIds?: readonly string[];
  /** The simulated clock. */
  now: () => Date;
  auth: Credentials;
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** A larger per_page is clamped to this. Default 1000. */
  perPageMax?: number;
  /** Default 20. */
  defaultPerPage?: number;
  /** Per caller, in simulated time. Default 1200 in 300 s; null: no limit. */
  rateLimit?: RateLimit | null;
  faults?: readonly Fault[];
};

export type Simulator = {
  /** The base URL, ending in /client/v4. */
  url: string;
  port: number;
  /** Requests answered so far, refusals and faults included. */
  requests(): number;
  /** Replaces all faults. Faults that count requests start again at 0. */
  setFaults(faults: readonly Fault[]): void;
  /** Replaces the accounts that the list names. */
  setAccounts(accountIds: readonly string[]): void;
  /** Replaces the credentials: the old ones are refused from now on. */
  setAuth(auth: Credentials): void;
  close(): Promise<void>;
};

// Stated again on purpose: the simulator shares no code with the client that is tested against it.
const CLOUDFLARE_LIMIT: RateLimit = { requests: 1200, windowSeconds: 300 };

const ACCOUNTS = /^\/client\/v4\/accounts\/?$/;

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { now } = options;
  let { auth } = options;
  let listed = options.accountIds ?? ('keys' in options.worlds ? [...options.worlds.keys()] : []);
  const accountList = createAccountList();
  const limits = { perPageMax: options.perPageMax ?? 1000, defaultPerPage: options.defaultPerPage ?? 20 };
  const rateLimit = options.rateLimit === undefined ? CLOUDFLARE_LIMIT : options.rateLimit;
  const spend = rateLimit === null ? null : createRateLimiter(rateLimit);
  const findWorld = worldFinder(options.worlds);
  const listings = new Map<string, { world: World; listing: Listing }>();
  let faults: ReadonlySet<Fault> = new Set(options.faults);
  let requests = 0;
  let sinceFaults = 0;

  function answer(request: IncomingMessage, url: URL, caller: Caller, instant: Date): Answer {
    if (faults.has('unavailable')) return failure(503, 1003, 'Service temporarily unavailable');
    if (faults.has('flaky') && sinceFaults % 7 === 0) return edgePage(502, 'Bad gateway');
    if (faults.has('throttle') && sinceFaults % 10 === 0) return throttled(1);
    if (faults.has('challenge')) return challengePage();
    if (faults.has('blocked')) return blocked(1020);
    if (caller.refusal !== null) return caller.refusal;
    // An address that is reserved for documents.
    if (faults.has('bound-token'))
      return failure(403, 9109, 'Cannot use the access token from location: 203.0.113.9');
    const credentials = credentialsRouteOf(url.pathname);
    if (credentials !== null && request.method === 'GET') return aboutCredentials(credentials, caller, auth);
    if (caller.identity === 'token' && (auth.tokenStatus ?? 'active') !== 'active')
      return failure(403, 10000, 'Authentication error');
    if (ACCOUNTS.test(url.pathname) && request.method === 'GET') {
      if (faults.has('no-list')) return failure(403, 9109, 'Unauthorized to access requested resource');
      const seen = listed.filter((id) => auth.accounts?.includes(id) ?? true);
      return accountList.page(seen, url.searchParams, faults);
    }
    const route = routeOf(url.pathname);
    if (route === null) return failure(404, 7000, 'No route for that URI');
    if (request.method !== 'GET') return failure(405, 7001, 'Method not available for that URI');
    const world = findWorld(route.accountId);
    if (world === undefined) {
      return failure(404, 7003, 'Could not route to /accounts/…, perhaps your object identifier is invalid?');
    }
    const allowed = auth.accounts?.includes(route.accountId) ?? true;
    if (!allowed || faults.has('forbidden')) {
      return failure(403, 9109, 'Unauthorized to access requested resource');
    }
    if (faults.has('no-plan')) return failure(403, 10010, 'riskscoring.api.not_entitled');
    if (route.to === 'behaviors') return behaviours();
    if (route.to === 'integrations') return result([]);
    if (route.to === 'user') return userRecord(world, route.userId, instant);
    return summaryPage(listingOf(route.accountId, world), url.searchParams, instant, limits, faults);
  }

  function listingOf(accountId: string, world: World): Listing {
    const known = listings.get(accountId);
    if (known?.world === world) return known.listing;
    const listing = createListing(world);
    listings.set(accountId, { world, listing });
    return listing;
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    requests += 1;
    sinceFaults += 1;
    request.resume();
    const instant = now();
    const caller = identify(request.headers, auth);
    const spent = spend?.(caller.identity, instant);
    const rate = rateLimit === null || spent === undefined ? {} : rateHeaders(rateLimit, spent);
    const url = new URL(request.url ?? '/', 'http://simulator');
    const said =
      spent?.exceeded === true ? throttled(spent.resetSeconds) : answer(request, url, caller, instant);
    send(response, faults.has('text-plain') ? { ...said, type: 'text/plain; charset=utf-8' } : said, rate);
  }

  // Clients keep their connection between two walks. Node would close it after 5 s, often exactly when the next request
  // arrives.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    try {
      handle(request, response);
    } catch {
      // Without the error's message, which may quote the request.
      if (response.headersSent) response.destroy();
      else
        send(
          response,
          failure(500, 1000, 'The simulator failed: a defect, or its clock is not a valid date'),
        );
    }
  });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(options.port ?? 0, host, () => {
      server.off('error', failed);
      listening();
    });
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  return {
    url: `http://${reachable(host)}:${port}/client/v4`,
    port,
    requests: () => requests,
    setFaults(next) {
      faults = new Set(next);
      sinceFaults = 0;
    },
    setAccounts(next) {
      listed = next;
    },
    setAuth(next) {
      auth = next;
    },
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A server that listens on all addresses is reached at loopback: not every system can connect to 0.0.0.0. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function send(response: ServerResponse, said: Answer, headers: Record<string, string> = {}): void {
  const length = Buffer.byteLength(said.body);
  response.writeHead(said.status, {
    'Content-Type': said.type,
    'Content-Length': length,
    ...headers,
    ...said.headers,
  });
  response.end(said.body);
}

function worldFinder(worlds: Worlds): (accountId: string) => World | undefined {
  if (typeof worlds === 'function') return worlds;
  if ('at' in worlds) return (accountId) => (/^[0-9a-f]{32}$/.test(accountId) ? worlds : undefined);
  return (accountId) => worlds.get(accountId);
}
