// `--account`, the same on every command: an id or a label, repeatable.
import { Option } from 'commander';
import { toAccountId } from '../../account-file.ts';
import { nearest, quoted, resolveAccounts, type NamedAccount } from '../../answers/resolve-accounts.ts';
import type { AccountsFrom, Config } from '../../config.ts';
import { isMissingTable } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { OperatorError } from '../../errors.ts';
import { knownAccounts } from '../../queries/accounts/known-accounts.ts';

export function accountOption(): Option {
  return new Option('--account <account>', 'only this account: its id or its label (repeatable)')
    .argParser((text: string, chosen: string[]) => [...chosen, text])
    .default([], 'all');
}

/**
 * Ids of the accounts that a command works on: all that are configured, or the chosen ones among them. Labels are in
 * the database, so it is asked only if a label is given. `readListed` reads the list of the token, if the accounts are
 * from there. Without it, nothing is configured. Throws ACCOUNT_NOT_CONFIGURED (exit 64), ACCOUNT_AMBIGUOUS.
 */
export async function chooseAccounts(
  { cloudflare: { accountIds, accountsFrom } }: Pick<Config, 'cloudflare'>,
  named: readonly string[],
  readKnown: () => Promise<readonly NamedAccount[]>,
  readListed?: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const configured = accountsFrom.kind === 'token' && readListed ? await readListed() : accountIds;
  if (named.length === 0) return configured;
  const wanted = named.map(toAccountId);
  const isConfigured = new Set(configured);
  const isKnown = (text: string) => (configured.length > 0 ? isConfigured.has(text) : FULL_ID.test(text));
  if (wanted.every(isKnown)) return [...new Set(wanted)];
  const known = await readKnown();
  const byId = new Map(known.map((account) => [account.account_id, account]));
  const candidates =
    configured.length > 0
      ? configured.map((id) => byId.get(id) ?? { account_id: id, label: null })
      : // Without a configured list, an id may name an account that was never synced.
        [
          ...known,
          ...wanted.filter((text) => FULL_ID.test(text)).map((id) => ({ account_id: id, label: null })),
        ];
  return resolveAccounts(candidates, wanted, notConfigured(accountsFrom)).map(({ account_id }) => account_id);
}

const FULL_ID = /^[0-9a-f]{32}$/;

const PLACES = {
  variable: { in: 'CLOUDFLARE_ACCOUNT_ID', todo: 'add this one to CLOUDFLARE_ACCOUNT_ID' },
  file: {
    in: 'the file of CLOUDFLARE_ACCOUNT_ID_FILE',
    todo: 'add this one to the file of CLOUDFLARE_ACCOUNT_ID_FILE',
  },
  token: {
    in: 'the list of accounts that the token sees',
    todo: 'check which accounts the token was made for',
  },
};

function notConfigured({ kind }: AccountsFrom) {
  const place = PLACES[kind];
  return (text: string, candidates: readonly NamedAccount[]) =>
    new OperatorError({
      code: 'ACCOUNT_NOT_CONFIGURED',
      happened: `Account ${quoted(text)} is not in ${place.in}, and no label of this history`,
      means: `Nothing was started: --account selects from the configured accounts. ${nearest(text, candidates)}`,
      todo: `Give the id or the label of one of them, or ${place.todo}`,
    });
}

/** Labels for chooseAccounts. Empty in a database that was never migrated. */
export async function readLabels(pool: Pool): Promise<readonly NamedAccount[]> {
  try {
    return await knownAccounts(pool);
  } catch (error) {
    if (isMissingTable(error)) return [];
    throw error;
  }
}

/** The id of one account that the history knows, by its id or label. Throws ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS. */
export async function accountIdOf(pool: Pool, text: string): Promise<string> {
  const [account] = resolveAccounts(await knownAccounts(pool), [text]);
  return account?.account_id ?? text;
}

/** The same, but a full id may also name an account that is not known yet. */
export async function newAccountIdOf(pool: Pool, text: string): Promise<string> {
  const id = toAccountId(text);
  if (FULL_ID.test(id)) return id;
  const [account] = resolveAccounts(await readLabels(pool), [text], notKnownYet);
  return account?.account_id ?? text;
}

function notKnownYet(text: string, candidates: readonly NamedAccount[]): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_UNKNOWN',
    happened: `${quoted(text)} is no account of this history, and not the id of an account`,
    means: `Nothing was imported. ${nearest(text, candidates)}`,
    todo: 'Name a new account by its id: 32 digits from 0 to f, as in the address of the Cloudflare dashboard',
  });
}
