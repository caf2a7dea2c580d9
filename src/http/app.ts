// The routes of `serve`; server.ts listens. Probes are open to everybody, all other routes are behind the guard.
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { secureHeaders } from 'hono/secure-headers';
import { timeout } from 'hono/timeout';
import type { Pool } from '../db/pool.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { shared } from './ask-database.ts';
import { guard, type Access, type Caller } from './auth.ts';
import { fewAtATime } from './few-at-a-time.ts';
import { metricsRoute } from './metrics-route.ts';
import { probes } from './probes.ts';
import { loginRoute } from './access/login-route.ts';
import { API, apiRoute } from './api/api.ts';
import { assetsRoute, type Assets } from './assets.ts';
import { pagesRoute } from './pages/pages.ts';
import { problem } from './problem.ts';
import type { Reader } from './read-as.ts';
import { readiness } from './readiness.ts';
import { syncRoute, type StartSync } from './sync-route.ts';

export type AppDeps = Omit<Access, 'logger'> & {
  version: string;
  /** The accounts that may be synced now. */
  accountIds(): readonly string[];
  /** A separate pool, made with HTTP_POOL. */
  pool: Pool;
  /** Null: this process has nothing to measure. */
  metrics: Pick<Metrics, 'scrape' | 'contentType'> | null;
  /** Age from which a snapshot counts as stale. */
  staleAfterMs: number;
  /** When the schedule runs next; null: never. */
  nextSlot(): Date | null;
  /** How long somebody may be at high. */
  highTargetMs: number;
  /** PII_KEY. Without it, emails and names that are kept as hashes are not found. */
  piiKey?: string | null;
  /** Null: this process syncs nothing. */
  startSync: StartSync | null;
  isStopping(): boolean;
  logger: Pick<Logger, 'debug' | 'warn' | 'error'>;
  /** Longest wait for the database; below it, for any answer. */
  databaseWaitMs?: number;
  answerWaitMs?: number;
  /** For pages and the API: a pool of its own, made with READ_POOL. */
  reader: Reader;
  assets: Assets;
  /** How long a scrape is given to others as well. */
  scrapeKeptMs?: number;
};

const PROBES = ['/livez', '/readyz'];
const PATHS = [
  ...PROBES,
  '/metrics',
  '/sync',
  '/',
  '/changes',
  '/users',
  '/response',
  '/runs',
  '/login',
  '/logout',
];
/** Nothing but what comes from this server. */
const PAGE_POLICY = ['style-src', 'script-src', 'img-src', 'connect-src', 'form-action']
  .map((name) => `${name} 'self'${name === 'img-src' ? ' data:' : ''}`)
  .concat("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
  .join('; ');
/** Of every answer. A page gets its own policy. */
const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Otherwise the browser hides the origin of our own forms from us.
  referrerPolicy: 'same-origin',
  // The proxy that terminates TLS decides this.
  strictTransportSecurity: false,
};
const BODY_LIMIT = 16 * 1024;
const READINESS_KEPT_MS = 1_000;
const ANSWER_WAIT_MS = 20_000;
/** Their answers take a few milliseconds together. */
const REQUESTS_PER_TURN = 16;

export function createApp(deps: AppDeps): Hono<Caller> {
  const app = new Hono<Caller>();
  const ready = shared(READINESS_KEPT_MS, () => readiness(deps));
  const { metrics, startSync } = deps;
  app
    .use(accessLog(deps.logger))
    .use(pagePolicy)
    .use(secureHeaders(HEADERS))
    .use(forCaller(deps.assets))
    .use(guardedBesideProbes(deps))
    .use(
      methodNotAllowed({
        app,
        onMethodNotAllowed: (c, methods) => problem(c, 'METHOD_NOT_ALLOWED', { Allow: methods.join(', ') }),
      }),
    )
    .use(timeout(deps.answerWaitMs ?? ANSWER_WAIT_MS, new HTTPException(503)))
    .use(bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => problem(c, 'REQUEST_TOO_LARGE') }))
    .route('/', probes({ ...deps, readiness: ready }))
    .route('/', assetsRoute(deps.assets))
    .route('/', loginRoute({ access: deps, assets: deps.assets }))
    .route('/', pagesRoute({ ...deps, offersIdentities: deps.piiToken !== null }))
    .route(API, apiRoute(deps));
  if (metrics !== null) app.route('/', metricsRoute({ ...deps, metrics, readiness: ready }));
  if (startSync !== null) app.route('/', syncRoute({ ...deps, startSync }));
  app.notFound((c) => problem(c, 'NOT_FOUND'));
  app.onError((error, c) => explain(error, c, deps.logger));
  return app;
}

const pagePolicy: MiddlewareHandler = async (c, next) => {
  await next();
  if (c.res.headers.get('Content-Type')?.startsWith('text/html') === true)
    c.res.headers.set('Content-Security-Policy', PAGE_POLICY);
};

function forCaller(assets: Assets): MiddlewareHandler<Caller> {
  return async (c, next) => {
    c.set('assets', assets);
    await next();
    keepToCaller(c);
    // A stranger's connection is not kept. The probes of orchestrators open a new one each time.
    if (c.get('known') !== true) c.res.headers.set('Connection', 'close');
  };
}

function guardedBesideProbes(deps: AppDeps): MiddlewareHandler<Caller> {
  const guarded = guard(deps);
  const ourTurn = fewAtATime(REQUESTS_PER_TURN);
  return async (c, next) => {
    if (PROBES.includes(c.req.path)) return next();
    await ourTurn();
    return guarded(c, next);
  };
}

function explain(error: Error, c: Context, logger: AppDeps['logger']): Response {
  if (error instanceof HTTPException) return problem(c, 'REQUEST_TIMEOUT');
  // The client disconnected before its body was complete. Database errors never get here.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return problem(c, 'REQUEST_INVALID');
  logger.error({ err: error }, 'request failed');
  return problem(c, 'UNEXPECTED');
}

/** What one caller may see is not for the next one. What has a tag may be kept and asked for again, except names. */
function keepToCaller(c: Context<Caller>): void {
  if (c.req.path.startsWith('/assets/')) return;
  const { headers } = c.res;
  const mayBeKept = headers.has('ETag') && c.get('identities') !== true;
  headers.set('Cache-Control', mayBeKept ? 'private, no-cache' : 'no-store');
  if (!PROBES.includes(c.req.path)) headers.append('Vary', 'Authorization, Cookie');
}

function accessLog(logger: Pick<Logger, 'debug'>): MiddlewareHandler {
  return async (c, next) => {
    const began = performance.now();
    await next();
    const { method, path } = c.req;
    logger.debug(
      // An unknown path may hold anything.
      {
        method,
        path: PATHS.includes(path) ? path : 'other',
        status: c.res.status,
        ms: Math.round(performance.now() - began),
      },
      'request',
    );
  };
}
