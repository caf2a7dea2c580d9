// Where to go after the sign-in: the requested page, and never another server.

const LONGEST = 4_000;
const HERE = 'http://here.invalid';

/** Reads `next` in an address or a form. Anything but a path of this server leads to the overview. */
export function nextPath(next: unknown): string {
  // Browsers treat a backslash as a slash, and skip tabs and line breaks.
  if (typeof next !== 'string' || next.length > LONGEST || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(next))
    return '/';
  const url = URL.parse(next, HERE);
  if (url === null || url.origin !== HERE || /^\/(?:login|logout)(?:\/|$)/.test(url.pathname)) return '/';
  const path = `${url.pathname}${url.search}`;
  return path.startsWith('//') ? '/' : path;
}

export function loginAddress(asked: string): string {
  const next = nextPath(asked);
  return next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`;
}
