-- The newest snapshot is looked up once per account, not once per period.
CREATE OR REPLACE VIEW risk_bi.user_level_history WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from,
       l.valid_to,
       l.max_risk_level,
       l.previous_level,
       l.change,
       l.end_reason,
       l.absent_since,
       l.last_reset_time,
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank,
       array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS previous_level_rank
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from;

COMMENT ON VIEW risk_bi.user_level_history IS 'Every period of a user at one level, retired accounts included. One row per user and period. A current period is measured up to the newest snapshot, not up to now, because nothing after that snapshot has been observed. Periods that ended before risk_bi.retention.whole_since may be gone.';
COMMENT ON COLUMN risk_bi.user_level_history.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_level_history.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_level_history.valid_from IS 'Instant of the snapshot that opened the period.';
COMMENT ON COLUMN risk_bi.user_level_history.valid_to IS 'Instant of the snapshot that ended the period. This instant is no longer part of the period. Null for the current period.';
COMMENT ON COLUMN risk_bi.user_level_history.max_risk_level IS 'The level of the period.';
COMMENT ON COLUMN risk_bi.user_level_history.previous_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.user_level_history.change IS 'How the period began: appeared, raised, lowered or returned.';
COMMENT ON COLUMN risk_bi.user_level_history.end_reason IS 'How the period ended: changed (to another level), reset (cleared after an administrator reset the score) or absent (cleared in any other case). Null for the current period.';
COMMENT ON COLUMN risk_bi.user_level_history.absent_since IS 'If the period ended because the user was cleared: since when no walk had met the user.';
COMMENT ON COLUMN risk_bi.user_level_history.last_reset_time IS 'When the score was reset, as the user''s own record says; null if the record does not say.';
COMMENT ON COLUMN risk_bi.user_level_history.duration_seconds IS 'Length of the period in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.user_level_history.is_baseline IS 'Whether the period began in the first load. If so, it may really have begun earlier. Null if its first snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.user_level_history.is_account_retired IS 'Whether the account is retired. If so, current periods have not been checked since.';
COMMENT ON COLUMN risk_bi.user_level_history.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.user_level_history.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.user_level_history.previous_level_rank IS 'The column previous_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
