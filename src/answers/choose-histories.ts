// Chooses among the accounts that have a history, and reports an account or a time without one.
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { knownAccounts, type KnownAccount } from '../queries/accounts/known-accounts.ts';
import { printable } from '../words.ts';

export const NO_ACCOUNT = 'No account was ever synced here. Start with: zt-risk-sync sync\n';

/** The chosen accounts, in the order in which they were added; empty when the database has no account at all. */
export async function chooseHistories(pool: Pool, accountId: string | undefined): Promise<KnownAccount[]> {
  const known = await knownAccounts(pool);
  if (accountId === undefined || known.length === 0) return known;
  const chosen = known.filter((account) => account.account_id === accountId);
  if (chosen.length === 0) {
    throw accountUnknown();
  }
  return chosen;
}

export function accountUnknown(): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    happened: 'There is no history of the account given with --account',
    means: 'There is nothing to show',
    todo: 'Run `zt-risk-sync accounts` to list the known accounts',
  });
}

/** Leaves out accounts that were retired by then, because they were no longer synced. A named account always stays. */
export function livingAt(
  accounts: readonly KnownAccount[],
  at: Date,
  accountId: string | undefined,
): KnownAccount[] {
  return accounts.filter(
    (account) => accountId !== undefined || account.retired_at === null || account.retired_at > at,
  );
}

/** No account has a snapshot so early. */
export function beforeHistory(name: string, at: Date, accounts: readonly KnownAccount[]): OperatorError {
  const firsts = accounts.flatMap(({ first_at }) => (first_at === null ? [] : [first_at.getTime()]));
  return new OperatorError({
    code: 'BEFORE_HISTORY',
    happened: `${name} is ${at.toISOString()}, and there is no snapshot that early`,
    means:
      firsts.length === 0
        ? 'There is no snapshot at all yet'
        : `The history begins at ${new Date(Math.min(...firsts)).toISOString()}`,
    todo: firsts.length === 0 ? 'Make one with `zt-risk-sync sync`' : 'Give that time or a later one',
  });
}

export function accountName({ account_id, label }: KnownAccount): string {
  return printable(label === null ? account_id : `${account_id} (${label})`);
}
