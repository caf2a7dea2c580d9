// The errors of a run that need other texts for an import: advice for a sync does not help here.
import { OperatorError, type ErrorCode } from '../../errors.ts';

const ADVICE: Partial<Record<ErrorCode, string>> = {
  EMPTY_ANSWER:
    'If the account really had no user with a level at that time, import again with --accept-mass-clear. Otherwise leave the file out',
  MASS_CLEAR:
    'If the scores really were reset at that time, import again with --accept-mass-clear: it continues with the next snapshot, which clears these users if it is complete. Otherwise look whether the files hold the whole account, and leave out those that do not',
  CLEAR_PENDING: 'Import or sync a complete snapshot after it',
  ACCOUNT_RETIRED:
    'Check --account. If it is the right one, run `zt-risk-sync accounts restore` with it, import, and retire it again',
  TOO_MANY_REJECTED:
    'Look whether these files are answers of the risk summary in UTF-8. `zt-risk-sync rejected list` has the reasons, except after a dry run',
  INTERRUPTED: 'Run the same command again: it continues where it stopped',
  TIME_BUDGET: 'Raise SYNC_TIME_BUDGET, and run the same command again: it continues where it stopped',
};

// A dry run keeps no record, and old files say nothing about today's API.
const MEANS: Partial<Record<ErrorCode, string>> = {
  TOO_MANY_REJECTED: 'This snapshot was not published, and what was imported before it stays',
};

/** The same error, with advice for a person who imports. */
export function forImport(error: OperatorError): OperatorError {
  const todo = ADVICE[error.code];
  if (todo === undefined) return error;
  const { code, happened, cause } = error;
  const means = MEANS[code] ?? error.means;
  return new OperatorError({ code, happened, means, todo, cause });
}
