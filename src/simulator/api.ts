// What the simulated API answers to one request: the faults, the caller, the limit, and then what was asked for. Knows
// no connection.
import type { IncomingHttpHeaders } from 'node:http';
import { createAccountListing } from './account-listing.ts';
import { aboutCredentials, credentialsRouteOf } from './about-credentials.ts';
import {
  blockedAnswer,
  challengePage,
  edgePage,
  failure,
  result,
  throttledAnswer,
  type SimulatedAnswer,
} from './answers.ts';
import { judgeCredentials, type JudgedCaller, type Credentials } from './credentials.ts';
import type { Fault } from './faults.ts';
import { createListing, type Listing } from './listing.ts';
import { createRateLimiter, rateHeaders, type RateLimit } from './rate-limit.ts';
import { behaviours, routeOf, userRecord, type Route } from './routes.ts';
import { summaryPage } from './summary.ts';
import type { World } from './world.ts';

type Worlds = World | ReadonlyMap<string, World> | ((accountId: string) => World | undefined);

export type ApiOptions = {
  /** Worlds by account id. A single world answers for every id of 32 hexadecimal digits. */
  worlds: Worlds;
  /** The accounts that the list names. Default: those of a map of worlds, or none. */
  accountIds?: readonly string[];
  /** The simulated clock. */
  now: () => Date;
  auth: Credentials;
  /** A larger per_page is clamped to this. Default 1000. */
  perPageMax?: number;
  /** Default 20. */
  defaultPerPage?: number;
  /** Per caller, in simulated time. Default 1200 in 300 s; null: no limit. */
  rateLimit?: RateLimit | null;
  faults?: readonly Fault[];
};

export type SimulatedApi = {
  answer(request: HttpRequest): { answer: SimulatedAnswer; headers: Record<string, string> };
  /** Requests answered so far, refusals and faults included. */
  requests(): number;
  /** Replaces all faults. Faults that count requests start again at 0. */
  setFaults(faults: readonly Fault[]): void;
  /** Replaces the accounts that the list names. */
  setAccounts(accountIds: readonly string[]): void;
  /** Replaces the credentials: the old ones are refused from now on. */
  setAuth(auth: Credentials): void;
};

type HttpRequest = { method?: string | undefined; url?: string | undefined; headers: IncomingHttpHeaders };

// Stated again on purpose: the simulator shares no code with the client that is tested against it.
const CLOUDFLARE_LIMIT: RateLimit = { requests: 1200, windowSeconds: 300 };

const ACCOUNTS = /^\/client\/v4\/accounts\/?$/;

type Faults = ReadonlySet<Fault>;
/** What a test may replace while the simulator runs. */
type ApiState = { auth: Credentials; listed: readonly string[]; faults: Faults };
type RoutedRequest = { isGet: boolean; path: string; query: URLSearchParams };

export function createApi(options: ApiOptions): SimulatedApi {
  const state: ApiState = {
    auth: options.auth,
    listed: options.accountIds ?? ('keys' in options.worlds ? [...options.worlds.keys()] : []),
    faults: new Set(options.faults),
  };
  const rateLimit = options.rateLimit === undefined ? CLOUDFLARE_LIMIT : options.rateLimit;
  const spend = rateLimit === null ? null : createRateLimiter(rateLimit);
  const accountList = createAccountListing();
  const ofAccount = createAccountAnswers(options);
  let requests = 0;
  let sinceFaults = 0;

  const say = (asked: RoutedRequest, caller: JudgedCaller, instant: Date): SimulatedAnswer =>
    brokenEdge(state.faults, sinceFaults) ??
    caller.refusal ??
    aboutCaller(asked, caller, state) ??
    listOfAccounts(asked, state, accountList) ??
    ofAccount(asked, state, instant);

  return {
    answer({ method, url, headers }) {
      requests += 1;
      sinceFaults += 1;
      const instant = options.now();
      const caller = judgeCredentials(headers, state.auth);
      const spent = spend?.(caller.identity, instant);
      const { pathname: path, searchParams: query } = new URL(url ?? '/', 'http://simulator');
      const answer =
        spent?.exceeded === true
          ? throttledAnswer(spent.resetSeconds)
          : say({ isGet: method === 'GET', path, query }, caller, instant);
      return {
        answer: state.faults.has('text-plain') ? { ...answer, type: 'text/plain; charset=utf-8' } : answer,
        headers: rateLimit === null || spent === undefined ? {} : rateHeaders(rateLimit, spent),
      };
    },
    requests: () => requests,
    setFaults(next) {
      state.faults = new Set(next);
      sinceFaults = 0;
    },
    setAccounts(next) {
      state.listed = next;
    },
    setAuth(next) {
      state.auth = next;
    },
  };
}

