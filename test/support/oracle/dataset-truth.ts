// What a dataset of `export` must hold, read from the database without the SQL of the export.
import type { DatasetName } from '../../../src/export/datasets.ts';

const OF_USERS = `join risk.users u using (account_key, user_key) join risk.accounts a using (account_key)`;
const OF_SNAPSHOTS = 'risk.snapshots s join risk.accounts a using (account_key)';
/** For each dataset a SELECT. It may have more columns than the dataset. */
export const DATASET_TRUTH: Readonly<Record<DatasetName, string>> = {
  accounts: 'select * from risk.accounts',
  users: 'select a.account_id, u.* from risk.users u join risk.accounts a using (account_key)',
  identities: `select a.account_id, u.user_id, t.* from risk.user_identities t ${OF_USERS}`,
  levels: `select a.account_id, u.user_id, t.* from risk.user_levels t ${OF_USERS}`,
  activity: `select a.account_id, u.user_id, t.* from risk.user_activity t ${OF_USERS}`,
  snapshots: `select a.account_id, s.* from ${OF_SNAPSHOTS}`,
  'snapshot-levels': `select a.account_id, s.observed_at, l.* from ${OF_SNAPSHOTS}
    join risk.snapshot_levels l using (account_key, snapshot_id)`,
  'level-changes': 'select * from risk_bi.level_changes',
  runs: 'select * from risk_bi.sync_runs',
  retention: 'select a.account_id, t.* from risk.retention t join risk.accounts a using (account_key)',
  'snapshot-users': `select a.account_id, s.snapshot_id, s.observed_at, u.* from ${OF_SNAPSHOTS}, lateral risk_bi.snapshot_users(s.snapshot_id) u
     where s.observed_at = (select max(n.observed_at) from risk.snapshots n where n.account_key = s.account_key)`,
};
