// The HTTP status of an error, for pages and the API.
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { EXIT, isOperatorError, type ErrorCode } from '../errors.ts';

const NOT_FOUND: readonly ErrorCode[] = [
  'ACCOUNT_UNKNOWN',
  'BEFORE_HISTORY',
  'BEYOND_RETENTION',
  'RUN_NOT_FOUND',
  'SNAPSHOT_NOT_FOUND',
  'USER_NOT_FOUND',
];
const BAD_REQUEST: readonly ErrorCode[] = ['ACCOUNT_AMBIGUOUS', 'USER_AMBIGUOUS'];

/**
 * An error that ends a command with 64 is a bad request. An error that may pass on its own, or that an administrator
 * must fix, is 503.
 */
export function statusOf(error: unknown): ContentfulStatusCode {
  if (!isOperatorError(error)) return 500;
  if (NOT_FOUND.includes(error.code)) return 404;
  if (BAD_REQUEST.includes(error.code) || error.exit === EXIT.usage) return 400;
  if (error.exit === EXIT.permission) return 403;
  return error.exit === EXIT.tryLater || error.exit === EXIT.configuration ? 503 : 500;
}
