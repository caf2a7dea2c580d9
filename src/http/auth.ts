// Who may send requests. With a token: who sends it, and who has signed in with it. Without a token the server listens
// on loopback only, and keeps out the browsers of this machine: pages of other origins, and DNS names rebound to
// 127.0.0.1. Emails and names are for holders of a second token, everywhere.
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from '../logger.ts';
import { visitAgain } from '../pages/login.ts';
import { limitAttempts } from './access/attempts.ts';
import { loginAddress } from './access/next-path.ts';
import { hostName, isLoopbackName, isVisit, originOf, wantsPage, type HeaderOf } from './access/origin.ts';
import { giveSession, sessionIn } from './access/session-cookie.ts';
import { rotated, sessionKeys, type Sight } from './access/session.ts';
import { bearerOf, tokenJudge } from './access/tokens.ts';
import type { Assets } from './assets.ts';
import { networkOf } from './connections.ts';
import { problem } from './problem.ts';

/**
 * `known`: the client has passed the guard. Everybody else is a stranger. `identities`: it may see emails and names.
 * `session`: it has signed in, for this.
 */
export type Caller = {
  Variables: { known?: boolean; identities?: boolean; session?: Sight; assets?: Assets };
};

export type Access = {
  /** HTTP_TOKEN. Null only where the server listens on loopback. */
  token: string | null;
  /** HTTP_PII_TOKEN. Null: nobody sees emails and names. */
  piiToken: string | null;
  /** HTTP_ALLOWED_HOSTS. Empty: any name, if there is a token. */
  allowedHosts: readonly string[];
  logger: Pick<Logger, 'warn'>;
  now?: () => number;
};

/** What a browser needs in order to sign in. */
const OPEN = /^\/(?:login$|logout$|assets\/)/;
const SAFE = ['GET', 'HEAD'];

export function guard(access: Access): MiddlewareHandler<Caller> {
  const { token, piiToken, now = Date.now } = access;
  const keys = sessionKeys(token, piiToken);
  const judge = tokenJudge(token, piiToken);
  const wrongBearers = limitAttempts();
  return async (c, next) => {
    const header: HeaderOf = (name) => c.req.header(name);
    const letIn = (sight: Sight) => {
      c.set('known', true);
      if (sight === 'identities') c.set('identities', true);
      return next();
    };
    const refused = hostProblem(access, c, header);
    if (refused !== null) return refused;
    if (OPEN.test(c.req.path)) return next();
    const bearer = bearerOf(header('authorization'));
    // The right token is never made to wait: a scraper may share its address with somebody who guesses.
    const given = bearer === undefined ? null : judge(bearer);
    if (given !== null) return letIn(given);
    const session = sessionIn(c, keys, now());
    const isSafe = SAFE.includes(c.req.method);
    if (token === null) {
      if (originOf(header, 'http') === 'foreign' && !isVisit(c.req.method, header))
        return problem(c, 'CROSS_ORIGIN_REFUSED');
    } else if (session === null) {
      const waitS = bearer === undefined ? 0 : wrongBearers.take(networkOf(clientOf(c)), now());
      if (bearer !== undefined && waitS === 0)
        access.logger.warn({ client: clientOf(c) }, 'a wrong token was sent');
      return stranger(c, header, waitS);
    }
    if (session !== null && !isSafe && originOf(header) !== 'ours') return problem(c, 'CROSS_ORIGIN_REFUSED');
    if (session === null) return letIn('reader');
    c.set('session', session.kind);
    await letIn(session.kind);
    const renewed = rotated(session, now());
    if (renewed !== null) giveSession(c, keys, renewed);
  };
}

/** The other end of the connection: the proxy, where there is one. What a proxy says about others can be invented. */
export function clientOf(c: Context): string {
  return getConnInfo(c).remote.address ?? '';
}

/** Prometheus asks for metrics by address. */
function hostProblem({ token, allowedHosts }: Access, c: Context, header: HeaderOf): Response | null {
  const isExpected =
    token === null
      ? isLoopbackName(header)
      : allowedHosts.length === 0 || c.req.path === '/metrics' || allowedHosts.includes(hostName(header));
  return isExpected ? null : problem(c, 'HOST_REFUSED');
}

function stranger(c: Context, header: HeaderOf, waitS: number): Response | Promise<Response> {
  if (waitS > 0) return problem(c, 'TOO_MANY_ATTEMPTS', { 'Retry-After': String(waitS) });
  if (!wantsPage(c.req.method, header))
    return problem(c, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Bearer realm="zt-risk-sync"' });
  const { pathname, search } = new URL(c.req.url);
  // A browser sends the cookie only if the visit began here: so it does not after a click on a link in a mail.
  if (isVisit(c.req.method, header) && originOf(header) === 'foreign')
    return c.html(visitAgain(`${pathname}${search}`));
  return c.redirect(loginAddress(`${pathname}${search}`), 303);
}