/** Failures of what is in front of the API, for every caller. `count`: requests since the faults were set. */
function brokenEdge(faults: Faults, count: number): SimulatedAnswer | null {
  if (faults.has('unavailable')) return failure(503, 1003, 'Service temporarily unavailable');
  if (faults.has('flaky') && count % 7 === 0) return edgePage(502, 'Bad gateway');
  if (faults.has('throttle') && count % 10 === 0) return throttledAnswer(1);
  if (faults.has('challenge')) return challengePage();
  if (faults.has('blocked')) return blockedAnswer(1020);
  return null;
}

function aboutCaller(
  { path, isGet }: RoutedRequest,
  caller: JudgedCaller,
  { auth, faults }: ApiState,
): SimulatedAnswer | null {
  // An address that is reserved for documents.
  if (faults.has('bound-token'))
    return failure(403, 9109, 'Cannot use the access token from location: 203.0.113.9');
  const credentials = credentialsRouteOf(path);
  if (credentials !== null && isGet) return aboutCredentials(credentials, caller, auth);
  if (caller.identity === 'token' && (auth.tokenStatus ?? 'active') !== 'active')
    return failure(403, 10000, 'Authentication error');
  return null;
}

function listOfAccounts(
  { path, isGet, query }: RoutedRequest,
  { faults, listed, auth }: ApiState,
  list: ReturnType<typeof createAccountListing>,
): SimulatedAnswer | null {
  if (!ACCOUNTS.test(path) || !isGet) return null;
  if (faults.has('no-list')) return failure(403, 9109, 'Unauthorized to access requested resource');
  return list.page(
    listed.filter((id) => auth.accounts?.includes(id) ?? true),
    query,
    faults,
  );
}

function createAccountAnswers(options: ApiOptions) {
  const summary = createSummary(options);
  const findWorld = worldFinder(options.worlds);
  return ({ path, isGet, query }: RoutedRequest, state: ApiState, instant: Date): SimulatedAnswer => {
    const route = routeOf(path);
    if (route === null) return failure(404, 7000, 'No route for that URI');
    if (!isGet) return failure(405, 7001, 'Method not available for that URI');
    const world = findWorld(route.accountId);
    if (world === undefined)
      return failure(404, 7003, 'Could not route to /accounts/…, perhaps your object identifier is invalid?');
    const refusal = refusalOf(route, state);
    if (refusal !== null) return refusal;
    if (route.to === 'behaviors') return behaviours();
    if (route.to === 'integrations') return result([]);
    if (route.to === 'user') return userRecord(world, route.userId, instant);
    return summary(route.accountId, world, query, instant, state.faults);
  };
}

function refusalOf({ accountId }: Route, { auth, faults }: ApiState): SimulatedAnswer | null {
  const isAllowed = auth.accounts?.includes(accountId) ?? true;
  if (!isAllowed || faults.has('forbidden'))
    return failure(403, 9109, 'Unauthorized to access requested resource');
  if (faults.has('no-plan')) return failure(403, 10010, 'riskscoring.api.not_entitled');
  return null;
}

/** The summary of each account. A listing is kept while its account has the same world. */
function createSummary({ perPageMax = 1000, defaultPerPage = 20 }: ApiOptions) {
  const limits = { perPageMax, defaultPerPage };
  const listings = new Map<string, { world: World; listing: Listing }>();

  function listingOf(accountId: string, world: World): Listing {
    const known = listings.get(accountId);
    if (known?.world === world) return known.listing;
    const listing = createListing(world);
    listings.set(accountId, { world, listing });
    return listing;
  }

  return (
    accountId: string,
    world: World,
    query: URLSearchParams,
    instant: Date,
    faults: Faults,
  ): SimulatedAnswer => summaryPage(listingOf(accountId, world), query, instant, limits, faults);
}

function worldFinder(worlds: Worlds): (accountId: string) => World | undefined {
  if (typeof worlds === 'function') return worlds;
  if ('at' in worlds) return (accountId) => (/^[0-9a-f]{32}$/.test(accountId) ? worlds : undefined);
  return (accountId) => worlds.get(accountId);
}
