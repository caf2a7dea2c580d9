// Where a request comes from, as the browser says. Browsers add Origin and Sec-Fetch-* themselves, and no page can
// change them. Other programs send none of them, and have no cookies that a page could misuse.
import type { Context } from 'hono';
import { isLoopbackHost } from '../../net/private-host.ts';

/** By the name of the header in lower case. */
export type HeaderOf = (name: string) => string | undefined;

export function headerOf(c: Context): HeaderOf {
  return (name) => c.req.header(name);
}

/** The name in the Host header, without the port. */
export function hostName(header: HeaderOf): string {
  return (header('host') ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
}

/** A DNS name that was rebound to 127.0.0.1 does not count as loopback. */
export function isLoopbackName(header: HeaderOf): boolean {
  return isLoopbackHost(hostName(header));
}

/**
 * `unknown`: the request does not say. No recent browser sent it, or a person typed the address. TLS may end at a
 * proxy, but never on loopback.
 */
export function originOf(
  header: HeaderOf,
  schemes: 'http' | 'http or https' = 'http or https',
): 'ours' | 'foreign' | 'unknown' {
  const site = header('sec-fetch-site');
  const origin = header('origin');
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'foreign';
  if (origin === undefined) return site === 'same-origin' ? 'ours' : 'unknown';
  // A proxy may have replaced the Host. If the browser sent its own comparison, that one is better.
  if (site === 'same-origin') return 'ours';
  const [, scheme, host] = /^(https?):\/\/(.+)$/.exec(origin) ?? [];
  const isOurs = host === header('host')?.toLowerCase() && (scheme === 'http' || schemes === 'http or https');
  return isOurs ? 'ours' : 'foreign';
}

/** A person follows a link to this server: the page with the link cannot see the answer. */
export function isVisit(method: string, header: HeaderOf): boolean {
  return (
    method === 'GET' && header('sec-fetch-mode') === 'navigate' && header('sec-fetch-dest') === 'document'
  );
}

/** The browser speaks TLS, to us or to the proxy before us. A false claim only makes a cookie stricter. */
export function isOverTls(header: HeaderOf): boolean {
  return (
    header('origin')?.startsWith('https://') === true ||
    header('x-forwarded-proto')?.split(',')[0]?.trim().toLowerCase() === 'https'
  );
}
