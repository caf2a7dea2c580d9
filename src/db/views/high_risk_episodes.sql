-- The inner max finds the counters that held when the period began: they were written at that instant or before. The
-- newest snapshot is looked up once per account, not once per period.
CREATE OR REPLACE VIEW risk_bi.high_risk_episodes WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from AS started_at,
       l.valid_to AS ended_at,
       l.change,
       l.previous_level AS from_level,
       CASE l.end_reason WHEN 'changed' THEN 'lowered' ELSE l.end_reason END AS ended_by,
       CASE WHEN w.whole_since > l.valid_from THEN NULL ELSE
         (SELECT max(c.event_count)
            FROM risk.user_activity c
           WHERE c.account_key = l.account_key AND c.user_key = l.user_key
             AND c.observed_at >= (SELECT max(f.observed_at) FROM risk.user_activity f
                                    WHERE f.account_key = l.account_key AND f.user_key = l.user_key AND f.observed_at <= l.valid_from)
             AND c.observed_at < coalesce(l.valid_to, 'infinity')) END AS peak_event_count,
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.previous_level) AS from_level_rank
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
  LEFT JOIN risk.retention w ON w.account_key = a.account_key AND w.dataset = 'activity'
 WHERE l.max_risk_level = 'high';

COMMENT ON VIEW risk_bi.high_risk_episodes IS 'Every period of a user at level high, retired accounts included. One row per user and period.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.high_risk_episodes.started_at IS 'Instant of the snapshot that began the period.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_at IS 'Instant of the snapshot that ended the period; null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.change IS 'How the period began: appeared, raised or returned.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level IS 'The level before; null if the user was not present.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_by IS 'How the period ended: lowered, reset or absent. reset and absent mean that the user was cleared. Null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.peak_event_count IS 'Highest number of risk events that was served during the period. Never add it up over time. Null if the period began before the activity is whole (risk_bi.retention).';
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration_seconds IS 'Length of the period in seconds. A current period is measured up to the newest snapshot.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_baseline IS 'Whether the period began in the first load. If so, it may really have begun earlier. Null if its first snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_account_retired IS 'Whether the account is retired. If so, periods that still last have not been checked since.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level_rank IS 'The column from_level, for sorting: 1 low, 2 medium, 3 high; null if the user was not present.';
