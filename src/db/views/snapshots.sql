-- Has the account id, which people know, instead of account_key.
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
       s.returned,
       coalesce(a.label, a.account_id) AS account_label
  FROM risk.snapshots s
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.snapshots IS 'One row per published snapshot, with its counts of users and of changes.';
COMMENT ON COLUMN risk_bi.snapshots.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.snapshots.snapshot_id IS 'The snapshot. Ids rise in commit order.';
COMMENT ON COLUMN risk_bi.snapshots.observed_at IS 'The instant of the snapshot.';
COMMENT ON COLUMN risk_bi.snapshots.verdict IS 'complete, or partial (some users may have been missed). Users who were not met are carried with their last known state.';
COMMENT ON COLUMN risk_bi.snapshots.expected_unseen IS 'Estimate of the present users that no pass met; null if there is no estimate. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.is_baseline IS 'True up to and including the account''s first complete snapshot. The changes of such snapshots are a first load, not news.';
COMMENT ON COLUMN risk_bi.snapshots.user_count IS 'Present users: met_count + carried_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.met_count IS 'Present users with an accepted record in this run. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.carried_count IS 'Present users without an accepted record in this run, kept with their last known state. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.event_count IS 'Sum of the risk events of all present users. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.snapshots.appeared IS 'Users present for the first time.';
COMMENT ON COLUMN risk_bi.snapshots.raised IS 'Users whose level rose.';
COMMENT ON COLUMN risk_bi.snapshots.lowered IS 'Users whose level fell.';
COMMENT ON COLUMN risk_bi.snapshots.cleared IS 'Users who were present before and are no longer present.';
COMMENT ON COLUMN risk_bi.snapshots.returned IS 'Users who were cleared before and are present again.';
COMMENT ON COLUMN risk_bi.snapshots.account_label IS 'The account''s label, or its id if it has no label.';
