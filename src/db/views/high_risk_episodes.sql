-- The counters in force at its start were written at or before it: hence the inner max. The newest snapshot is looked
-- up once for each account, and not for each period.
CREATE OR REPLACE VIEW risk_bi.high_risk_episodes WITH (security_invoker = true) AS
SELECT a.account_id,
       u.user_id,
       l.valid_from AS started_at,
       l.valid_to AS ended_at,
       l.change,
       l.previous_level AS from_level,
       CASE l.end_reason WHEN 'changed' THEN 'lowered' ELSE l.end_reason END AS ended_by,
       (SELECT max(c.event_count)
          FROM risk.user_activity c
         WHERE c.account_key = l.account_key AND c.user_key = l.user_key
           AND c.observed_at >= (SELECT max(f.observed_at) FROM risk.user_activity f
                                  WHERE f.account_key = l.account_key AND f.user_key = l.user_key AND f.observed_at <= l.valid_from)
           AND c.observed_at < coalesce(l.valid_to, 'infinity')) AS peak_event_count,
       coalesce(l.valid_to, n.newest_at) - l.valid_from AS duration,
       extract(epoch FROM coalesce(l.valid_to, n.newest_at) - l.valid_from)::double precision AS duration_seconds,
       s.is_baseline,
       a.retired_at IS NOT NULL AS is_account_retired
  FROM risk.accounts a
  CROSS JOIN LATERAL (SELECT max(p.observed_at) AS newest_at FROM risk.snapshots p WHERE p.account_key = a.account_key) n
  JOIN risk.user_levels l ON l.account_key = a.account_key
  JOIN risk.users u ON u.account_key = l.account_key AND u.user_key = l.user_key
  LEFT JOIN risk.snapshots s ON s.account_key = l.account_key AND s.observed_at = l.valid_from
 WHERE l.max_risk_level = 'high';

COMMENT ON VIEW risk_bi.high_risk_episodes IS 'Every period of a user at level high, retired accounts included. One row per user and period.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.user_id IS 'Cloudflare''s id of the user (risk_bi.users).';
COMMENT ON COLUMN risk_bi.high_risk_episodes.started_at IS 'Instant of the snapshot that found the user at high.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_at IS 'Instant of the snapshot that ended it; null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.change IS 'How it began: appeared, raised or returned.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.from_level IS 'The level before; null when the user was not present.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.ended_by IS 'lowered, reset or absent (cleared); null while it lasts.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.peak_event_count IS 'Highest number of risk events that was served during it.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration IS 'How long it lasted; a current one is measured to the newest snapshot.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.duration_seconds IS 'The same in seconds.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_baseline IS 'Whether it began with the first load: it may really have begun earlier. Null when that snapshot is no longer kept.';
COMMENT ON COLUMN risk_bi.high_risk_episodes.is_account_retired IS 'Whether its account was retired: what lasts there has not been looked at since.';
