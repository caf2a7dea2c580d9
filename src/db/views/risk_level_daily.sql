-- For each day, the index finds the last snapshot. A window over all snapshots would read them all, whatever the
-- filter.
-- The CASE: when the clocks are set back over midnight, midnight comes twice, and the day begins at the first one.
-- OFFSET 0: PostgreSQL computes this once per day, not once per row that is compared with it.
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
  FROM risk.accounts a
  -- GROUP BY instead of LIMIT: on Citus, a lateral subquery with LIMIT must not refer to accounts.
  CROSS JOIN LATERAL (
    SELECT f.account_key, min(f.observed_at) AS first_at
      FROM risk.snapshots f WHERE f.account_key = a.account_key GROUP BY f.account_key) b
  CROSS JOIN LATERAL (
    SELECT g::date AS day,
           CASE WHEN (g::timestamptz - interval '1 hour')::date = g::date THEN g::timestamptz - interval '1 hour' ELSE g::timestamptz END AS starts_at,
           CASE WHEN ((g + interval '1 day')::timestamptz - interval '1 hour')::date = (g + interval '1 day')::date THEN (g + interval '1 day')::timestamptz - interval '1 hour' ELSE (g + interval '1 day')::timestamptz END AS ends_at
      FROM generate_series(date_trunc('day', b.first_at::timestamp), least(now(), a.retired_at)::timestamp, interval '1 day') g
    OFFSET 0) d
  CROSS JOIN LATERAL (
    SELECT p.account_key, p.snapshot_id, p.observed_at, p.verdict, p.user_count
      FROM risk.snapshots p
     WHERE p.account_key = b.account_key AND p.observed_at < d.ends_at
     ORDER BY p.observed_at DESC LIMIT 1) s
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
