// What one reading of a list of accounts brought.
import type { OperatorError } from '../errors.ts';

export type Reading = {
  /** Every id that was read, also where the reading broke off: an account that was named does exist. */
  ids: readonly string[];
  /** No account is missing. If not, an account that was not read may still be there. */
  isComplete: boolean;
  /** Why the reading cannot be trusted; null if it can. */
  problem: OperatorError | null;
};
