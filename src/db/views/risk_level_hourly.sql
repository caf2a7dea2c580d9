-- For each hour, the index finds the last snapshot. A window over all snapshots would read them all, whatever the
-- filter.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.risk_level_hourly WITH (security_invoker = true) AS
SELECT a.account_id,
       d.hour,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.hour AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.hours(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.hour + interval '1 hour')
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;

COMMENT ON VIEW risk_bi.risk_level_hourly IS 'Users per level at the end of each hour, from the first snapshot to now, or to the hour in which the account was retired. Each hour shows the newest snapshot before its end. One row per account, hour and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.hour IS 'Start of the hour, in the session''s time zone. Every hour has 60 minutes. When the clocks are set back, an hour such as one o''clock may come twice.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.is_observed IS 'Whether a snapshot was taken in the hour. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.snapshot_id IS 'The snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.observed_at IS 'The instant of the snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.verdict IS 'Verdict of the snapshot that the row shows: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_hourly.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
