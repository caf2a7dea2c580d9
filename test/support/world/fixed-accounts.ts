// A list of accounts by name that never changes, for tests that are not about the list.
import type { Accounts } from '../../../src/scheduler/keep-synced.ts';

export function fixedAccounts(accountIds: readonly string[]): Accounts {
  return { ids: () => accountIds, isByName: true, refresh: () => undefined };
}
