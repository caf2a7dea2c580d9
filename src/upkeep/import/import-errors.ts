// The errors of a run that need other words for an import: what helps after a sync does not help here.
import { OperatorError, type ErrorCode } from '../../errors.ts';

const TODO: Partial<Record<ErrorCode, string>> = {
  EMPTY_ANSWER:
    'If the account really had no user with a level at that time, import again with --accept-mass-clear. Otherwise leave the file out',
  MASS_CLEAR:
    'If the scores really were reset at that time, import again with --accept-mass-clear: it goes on with the next snapshot, which clears these users if it is complete. Otherwise look whether the files hold the whole account, and leave out those that do not',
  CLEAR_PENDING: 'Import or sync a complete snapshot after it',
  INTERRUPTED: 'Run the same command again: it goes on where it ended',
  TIME_BUDGET: 'Raise SYNC_TIME_BUDGET, and run the same command again: it goes on where it ended',
};

/** The same error, with what a person who imports can do. */
export function forImport(error: OperatorError): OperatorError {
  const todo = TODO[error.code];
  if (todo === undefined) return error;
  const { code, happened, means, cause } = error;
  return new OperatorError({ code, happened, means, todo, cause });
}
