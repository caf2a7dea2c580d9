-- With the id of the account for people, instead of account_key.
CREATE OR REPLACE VIEW risk_bi.snapshots WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       s.expected_unseen,
       s.is_baseline,
       s.user_count,
       s.met_count,
       s.carried_count,
       s.event_count,
       s.appeared,
       s.raised,
       s.lowered,
       s.cleared,
       s.returned
  FROM risk.snapshots s
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.snapshots IS 'One row per published snapshot, with its counts of users and of changes.';
COMMENT ON COLUMN risk_bi.snapshots.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.snapshots.snapshot_id IS 'The snapshot; rises in commit order.';
COMMENT ON COLUMN risk_bi.snapshots.observed_at IS 'The instant it stands for.';
COMMENT ON COLUMN risk_bi.snapshots.verdict IS 'complete, or partial: users that were not met are carried with their last state.';
COMMENT ON COLUMN risk_bi.snapshots.expected_unseen IS 'Estimate of the present users that no pass met; null when it was not estimated.';
COMMENT ON COLUMN risk_bi.snapshots.is_baseline IS 'Up to and including the account''s first complete snapshot: its changes are a first load, not news.';
COMMENT ON COLUMN risk_bi.snapshots.user_count IS 'Present users: met and carried.';
COMMENT ON COLUMN risk_bi.snapshots.met_count IS 'Present users that this walk met.';
COMMENT ON COLUMN risk_bi.snapshots.carried_count IS 'Present users carried with their last state.';
COMMENT ON COLUMN risk_bi.snapshots.event_count IS 'Sum of the risk events of all present users.';
COMMENT ON COLUMN risk_bi.snapshots.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.snapshots.raised IS 'Users whose level rose.';
COMMENT ON COLUMN risk_bi.snapshots.lowered IS 'Users whose level fell.';
COMMENT ON COLUMN risk_bi.snapshots.cleared IS 'Users who are no longer present.';
COMMENT ON COLUMN risk_bi.snapshots.returned IS 'Users present again after having been cleared.';
