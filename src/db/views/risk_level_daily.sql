-- For each day, the index finds the last snapshot. A window over all snapshots would read them all, whatever the
-- filter. This query runs on one PostgreSQL and on Citus. Citus pushes a subquery with max() down, but no lateral
-- LIMIT. OFFSET 0 makes Citus compute now() and the time zone in the session, not on the workers.
CREATE OR REPLACE VIEW risk_bi.risk_level_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       l.max_risk_level,
       l.user_count,
       l.user_count::double precision / nullif(s.user_count, 0) AS share,
       l.event_count,
       s.observed_at >= d.starts_at AS is_observed,
       s.snapshot_id,
       s.observed_at,
       s.verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id;

COMMENT ON VIEW risk_bi.risk_level_daily IS 'Users per level at the end of each day, from the first snapshot to today, or to the day on which the account was retired. Each day shows the newest snapshot before its end. One row per account, day and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_daily.day IS 'The day, in the session''s time zone. It has 23 or 25 hours when the clocks change.';
COMMENT ON COLUMN risk_bi.risk_level_daily.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_daily.user_count IS 'Present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.share IS 'Share of users with this level among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.event_count IS 'Sum of the risk events of present users with this level. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_daily.is_observed IS 'Whether a snapshot was taken on the day. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_daily.snapshot_id IS 'The snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_daily.observed_at IS 'The instant of the snapshot that the row shows.';
COMMENT ON COLUMN risk_bi.risk_level_daily.verdict IS 'Verdict of the snapshot that the row shows: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_daily.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_daily.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
