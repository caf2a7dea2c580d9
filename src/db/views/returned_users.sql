-- For each return, the index finds the period before it in one step.
CREATE OR REPLACE VIEW risk_bi.returned_users WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       p.valid_to AS cleared_at,
       p.end_reason,
       p.max_risk_level AS level_before,
       l.valid_from AS returned_at,
       l.max_risk_level AS level_after,
       extract(epoch FROM l.valid_from - p.valid_to)::double precision AS away_seconds,
       s.snapshot_id,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], p.max_risk_level) AS level_before_rank,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_after_rank
  FROM risk.user_levels l
  JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
  CROSS JOIN LATERAL (
    SELECT q.valid_to, q.end_reason, q.max_risk_level
      FROM risk.user_levels q
     WHERE q.account_key = l.account_key AND q.user_key = l.user_key AND q.valid_from < l.valid_from
     ORDER BY q.valid_from DESC LIMIT 1) p
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  JOIN risk.accounts a ON a.account_key = l.account_key
 WHERE l.change = 'returned' AND NOT s.is_baseline;

COMMENT ON VIEW risk_bi.returned_users IS 'Users who were cleared and came back, and how long they were away. Returns in the first load (baseline) are left out. Returns before risk_bi.retention.whole_since may be gone. One row per user and return.';
COMMENT ON COLUMN risk_bi.returned_users.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.returned_users.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.returned_users.cleared_at IS 'Instant of the snapshot that cleared the user.';
COMMENT ON COLUMN risk_bi.returned_users.end_reason IS 'Why the user was cleared: reset or absent.';
COMMENT ON COLUMN risk_bi.returned_users.level_before IS 'The level before the user was cleared.';
COMMENT ON COLUMN risk_bi.returned_users.returned_at IS 'Instant of the snapshot that found the user again.';
COMMENT ON COLUMN risk_bi.returned_users.level_after IS 'The level on return.';
COMMENT ON COLUMN risk_bi.returned_users.away_seconds IS 'Seconds from cleared_at to returned_at.';
COMMENT ON COLUMN risk_bi.returned_users.snapshot_id IS 'The snapshot that found the user again.';
COMMENT ON COLUMN risk_bi.returned_users.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.returned_users.level_before_rank IS 'The column level_before, for sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.returned_users.level_after_rank IS 'The column level_after, for sorting: 1 low, 2 medium, 3 high.';
