-- The counts were written with the snapshot: no trend reads the history of users.
CREATE OR REPLACE VIEW risk_bi.risk_level_by_snapshot WITH (security_invoker = true) AS
SELECT a.account_id,
       s.snapshot_id,
       s.observed_at,
       l.max_risk_level,
       l.user_count,
       s.verdict,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.is_baseline
  FROM risk.snapshots s
  JOIN risk.snapshot_levels l USING (account_key, snapshot_id)
  JOIN risk.accounts a USING (account_key);

COMMENT ON VIEW risk_bi.risk_level_by_snapshot IS 'Users per level for every snapshot: the base of every trend. One row per snapshot and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.snapshot_id IS 'The snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.observed_at IS 'The instant it stands for.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.user_count IS 'Present users with this level.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.verdict IS 'complete, or partial (users not met are carried with their last state).';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.share IS 'Their share of all present users, 0 to 1; null when nobody is present.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.event_count IS 'Sum of their risk events.';
COMMENT ON COLUMN risk_bi.risk_level_by_snapshot.is_baseline IS 'Whether the snapshot is of the first load: up to and including the first complete one.';
