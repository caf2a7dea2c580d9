// With many accounts, `doctor` looks at all of them at once, and examines only the gravest one by one. Each examination
// takes several requests to Cloudflare and a dozen statements: 3,000 accounts would take an hour of the request limit.
import { scheduleState } from '../../answers/accounts/account-states.ts';
import { summaryOf, troublesOf } from '../../answers/accounts/account-troubles.ts';
import type { Config } from '../../config.ts';
import { databaseError } from '../../db/database-errors.ts';
import type { Pool } from '../../db/pool.ts';
import { listAccounts } from '../../queries/accounts/list-accounts.ts';
import { LEASE_TIMING } from '../../sync/claim/lease.ts';
import { plural } from '../../words.ts';
import { MOST_CHECKED } from './accounts.ts';
import { failedWith, ok, warning, type Line } from './lines.ts';

/** The accounts to examine. `line` is null if these are all accounts. Without a database: the first ones. */
export async function examined(
  pool: Pool | null,
  config: Pick<Config, 'sync'>,
  accountIds: readonly string[],
): Promise<{ accountIds: readonly string[]; line: Line | null }> {
  if (accountIds.length <= MOST_CHECKED) return { accountIds, line: null };
  const some = `${MOST_CHECKED} of them are examined here; --account examines others`;
  if (pool === null) {
    const line = ok('overall', `${plural(accountIds.length, 'account')}; ${some}`);
    return { accountIds: accountIds.slice(0, MOST_CHECKED), line };
  }
  try {
    return await gravest(pool, config, accountIds, some);
  } catch (error) {
    const known = databaseError(error);
    if (known === undefined) throw error;
    return { accountIds: accountIds.slice(0, MOST_CHECKED), line: failedWith('overall', known) };
  }
}

async function gravest(
  pool: Pool,
  config: Pick<Config, 'sync'>,
  accountIds: readonly string[],
  some: string,
): Promise<{ accountIds: readonly string[]; line: Line }> {
  const wanted = new Set(accountIds);
  const states = (await listAccounts(pool)).filter(({ account_id }) => wanted.has(account_id));
  const schedule = await scheduleState(pool, { ...config.sync, leaseMs: LEASE_TIMING.leaseMs });
  const { fresh, stale } = summaryOf(states, schedule);
  const troubles = troublesOf(states, schedule).map(({ state }) => state.account_id);
  const known = new Set(states.map(({ account_id }) => account_id));
  const never = accountIds.filter((id) => !known.has(id));
  const chosen = [...new Set([...troubles, ...never, ...accountIds])].slice(0, MOST_CHECKED);
  const unwell = troubles.length + never.length;
  const found = `${plural(accountIds.length, 'account')}: ${count(fresh)} fresh, ${count(stale)} stale, ${count(never.length)} never synced; ${some}`;
  return {
    accountIds: chosen,
    line:
      unwell === 0
        ? ok('overall', found)
        : warning(
            'overall',
            `${found}; ${plural(unwell, 'account needs', 'accounts need')} a look`,
            'Run `zt-risk-sync status`: it names those that need a look first',
          ),
  };
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
