// What a failed question tells the caller: whether a smaller page may help, or other credentials, or neither.
import { OperatorError, type ErrorCode } from '../../errors.ts';
import { AttemptFailure, ExchangeError } from '../failures.ts';
import { AUTHENTICATION_CODES, SIZE_STATUSES, TIMEOUT_CODES, TIMEOUT_STATUSES } from './api-codes.ts';

/** A refusal that is not one of the known problems: a smaller per_page, or none, may help. */
export function isPageSizeRefused(error: unknown): error is OperatorError {
  if (!(error instanceof OperatorError) || error.code !== 'REQUEST_REFUSED') return false;
  return SIZE_STATUSES.has(causeOf(error)?.status ?? 0);
}

/**
 * The cause, if another page was served before and this refusal is therefore about the page. Null if it is about the
 * caller, the pace, or a server that is unreachable: 502 and above are from the edge, whatever is requested.
 */
export function pageRefusal(error: unknown): ExchangeError | null {
  if (!(error instanceof OperatorError)) return null;
  const cause = causeOf(error);
  if (cause === null) return null;
  const { code } = error;
  const isOwn =
    code === 'REQUEST_REFUSED' ||
    code === 'ENDPOINT_NOT_FOUND' ||
    code === 'ACCOUNT_NOT_FOUND' ||
    // The account has the product, because a page was served. So this wording is about the refused page.
    code === 'NOT_IN_PLAN' ||
    (code === 'CLOUDFLARE_UNAVAILABLE' && (cause.status === 500 || cause.status === 501)) ||
    // "Did not succeed", or no content.
    (code === 'BAD_ANSWER' && (cause.code.startsWith('CLOUDFLARE_') || cause.status === 204));
  return isOwn ? cause : null;
}

/** A lookup got a 404 that is about the user, not about the address. */
export function isUserUnknown(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'USER_UNKNOWN';
}

const REFUSED_CREDENTIALS: ReadonlySet<ErrorCode> = new Set([
  'AUTHENTICATION_FAILED',
  'PERMISSION_DENIED',
  'ADDRESS_REFUSED',
]);

/** The API does not know these credentials, or does not let them read this. Other credentials may help. */
export function areCredentialsRefused(error: unknown): boolean {
  if (!(error instanceof AttemptFailure)) return false;
  const { problem } = error;
  if (REFUSED_CREDENTIALS.has(problem.code)) return true;
  const cause = causeOf(problem);
  if (problem.code !== 'LOOKUPS_REFUSED' || cause === null) return false;
  const isAuthentication = [...AUTHENTICATION_CODES].some((code) => cause.code === `CLOUDFLARE_${code}`);
  return cause.status === 401 || cause.status === 403 || isAuthentication;
}

/** The page timed out, on our side or on the server's: a smaller page may help. */
export function isPageTimeout(error: unknown): boolean {
  if (!(error instanceof OperatorError)) return false;
  const cause = causeOf(error);
  return cause !== null && (TIMEOUT_CODES.has(cause.code) || TIMEOUT_STATUSES.has(cause.status ?? 0));
}

function causeOf(error: OperatorError): ExchangeError | null {
  return error.cause instanceof ExchangeError ? error.cause : null;
}
