// Decides who may send requests. With a token: callers who send it, and browsers that have signed in with it. Without a
// token, the server listens only on loopback. It then refuses what browsers of this machine send for pages of other
// origins, and requests to DNS names rebound to 127.0.0.1. Emails and names always need a second token.
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler, Next } from 'hono';
import type { Logger } from '../logger.ts';
import { visitAgain } from '../pages/login.ts';
import { limitAttempts } from './access/attempts.ts';
import { loginAddress, nextPath } from './access/next-path.ts';
import { headerOf, hostName, isLoopbackName, isVisit, originOf, type HeaderOf } from './access/origin.ts';
import { giveSession, sessionIn } from './access/session-cookie.ts';
import { rotated, sessionKeys, type Session, type Sight } from './access/session.ts';
import { bearerOf, tokenJudge } from './access/tokens.ts';
import type { Assets } from './assets.ts';
import { networkOf } from './connections.ts';
import { problem, wantsPage } from './problem.ts';

/**
 * `known`: the client has passed the guard. All other clients are strangers. `identities`: the client may see emails
 * and names. `session`: the session with which it has signed in.
 */
export type Caller = {
  Variables: { known?: boolean; identities?: boolean; session?: Sight; assets?: Assets };
};

export type Access = {
  /** HTTP_TOKEN. May be null only if the server listens on loopback. */
  token: string | null;
  /** HTTP_PII_TOKEN. Null: emails and names are never shown. */
  piiToken: string | null;
  /** HTTP_ALLOWED_HOSTS. Empty: any name, if there is a token. */
  allowedHosts: readonly string[];
  logger: Pick<Logger, 'warn'>;
  now?: () => number;
};

/** What a browser needs in order to sign in. */
const OPEN = /^\/(?:login$|logout$|assets\/)/;
const SAFE = ['GET', 'HEAD'];
export const ASK_FOR_TOKEN = { 'WWW-Authenticate': 'Bearer realm="zt-risk-sync"' };

export function guard(access: Access): MiddlewareHandler<Caller> {
  const { token, piiToken, now = Date.now } = access;
  const keys = sessionKeys(token, piiToken);
  const judge = tokenJudge(token, piiToken);
  const wrongToken = wrongTokens(access);
  return async (c, next) => {
    const header = headerOf(c);
    if (!isExpectedHost(access, c.req.path, header)) return problem(c, 'HOST_REFUSED');
    if (OPEN.test(c.req.path)) return next();
    const bearer = bearerOf(header('authorization'));
    // The right token never has to wait: a scraper may share its address with an attacker who guesses.
    const held = bearer === undefined ? null : judge(bearer);
    if (held !== null) return letIn(c, next, held);
    const session = sessionIn(c, keys, now());
    if (token !== null && session === null) return bearer === undefined ? stranger(c, header) : wrongToken(c);
    if (!isOurs(token, session, c.req.method, header)) return problem(c, 'CROSS_ORIGIN_REFUSED');
    if (session === null) return letIn(c, next, 'reader');
    c.set('session', session.kind);
    await letIn(c, next, session.kind);
    const renewed = rotated(session, now());
    if (renewed !== null) giveSession(c, keys, renewed);
  };
}

/** The other end of the connection: the proxy, if there is one. A proxy's statement about its client can be forged. */
export function clientOf(c: Context): string {
  return getConnInfo(c).remote.address ?? '';
}

function letIn(c: Context<Caller>, next: Next, sight: Sight): Promise<void> {
  c.set('known', true);
  if (sight === 'identities') c.set('identities', true);
  return next();
}

/** Prometheus asks for metrics by address. */
function isExpectedHost({ token, allowedHosts }: Access, path: string, header: HeaderOf): boolean {
  if (token === null) return isLoopbackName(header);
  return allowedHosts.length === 0 || path === '/metrics' || allowedHosts.includes(hostName(header));
}

/** Pages of other origins may use neither a session nor this machine's own address. */
function isOurs(token: string | null, session: Session | null, method: string, header: HeaderOf): boolean {
  const origin = originOf(header, token === null ? 'http' : 'http or https');
  if (session !== null && !SAFE.includes(method)) return origin === 'ours';
  return token !== null || origin !== 'foreign' || isVisit(method, header);
}

function wrongTokens({ logger, now = Date.now }: Access): (c: Context) => Response {
  const attempts = limitAttempts();
  return (c) => {
    const client = clientOf(c);
    const waitS = attempts.take(networkOf(client), now());
    if (waitS > 0) return problem(c, 'TOO_MANY_ATTEMPTS', { 'Retry-After': String(waitS) });
    logger.warn({ client }, 'a wrong token was sent');
    return problem(c, 'UNAUTHORIZED', ASK_FOR_TOKEN);
  };
}

function stranger(c: Context, header: HeaderOf): Response | Promise<Response> {
  if (!SAFE.includes(c.req.method) || !wantsPage(c)) return problem(c, 'UNAUTHORIZED', ASK_FOR_TOKEN);
  const { pathname, search } = new URL(c.req.url);
  const asked = nextPath(`${pathname}${search}`);
  // A browser sends the cookie only if the visit began on this site. After a click on a link in a mail, it does not.
  const isFromElsewhere = isVisit(c.req.method, header) && originOf(header) === 'foreign';
  return isFromElsewhere ? c.html(visitAgain(asked)) : c.redirect(loginAddress(asked), 303);
}
