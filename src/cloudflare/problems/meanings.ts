// What a failed question tells the caller: whether a smaller page may help, other credentials, or nothing at all.
import { OperatorError } from '../../errors.ts';
import { AttemptFailure, ExchangeError } from '../failures.ts';
import { AUTHENTICATION_CODES, TIMEOUT_CODES, TIMEOUT_STATUSES } from './api-codes.ts';

/** A 400 that is not one of the known problems: a smaller per_page may help. */
export function isPageSizeRefused(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'REQUEST_REFUSED' && causeOf(error)?.status === 400;
}

/** A lookup got a 404 that is about the user, not about the address. */
export function isUserUnknown(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'USER_UNKNOWN';
}

/** The API does not know these credentials, or does not let them read this. Other credentials may help. */
export function areCredentialsRefused(error: unknown): boolean {
  if (!(error instanceof AttemptFailure)) return false;
  const { problem } = error;
  if (problem.code === 'AUTHENTICATION_FAILED' || problem.code === 'PERMISSION_DENIED') return true;
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
