// Checks the list of accounts: those that are named, or those that the token sees. Reports accounts of the history that
// are missing from the list.
import { readTokenList } from '../../accounts/read-token-list.ts';
import type { ListReading } from '../../accounts/reading.ts';
import type { Config } from '../../config.ts';
import { plural } from '../../words.ts';
import type { Asker } from './asker.ts';
import { failedWith, merged, ok, skipped, warning, type Line } from './lines.ts';

/** More would take hours and the whole request limit. */
export const MOST_CHECKED = 20;

/** Null: the list is not from the token, or Cloudflare may not be asked. */
export async function readListed(asker: Asker | null, { cloudflare }: Config): Promise<ListReading | null> {
  if (asker === null || cloudflare.accountsFrom.kind !== 'token') return null;
  const asked = await asker.ask((client, common) => readTokenList(client, common));
  return 'value' in asked ? asked.value : { ids: [], isComplete: false, problem: asked.error };
}

export type AccountsFacts = {
  from: Config['cloudflare']['accountsFrom']['kind'];
  /** The accounts that are named. Ignored if `token` is set. */
  named: number;
  reading: ListReading | null;
  /** Accounts of the history that are not retired. Null: the database cannot say. */
  kept: readonly string[] | null;
  /** How many accounts are checked one by one. */
  checked: number;
  /** The number of accounts that these were chosen from. */
  chosen: number;
};

export function judgeAccounts(facts: AccountsFacts): Line {
  const { from, named, reading, kept, checked, chosen } = facts;
  const some =
    checked < chosen
      ? `; ${checked} of ${chosen.toLocaleString('en-US')} are checked, name others with --account`
      : '';
  if (from !== 'token') {
    const place = from === 'file' ? 'CLOUDFLARE_ACCOUNT_ID_FILE' : 'CLOUDFLARE_ACCOUNT_ID or --account';
    return ok('accounts', `${plural(named, 'account')} in ${place}${some}`);
  }
  if (reading === null) return skipped('accounts', 'the list of the token was not asked for');
  if (reading.problem !== null && reading.ids.length === 0) return failedWith('accounts', reading.problem);
  const listed = new Set(reading.ids);
  const missing = reading.isComplete ? (kept ?? []).filter((id) => !listed.has(id)) : [];
  const findings: Line[] = [];
  const found = `the token sees ${plural(listed.size, 'account')}${some}`;
  if (reading.problem !== null)
    findings.push(warning('accounts', reading.problem.happened, reading.problem.todo));
  if (missing.length > 0)
    findings.push(
      warning(
        'accounts',
        `${plural(missing.length, 'account')} of this history ${missing.length === 1 ? 'is' : 'are'} not in the list of the token: ${firstOf(missing)}`,
        'Give the token access to them, or run `zt-risk-sync accounts retire` for those that are gone. Their history stays',
      ),
    );
  // Findings are after the facts.
  return findings.length === 0
    ? ok('accounts', found)
    : { ...merged('accounts', '', findings), found: `${found}; ${findings.map((f) => f.found).join('; ')}` };
}

function firstOf(ids: readonly string[]): string {
  return `${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ` and ${ids.length - 3} more` : ''}`;
}
