// Identifies the caller, by API token or by email and key. Refuses unknown credentials as Cloudflare does.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { failure } from './answers.ts';
import type { SimulatedAnswer } from './answers.ts';

export type Credentials = {
  token: string;
  email: string;
  key: string;
  /** The accounts that these credentials may read; all accounts when left out. */
  accounts?: readonly string[];
  /** Who owns the token. Default user. */
  tokenOwner?: 'user' | 'account';
  /** Default active. A token with another status is refused, except when it asks about itself. */
  tokenStatus?: 'active' | 'disabled' | 'expired';
  tokenExpires?: Date;
};

/** The budget that a request counts against. */
export type BudgetOwner = 'token' | 'email' | 'anonymous';

export type JudgedCaller = { identity: BudgetOwner; refusal: SimulatedAnswer | null };

export function judgeCredentials(headers: IncomingHttpHeaders, known: Credentials): JudgedCaller {
  if (headers.authorization !== undefined) return byToken(headers.authorization, known);
  const key = headers['x-auth-key'];
  const email = headers['x-auth-email'];
  if (typeof key === 'string' && typeof email === 'string') return byKey(email, key, known);
  return refused(401, 10000, 'Authentication error');
}

function byToken(header: string, known: Credentials): JudgedCaller {
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined || same(token, known.key)) {
    return refused(400, 6003, 'Invalid request headers: invalid format for Authorization header');
  }
  if (!same(token, known.token)) return refused(403, 10000, 'Authentication error');
  return { identity: 'token', refusal: null };
}

function byKey(email: string, key: string, known: Credentials): JudgedCaller {
  if (same(key, known.token)) return refused(400, 6103, 'Invalid format for X-Auth-Key header');
  if (!/^[\w-]+$/.test(key) || !email.includes('@')) return refused(400, 6003, 'Invalid request headers');
  const both = same(key, known.key) && same(email.toLowerCase(), known.email.toLowerCase());
  if (!both) return refused(403, 10000, 'Authentication error');
  return { identity: 'email', refusal: null };
}

function refused(status: number, code: number, message: string): JudgedCaller {
  return { identity: 'anonymous', refusal: failure(status, code, message) };
}

function same(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
