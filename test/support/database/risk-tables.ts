/** The tables of schema `risk` that hold a history, in an order in which they can be filled. */
export const RISK_TABLES = [
  'accounts',
  'sync_runs',
  'snapshots',
  'snapshot_levels',
  'users',
  'user_identities',
  'user_levels',
  'user_activity',
];
