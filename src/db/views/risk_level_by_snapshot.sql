-- The counts are stored with each snapshot, so a trend does not read the history of users.
CREATE OR REPLACE VIEW risk_bi.risk_level_by_snapshot WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       l.max_risk_level,
       l.user_count,
       s.verdict,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.is_baseline,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM risk.snapshots s
  JOIN risk.snapshot_levels l USING (account_key, snapshot_id)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.risk_level_by_snapshot IS 'Users per level for every snapshot: the base of every trend. One row per snapshot and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.snapshot_id IS 'The snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.observed_at IS 'The instant of the snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.verdict IS 'complete, or partial (some users may have been missed). Users who were not met are carried with their last known state.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.is_baseline IS 'Whether the snapshot belongs to the first load, which ends with the account''s first complete snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
