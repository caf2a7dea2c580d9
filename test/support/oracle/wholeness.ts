// P1 as the tables show it: every snapshot has its run and complete counts, the current state equals the newest
// snapshot rebuilt, and the histories hold nothing that they must not hold.
import type { Pool } from '../../../src/db/pool.ts';
import { HISTORY_DEFECTS } from './history-defects.ts';
import { PRESENT_USERS, RECORD_COLUMNS } from '../database/record-columns.ts';

type Row = Record<string, unknown>;

const ACCOUNT = 'join risk.accounts a using (account_key) where a.account_id = $1';

/** What is wrong with the account's own history: one line each. */
export async function wholeness(pool: Pool, accountId: string): Promise<string[]> {
  const ask = async (text: string) => (await pool.query<Row>(text, [accountId])).rows;
  const rows =
    await ask(`with s as (select s.* from risk.snapshots s ${ACCOUNT}), r as (select r.* from risk.sync_runs r ${ACCOUNT}),
      l as (select l.snapshot_id, count(*) as levels, sum(user_count) as users, sum(event_count) as events
              from risk.snapshot_levels l ${ACCOUNT} group by 1),
      rebuilt as (select s.snapshot_id, u.max_risk_level, count(*) as users, sum(u.event_count) as events
              from s cross join lateral risk_bi.snapshot_users($1, s.snapshot_id) u group by 1, 2)
     select 'snapshot ' || s.snapshot_id || ' has ' || count(r.run_id) || ' runs' as problem
       from s left join r using (snapshot_id) group by s.snapshot_id having count(r.run_id) <> 1
     union all select 'run ' || run_id || ' speaks of a snapshot that is not there' from r
       where snapshot_id is not null and snapshot_id not in (select snapshot_id from s)
     union all select 'counts of snapshot ' || s.snapshot_id || ' do not add up' from s left join l using (snapshot_id)
       where s.user_count <> s.met_count + s.carried_count
          or (l.levels, l.users, l.events) is distinct from (3::bigint, s.user_count::numeric, s.event_count::numeric)
     union all select 'snapshot ' || l.snapshot_id || ' rebuilt has other counts than its levels say (' || l.max_risk_level || ')'
       from risk.snapshot_levels l join s using (account_key, snapshot_id)
       left join rebuilt using (snapshot_id, max_risk_level)
       where (coalesce(rebuilt.users, 0), coalesce(rebuilt.events, 0)) <> (l.user_count, l.event_count)`);
  const [newest] = await ask(`select max(snapshot_id) as id from risk.snapshots ${ACCOUNT}`);
  const present = await ask(PRESENT_USERS);
  const current = present.map(({ absent: _absent, ...record }) => record);
  const rebuilt = await pool.query<Row>(
    `select ${RECORD_COLUMNS} from risk_bi.snapshot_users($1, $2) order by user_id`,
    [accountId, newest?.['id'] ?? 0],
  );
  const problems = rows.map((row) => String(row['problem']));
  if (!isSame(current, rebuilt.rows)) problems.push('the current state is not the newest snapshot rebuilt');
  for (const [defect, query] of Object.entries(HISTORY_DEFECTS)) {
    // Leftovers belong to P6, and the order of snapshots to P4.
    if (/^(a lease|snapshots whose order)/.test(defect)) continue;
    if ((await ask(`select from (${query}) d ${ACCOUNT} limit 1`)).length > 0) problems.push(defect);
  }
  return problems;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
