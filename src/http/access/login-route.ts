// Signing in with a token, and out. The token travels in the body of a form, never in an address.
import { Hono, type Context } from 'hono';
import { loginPage } from '../../pages/login.ts';
import { addressesOf, type Assets } from '../assets.ts';
import { ASK_FOR_TOKEN, clientOf, type Access, type Caller } from '../auth.ts';
import { networkOf } from '../connections.ts';
import { problem } from '../problem.ts';
import { limitAttempts } from './attempts.ts';
import { nextPath } from './next-path.ts';
import { headerOf, isOverTls, originOf } from './origin.ts';
import { giveSession, sessionIn, takeSession } from './session-cookie.ts';
import { newSession, sessionKeys } from './session.ts';
import { tokenJudge } from './tokens.ts';

export type LoginDeps = { access: Access; assets: Assets };

/** A body that is not a form holds no fields. */
async function formOf(c: Context): Promise<Record<string, unknown>> {
  try {
    return await c.req.parseBody();
  } catch (error) {
    if (error instanceof TypeError) return {};
    throw error;
  }
}

export function loginRoute({ access, assets }: LoginDeps): Hono<Caller> {
  const { token, piiToken, now = Date.now } = access;
  const keys = sessionKeys(token, piiToken);
  const judge = tokenJudge(token, piiToken);
  const attempts = limitAttempts();
  const offers = { reader: token !== null, identities: piiToken !== null };
  const form = (next: string, wrong: string | null) =>
    loginPage({ assets: addressesOf(assets), next, offers, problem: wrong });
  const isUseless = !offers.reader && !offers.identities;

  async function signIn(c: Context<Caller>): Promise<Response> {
    const header = headerOf(c);
    if (originOf(header) === 'foreign') return problem(c, 'CROSS_ORIGIN_REFUSED');
    const { token: given, next: asked } = await formOf(c);
    const next = nextPath(asked);
    if (isUseless) return c.redirect(next, 303);
    const client = clientOf(c);
    const waitS = attempts.take(networkOf(client), now());
    if (waitS > 0) {
      const wait = { 'Retry-After': String(waitS) };
      return c.html(form(next, `Too many wrong tokens. Try again in ${waitS} s.`), 429, wait);
    }
    const kind = typeof given === 'string' ? judge(given.trim()) : null;
    if (kind === null) {
      access.logger.warn({ client }, 'a wrong token was given at the log-in');
      return c.html(form(next, 'This is not a token of this server.'), 401, ASK_FOR_TOKEN);
    }
    attempts.giveBack(networkOf(client), now());
    takeSession(c);
    giveSession(c, keys, newSession(kind, isOverTls(header), now()));
    return c.redirect(next, 303);
  }

  return new Hono<Caller>()
    .get('/login', (c) => {
      const next = nextPath(c.req.query('next'));
      const session = sessionIn(c, keys, now());
      const hasEnough =
        session !== null && (c.req.query('for') !== 'identities' || session.kind === 'identities');
      return isUseless || hasEnough ? c.redirect(next, 303) : c.html(form(next, null));
    })
    .post('/login', signIn)
    .post('/logout', (c) => {
      if (originOf(headerOf(c)) === 'foreign') return problem(c, 'CROSS_ORIGIN_REFUSED');
      takeSession(c);
      return c.redirect(offers.reader ? '/login' : '/', 303);
    });
}
