-- Groups by the keys, which determine the ids: integers hash faster, and a filter on an id still reaches the tables.
-- The current period is the newest one of its level. The newest snapshot is looked up once per account, not once per
-- period.
CREATE OR REPLACE VIEW risk_bi.time_at_level WITH (security_invoker = true) AS
SELECT t.account_id,
       t.user_id,
       t.max_risk_level,
       t.period_count,
       extract(epoch FROM t.duration)::double precision AS duration_seconds,
       t.first_from,
       t.is_current,
       t.is_account_retired,
       t.account_label,
       array_position(ARRAY['low', 'medium', 'high'], t.max_risk_level) AS level_rank
  FROM (
    SELECT a.account_id,
           u.user_id,
           l.max_risk_level,
           count(*)::integer AS period_count,
           coalesce(sum(l.valid_to - l.valid_from), interval '0')
             + CASE WHEN bool_or(l.valid_to IS NULL) THEN n.newest_at - max(l.valid_from) ELSE interval '0' END AS duration,
           min(l.valid_from) AS first_from,
           bool_or(l.valid_to IS NULL) AS is_current,
           a.retired_at IS NOT NULL AS is_account_retired,
           coalesce(a.label, a.account_id) AS account_label
      FROM risk.accounts a
      CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
      JOIN risk.user_levels l ON l.account_key = a.account_key
      JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
     GROUP BY a.account_key, a.account_id, a.label, a.retired_at, n.newest_at, u.account_key, u.user_key, u.user_id, l.max_risk_level) t;

COMMENT ON VIEW risk_bi.time_at_level IS 'How long each user has been at each level, over all periods, retired accounts included. Without periods that were deleted (risk_bi.retention). One row per user and level that the user has had.';
COMMENT ON COLUMN risk_bi.time_at_level.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.time_at_level.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.time_at_level.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.time_at_level.period_count IS 'Periods at this level.';
COMMENT ON COLUMN risk_bi.time_at_level.duration_seconds IS 'Total time at this level, in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.time_at_level.first_from IS 'When the first period at this level began.';
COMMENT ON COLUMN risk_bi.time_at_level.is_current IS 'Whether this is the user''s level in the newest snapshot of the account.';
COMMENT ON COLUMN risk_bi.time_at_level.is_account_retired IS 'Whether the account is retired. If so, current levels have not been checked since.';
COMMENT ON COLUMN risk_bi.time_at_level.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.time_at_level.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
