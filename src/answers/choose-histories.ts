// Chooses among the accounts that have a history, and reports a time before any history.
import type { Db } from '../db/handle.ts';
import { OperatorError } from '../errors.ts';
import { knownAccounts, type KnownAccount } from '../queries/accounts/known-accounts.ts';
import { resolveAccounts } from './resolve-accounts.ts';

export const NO_ACCOUNT = 'No account was ever synced here. Start with: zt-risk-sync sync\n';

/**
 * The accounts with the given ids or labels, or all in the order in which they were added. Empty if the database has no
 * account. Throws ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS.
 */
export async function chooseHistories(db: Db, wanted: readonly string[]): Promise<KnownAccount[]> {
  const known = await knownAccounts(db);
  return wanted.length === 0 || known.length === 0 ? known : resolveAccounts(known, wanted);
}

/**
 * Leaves out accounts that were already retired then, because they were no longer synced. A named account always stays.
 */
export function livingAt(
  accounts: readonly KnownAccount[],
  at: Date,
  wanted: readonly string[],
): KnownAccount[] {
  return accounts.filter(
    (account) => wanted.length > 0 || account.retired_at === null || account.retired_at > at,
  );
}

/** No account has a snapshot as early as this. */
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
