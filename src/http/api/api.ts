// The JSON API under /api/v1: its routes, its OpenAPI document, its refusals. Every answer is made of the composed
// questions that pages and commands use.
import { OpenAPIHono } from '@hono/zod-openapi';
import { isOperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Caller } from '../auth.ts';
import type { Reader } from '../read-as.ts';
import { accountsRoute } from './accounts.ts';
import { changesRoutes } from './changes.ts';
import { episodesRoute } from './episodes.ts';
import { oneUserRoutes } from './one-user.ts';
import { levelRoutes } from './levels.ts';
import { apiProblem, refuse } from './problem.ts';
import { usersRoute } from './users.ts';
import { responseRoutes } from './response-times.ts';
import { runRoutes } from './runs.ts';

export type ApiDeps = {
  reader: Reader;
  version: string;
  /** How long a user may be at high, if a request does not say it. */
  highTargetMs: number;
  /** PII_KEY. Without it, emails and names that are kept as hashes are not found. */
  piiKey?: string | null;
  logger: Pick<Logger, 'error'>;
};

export const API = '/api/v1';

export function apiRoute(deps: ApiDeps): OpenAPIHono<Caller> {
  const api = new OpenAPIHono<Caller>({
    defaultHook: (result, c) =>
      result.success
        ? undefined
        : refuse(c, {
            status: 400,
            code: 'PARAMETER_INVALID',
            detail: result.error.issues
              .map(({ path, message }) => `${path.join('.')}: ${message}`)
              .join('; '),
          }),
  });
  accountsRoute(api, deps.reader);
  changesRoutes(api, deps.reader);
  usersRoute(api, deps.reader, deps.piiKey ?? null);
  oneUserRoutes(api, deps.reader);
  episodesRoute(api, deps.reader);
  levelRoutes(api, deps.reader);
  responseRoutes(api, deps.reader, deps.highTargetMs);
  runRoutes(api, deps.reader);
  api.get('/openapi.json', (c) => c.json(document(api, deps.version)));
  api.onError((error, c) => {
    if (!isOperatorError(error)) deps.logger.error({ err: error }, 'a request of the API failed');
    return apiProblem(c, error);
  });
  return api;
}

/** OpenAPI 3.1. */
export function document(api: OpenAPIHono<Caller>, version: string): object {
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'zt-risk-sync',
      version,
      description: 'The history of Cloudflare Zero Trust user risk levels. Read-only. Times are in UTC.',
    },
    servers: [{ url: API }],
    // The empty entry: on loopback without HTTP_TOKEN no token is needed, and a signed-in browser sends its session.
    security: [{ token: [] }, {}],
  });
}
