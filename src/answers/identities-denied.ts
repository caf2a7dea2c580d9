// The error for a database role that may not read emails and names, although the command needs them.
import { OperatorError } from '../errors.ts';

/** `without`: what works without that right. `todo`: how to do that. */
export function identitiesDenied(without: string, todo: string): OperatorError {
  return new OperatorError({
    code: 'IDENTITIES_DENIED',
    happened: 'The database role may not read emails and names',
    means: without,
    todo: `${todo}, or grant SELECT on risk.user_identities`,
  });
}
