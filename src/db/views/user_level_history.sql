-- The newest snapshot is looked up once for each account, and not for each period.
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
       coalesce(l.valid_to, n.newest_at) - l.valid_from AS duration,
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from;

COMMENT ON VIEW risk_bi.user_level_history IS 'Every period of a user at one level, retired accounts included. One row per user and period. A current period is measured to the newest snapshot, not to now: what came after has not been seen.';
COMMENT ON COLUMN risk_bi.user_level_history.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.user_level_history.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.user_level_history.valid_from IS 'Instant of the snapshot that opened the period.';
COMMENT ON COLUMN risk_bi.user_level_history.valid_to IS 'Instant of the snapshot that ended it, not included; null for the current one.';
COMMENT ON COLUMN risk_bi.user_level_history.max_risk_level IS 'The level of the period.';
COMMENT ON COLUMN risk_bi.user_level_history.previous_level IS 'The level before; null when the user was not present.';
COMMENT ON COLUMN risk_bi.user_level_history.change IS 'How it began: appeared, raised, lowered or returned.';
COMMENT ON COLUMN risk_bi.user_level_history.end_reason IS 'How it ended: changed (another level), reset or absent (cleared); null for the current one.';
COMMENT ON COLUMN risk_bi.user_level_history.absent_since IS 'Of a period that ended by clearing: since when the user had not been met.';
COMMENT ON COLUMN risk_bi.user_level_history.last_reset_time IS 'When the score was reset, as the user''s own record says; null when it does not say.';
COMMENT ON COLUMN risk_bi.user_level_history.duration IS 'How long it lasted; a current one is measured to the newest snapshot.';
COMMENT ON COLUMN risk_bi.user_level_history.duration_seconds IS 'The same in seconds.';
COMMENT ON COLUMN risk_bi.user_level_history.is_baseline IS 'Whether it began with the first load: it may really have begun earlier. Null when that snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.user_level_history.is_account_retired IS 'Whether its account was retired: what is current there has not been looked at since.';
