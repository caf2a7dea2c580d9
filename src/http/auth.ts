// Who may send requests. With a token: every client that knows it. Without a token the server listens on loopback only,
// and keeps out the browsers of this machine: pages of other origins, and DNS names rebound to 127.0.0.1.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler, Next } from 'hono';
import { isLoopbackHost } from '../net/private-host.ts';
import { problem } from './problem.ts';

/** `known`: the client has passed the guard. Everybody else is a stranger. */
export type Caller = { Variables: { known?: boolean } };

export function guard(token: string | null): MiddlewareHandler<Caller> {
  const letIn = (c: Context<Caller>, next: Next) => {
    c.set('known', true);
    return next();
  };
  if (token === null) return async (c, next) => loopbackProblem(c) ?? letIn(c, next);
  const expected = digest(token);
  return async (c, next) => {
    const given = /^Bearer +([\x21-\x7e]+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    // Compares digests, because comparing the tokens themselves would reveal the length.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return letIn(c, next);
    return problem(c, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Bearer realm="zt-risk-sync"' });
  };
}

function loopbackProblem(c: Context): Response | null {
  const host = c.req.header('host') ?? '';
  if (!isLoopbackHost(host.replace(/:\d{1,5}$/, '').toLowerCase())) return problem(c, 'HOST_REFUSED');
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site');
  const isOurs =
    (origin === undefined || origin === `http://${host}`) &&
    (site === undefined || /^(same-origin|none)$/.test(site));
  return isOurs ? null : problem(c, 'CROSS_ORIGIN_REFUSED');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
