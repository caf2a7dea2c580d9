// Whether the list of accounts was last read and trusted, and how long it need not be read again. A problem is logged
// once, however often it is met.
import type { OperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';

export type ListTiming = {
  /** The token's list is not read more often, however short the schedule is. */
  freshMs: number;
  /** After a reading that failed. Doubled each time, up to the longest. */
  retryMs: number;
  longestRetryMs: number;
};

export type ListTrust = {
  /** When the list was last read and trusted, in milliseconds since 1970; null: never, or it never changes. */
  readAt(): number | null;
  /** Whether the newest reading could not be trusted. */
  isDoubted(): boolean;
  /** Whether it need not be read again yet. */
  isTooEarly(): boolean;
  /** Records that a reading was trusted. `accounts`: how many are synced. */
  confirm(accounts: number): void;
  /** Records that a reading could not be trusted. */
  doubt(problem: OperatorError, accounts: number): void;
};

export function createListTrust(options: {
  timing: ListTiming;
  readAt: number | null;
  logger: Pick<Logger, 'info' | 'error'>;
}): ListTrust {
  const { timing, logger } = options;
  let { readAt } = options;
  let notBefore = 0;
  let failures = 0;
  let lastProblem = '';
  return {
    readAt: () => readAt,
    isDoubted: () => failures > 0,
    isTooEarly: () => performance.now() < notBefore,
    confirm(accounts) {
      if (failures > 0) logger.info({ accounts }, 'the list of accounts can be trusted again');
      readAt = Date.now();
      failures = 0;
      lastProblem = '';
      notBefore = performance.now() + timing.freshMs;
    },
    doubt({ code, happened, todo }, accounts) {
      failures += 1;
      notBefore = performance.now() + pauseAfter(failures, timing);
      if (`${code} ${happened}` !== lastProblem)
        logger.error(
          { error_code: code, problem: happened, todo, accounts },
          'the list of accounts cannot be trusted, keeping the last good one',
        );
      lastProblem = `${code} ${happened}`;
    },
  };
}

/** Pure. */
export function pauseAfter(failures: number, { retryMs, longestRetryMs }: ListTiming): number {
  return Math.min(longestRetryMs, retryMs * 2 ** (failures - 1));
}
