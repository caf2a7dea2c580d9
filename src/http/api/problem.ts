// The error answers of the API: problem details (RFC 9457), with the stable code of the error.
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isOperatorError } from '../../errors.ts';
import { statusOf } from '../status-of.ts';

export const Problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().openapi({ description: 'What happened.' }),
    status: z.int(),
    detail: z.string().openapi({ description: 'What it means, and what to do.' }),
    code: z.string().openapi({ description: 'A stable code, explained in docs/runbook.md.' }),
  })
  .openapi('Problem');

export const PROBLEM_TYPE = 'application/problem+json';

/** For the `responses` of a route. */
export const PROBLEM_RESPONSES = {
  ...Object.fromEntries(
    Object.entries({
      400: 'A parameter cannot be read',
      401: 'The token is missing or wrong',
      403: 'Not allowed',
      404: 'Not found',
      429: 'Too many wrong tokens; Retry-After says how long to wait',
      500: 'An unexpected error',
      503: 'The database does not answer in time, or is not set up for readers',
    }).map(([status, description]) => [
      status,
      { description, content: { [PROBLEM_TYPE]: { schema: Problem } } },
    ]),
  ),
  431: { description: 'The address or the headers are longer than 8 kB: there is no body' },
};

/** Problems that are not errors of the program. */
export type Refusal = { status: ContentfulStatusCode; code: string; detail: string };

export function refuse(c: Context, refusal: Refusal): Response {
  return send(c, { title: 'The request was refused', ...refusal });
}

export function apiProblem(c: Context, error: unknown): Response {
  const status = statusOf(error);
  if (isOperatorError(error)) {
    const { code, happened, means, todo } = error;
    return send(c, { status, code, title: happened, detail: `${means}. ${todo}.` });
  }
  return send(c, {
    status,
    code: 'UNEXPECTED',
    title: 'An unexpected error occurred',
    detail: 'The server log has the details.',
  });
}

function send(c: Context, problem: Refusal & { title: string }): Response {
  const body = JSON.stringify({ type: 'about:blank', ...problem });
  return c.body(body, problem.status, { 'Content-Type': PROBLEM_TYPE });
}
