// Writes the history of many small accounts with SQL, straight into the tables: an hourly run each, in the order in
// which the runs would have ended. So the newest rows of all accounts are side by side, as they are after real runs.
import type { Pool } from '../../src/db/pool.ts';

export type ManyAccounts = {
  accounts: number;
  usersPerAccount: number;
  /** The number of runs of each account, one an hour. The newest one ended within the last hour. */
  runsPerAccount: number;
};

/** Rows of one statement: a statement takes seconds, not minutes. */
const RUNS_AT_ONCE = 150_000;

/**
 * Of every 100 accounts, one has failed for ten runs, one is partial for twenty runs, one has never succeeded, and one
 * is being synced now. Every 20th run changed a user.
 */
export async function writeManyAccounts(
  pool: Pool,
  { accounts, usersPerAccount, runsPerAccount }: ManyAccounts,
  onProgress: (runs: number) => void = () => undefined,
): Promise<void> {
  await pool.query(
    `insert into risk_internal.account_keys (account_key, account_id) overriding system value
       select n, ${idOf('n')} from generate_series(1, ${accounts}) n`,
  );
  await pool.query(
    `insert into risk.accounts (account_key, account_id, label, added_at, feed_id)
       select n, ${idOf('n')}, case when n % 10 = 0 then 'Customer ' || n end,
              date_trunc('hour', now()) - ${runsPerAccount} * interval '1 hour', n
         from generate_series(1, ${accounts}) n`,
  );
  const step = Math.max(1, Math.floor(RUNS_AT_ONCE / accounts));
  for (let from = 0; from < runsPerAccount; from += step) {
    const to = Math.min(runsPerAccount, from + step);
    for (const statement of runsOf({ accounts, usersPerAccount, runsPerAccount }, from, to))
      await pool.query(statement);
    onProgress(to * accounts);
  }
  for (const statement of rest({ accounts, usersPerAccount, runsPerAccount })) await pool.query(statement);
  await pool.query('vacuum (analyze, parallel 0)');
}

const idOf = (n: string) => `md5('account ' || ${n})`;
const LEVELS = `(values ('low', 0.85), ('medium', 0.13), ('high', 0.02)) l (level, share)`;
const EVIDENCE = `'{"paging": {"page": "not_needed", "totals": true, "per_page": "honoured", "page_size": 200, "asked_per_page": 1000}, "reasons": [], "one_response": true, "repeated_pages": 0}'::jsonb`;

/** The runs of these hours, and what they published. */
function runsOf(
  { accounts, usersPerAccount, runsPerAccount }: ManyAccounts,
  from: number,
  to: number,
): string[] {
  const ago = (n: string) => `${runsPerAccount} - ${n}`;
  const drawn = `select h, a, (${ago('h')} <= 10 and a % 100 = 1) or a % 100 = 3 as fails,
           ${ago('h')} <= 20 and a % 100 = 2 as is_partial,
           h::bigint * ${accounts} + a + ${accounts} as id,
           date_trunc('hour', now()) - (${ago('h')} - 1) * interval '1 hour' + a * interval '100 milliseconds' as at,
           date_trunc('hour', now()) - (${ago('h')} - 1) * interval '1 hour' as slot
      from generate_series(${from}, ${to - 1}) h, generate_series(1, ${accounts}) a`;
  return [
    `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count, carried_count, event_count, appeared, raised, lowered, cleared, returned)
       select a, id, at - interval '2 hours', case when is_partial then 'partial' else 'complete' end, h = 0, ${usersPerAccount}, ${usersPerAccount}, 0, ${usersPerAccount} * 5, 0, 0, 0, 0, 0
         from (${drawn}) d where not fails order by h, a`,
    `insert into risk.snapshot_levels (account_key, snapshot_id, max_risk_level, user_count, event_count)
       select a, id, level, round(share * ${usersPerAccount}), round(share * ${usersPerAccount} * 5) from (${drawn}) d, ${LEVELS} where not fails order by h, a`,
    `insert into risk.sync_runs (account_key, run_id, trigger, scheduled_for, status, verdict, started_at, finished_at, host, passes, pages, requests, bytes, users_met, total_first, total_last, evidence, error_code, error_message, snapshot_id, feed_id)
       select a, id, 'cron', slot - interval '2 hours', case when fails then 'failed' else 'succeeded' end,
              case when fails then null when is_partial then 'partial' else 'complete' end,
              at - interval '2 hours', at - interval '2 hours' + interval '200 milliseconds', 'bench-host-' || a % 3, 1, 3, 3, 50000, ${usersPerAccount}, ${usersPerAccount}, ${usersPerAccount}, ${EVIDENCE},
              case when fails then 'PERMISSION_DENIED' end, case when fails then 'Cloudflare refused the request' end,
              case when fails then null else id end, id
         from (${drawn}) d order by h, a`,
    `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
       select a, 1 + h % ${usersPerAccount}, at - interval '2 hours', 5 + h, at - interval '150 minutes', id
         from (${drawn}) d where not fails and (h + a) % 20 = 0 order by h, a`,
  ];
}

function rest({ accounts, usersPerAccount, runsPerAccount }: ManyAccounts): string[] {
  const begin = `date_trunc('hour', now()) - ${runsPerAccount + 2} * interval '1 hour'`;
  const level = `case when u % 50 = 0 then 'high' when u % 7 = 0 then 'medium' else 'low' end`;
  const everybody = `generate_series(1, ${accounts}) a, generate_series(1, ${usersPerAccount}) u`;
  return [
    `insert into risk.users (account_key, user_key, user_id, max_risk_level, event_count, last_event, level_since, identity_since, first_seen_at, snapshot_id)
       select a, u, md5(a || '/' || u)::uuid, ${level}, 5, ${begin}, ${begin}, ${begin}, ${begin}, ${accounts} + a from ${everybody} order by a, u`,
    `insert into risk.user_levels (account_key, user_key, valid_from, max_risk_level, change, snapshot_id)
       select a, u, ${begin}, ${level}, 'appeared', ${accounts} + a from ${everybody} order by a, u`,
    `insert into risk.user_identities (account_key, user_key, valid_from, email, name, snapshot_id)
       select a, u, ${begin}, 'user' || u || '@example.com', 'Somebody', ${accounts} + a from ${everybody} order by a, u`,
    `insert into risk_internal.account_writers (account_key, last_user_key, last_snapshot_id)
       select a, ${usersPerAccount}, (${runsPerAccount} - 1)::bigint * ${accounts} + a + ${accounts} from generate_series(1, ${accounts}) a`,
    `insert into risk_internal.leases (account_key, run_id, owner, trigger, started_at, heartbeat_at, host, process)
       select a, ${runsPerAccount + 1}::bigint * ${accounts} + a, gen_random_uuid(), 'cron', now(), now(), 'bench-host', 'none'
         from generate_series(1, ${accounts}) a where a % 100 = 4`,
    `select setval('risk_internal.run_ids', ${runsPerAccount + 2}::bigint * ${accounts})`,
    `update risk_internal.feed_clock set last_snapshot_id = ${runsPerAccount + 2}::bigint * ${accounts}`,
  ];
}
