// The cookie that holds a session. Over TLS its name begins with __Host-: browsers then accept it only from this host,
// and only over TLS.
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { LIFETIME_MS, sealed, unsealed, type Keys, type Session } from './session.ts';

const NAMES = { secure: '__Host-zt-session', plain: 'zt-session' } as const;

export function sessionIn(c: Context, keys: Keys, now: number): Session | null {
  for (const [how, name] of Object.entries(NAMES)) {
    const text = getCookie(c, name);
    const session = text === undefined ? null : unsealed(keys, text, now);
    if (session?.secure === (how === 'secure')) return session;
  }
  return null;
}

export function giveSession(c: Context, keys: Keys, session: Session): void {
  setCookie(c, session.secure ? NAMES.secure : NAMES.plain, sealed(keys, session), {
    ...attributes(session.secure),
    maxAge: LIFETIME_MS / 1000,
  });
}

export function takeSession(c: Context): void {
  for (const [how, name] of Object.entries(NAMES))
    if (getCookie(c, name) !== undefined) deleteCookie(c, name, attributes(how === 'secure'));
}

function attributes(secure: boolean) {
  return { path: '/', httpOnly: true, sameSite: 'Strict', secure } as const;
}
