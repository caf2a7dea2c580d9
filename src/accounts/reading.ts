// The result of one reading of a list of accounts.
import type { OperatorError } from '../errors.ts';

export type ListReading = {
  /** Every id that was read, even if the reading stopped early: a listed account does exist. */
  ids: readonly string[];
  /** No account is missing. If false, an account that was not read may still exist. */
  isComplete: boolean;
  /** Why the reading cannot be trusted. Null if it can. */
  problem: OperatorError | null;
};
