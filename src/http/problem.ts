// The body of every refusal: a stable code for programs, and a sentence for people. Browsers get a page. The API has
// its own form.
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { refusedPage } from '../pages/plain.ts';
import { refuse } from './api/problem.ts';
import { addressesOf, type Assets } from './assets.ts';

/** Codes with the status and the text. Codes of commands that may also appear here are in errors.ts. */
export const PROBLEMS = {
  UNAUTHORIZED: [401, 'Send Authorization: Bearer with the HTTP_TOKEN of this server, or sign in at /login'],
  HOST_REFUSED: [
    403,
    'The Host header has a name that this server does not answer to: see HTTP_ALLOWED_HOSTS; without HTTP_TOKEN, only loopback',
  ],
  CROSS_ORIGIN_REFUSED: [
    403,
    'Requests from pages of another origin are refused; a proxy must pass the Host header on unchanged',
  ],
  TOO_MANY_ATTEMPTS: [429, 'Too many wrong tokens came from this address; wait as long as Retry-After says'],
  NOT_FOUND: [404, 'There is nothing at this path'],
  METHOD_NOT_ALLOWED: [405, 'This path does not support this method'],
  REQUEST_TOO_LARGE: [413, 'The body is longer than 16 kB'],
  REQUEST_INVALID: [400, 'The body must be empty, {"account_id": "…"} or {"account_ids": ["…"]}'],
  ACCOUNT_NOT_CONFIGURED: [400, 'A requested account is not one of the configured accounts'],
  STOPPING: [503, 'This process is stopping'],
  REQUEST_TIMEOUT: [503, 'The answer took too long; the request may still take effect'],
  UNEXPECTED: [500, 'An unexpected error occurred; the server log has the details'],
} as const satisfies Record<string, readonly [ContentfulStatusCode, string]>;

const FOR_PROGRAMS = ['/livez', '/readyz', '/metrics', '/sync'];

/** Programs get JSON. So does a browser at an address that is made for programs. */
export function wantsPage(c: Context): boolean {
  const { path } = c.req;
  return !isApi(path) && !FOR_PROGRAMS.includes(path) && (c.req.header('accept') ?? '').includes('text/html');
}

function isApi(path: string): boolean {
  return path.startsWith('/api/');
}

export function problem(
  c: Context,
  code: keyof typeof PROBLEMS,
  headers: Record<string, string> = {},
): Response {
  const [status, message] = PROBLEMS[code];
  if (isApi(c.req.path)) {
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
    return refuse(c, { status, code, detail: message });
  }
  const assets = c.get('assets') as Assets | undefined;
  if (wantsPage(c) && assets !== undefined)
    return c.html(refusedPage(addressesOf(assets), { code, message }), status, headers) as Response;
  return c.json({ error: { code, message } }, status, headers);
}
