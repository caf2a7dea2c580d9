// The body of every refusal: a stable code for programs, a sentence for people.
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** Codes with the status and what they say. Those of commands, which this may say too, are in errors.ts. */
export const PROBLEMS = {
  UNAUTHORIZED: [401, 'Send Authorization: Bearer with the HTTP_TOKEN of this server'],
  HOST_REFUSED: [403, 'Without HTTP_TOKEN, only requests to a loopback address are answered'],
  CROSS_ORIGIN_REFUSED: [403, 'Without HTTP_TOKEN, requests from pages of another origin are refused'],
  NOT_FOUND: [404, 'There is nothing at this path'],
  METHOD_NOT_ALLOWED: [405, 'This path does not support this method'],
  REQUEST_TOO_LARGE: [413, 'The body is longer than 16 kB'],
  REQUEST_INVALID: [400, 'The body must be empty, {"account_id": "…"} or {"account_ids": ["…"]}'],
  ACCOUNT_NOT_CONFIGURED: [400, 'A requested account is not in CLOUDFLARE_ACCOUNT_ID'],
  STOPPING: [503, 'This process is stopping'],
  REQUEST_TIMEOUT: [503, 'The answer took too long; the request may still take effect'],
  UNEXPECTED: [500, 'An unexpected error occurred; the server log has the details'],
} as const satisfies Record<string, readonly [ContentfulStatusCode, string]>;

export function problem(
  c: Context,
  code: keyof typeof PROBLEMS,
  headers: Record<string, string> = {},
): Response {
  const [status, message] = PROBLEMS[code];
  return c.json({ error: { code, message } }, status, headers);
}
