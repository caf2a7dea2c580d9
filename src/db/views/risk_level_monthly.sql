-- The days of risk_level_daily, grouped. It does not read that view: copies of the views with their owner's rights
-- (docs/reporting.md, "Pseudonyms") could not read it.
-- array_agg finds the last day, because PostgreSQL has no aggregate "last". A group has 31 rows at most.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.risk_level_monthly WITH (security_invoker = true) AS
SELECT a.account_id,
       date_trunc('month', d.day::timestamp)::date AS month_start,
       l.max_risk_level,
       (array_agg(l.user_count ORDER BY d.day DESC))[1] AS user_count,
       (array_agg(l.user_count::double precision / nullif(s.user_count, 0) ORDER BY d.day DESC))[1] AS share,
       (array_agg(l.event_count ORDER BY d.day DESC))[1] AS event_count,
       sum(l.user_count)::double precision / count(*) AS average_user_count,
       sum(l.user_count)::double precision / nullif(sum(s.user_count), 0) AS average_share,
       sum(l.event_count)::double precision / count(*) AS average_event_count,
       count(*)::integer AS day_count,
       count(*) FILTER (WHERE s.observed_at >= d.starts_at)::integer AS observed_day_count,
       bool_or(s.observed_at >= d.starts_at) AS is_observed,
       max(s.snapshot_id) AS snapshot_id,
       max(s.observed_at) AS observed_at,
       (array_agg(s.verdict ORDER BY d.day DESC))[1] AS verdict,
       coalesce(a.label, a.account_id) AS account_label,
       array_position(ARRAY['low', 'medium', 'high'], l.max_risk_level) AS level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  CROSS JOIN LATERAL risk_bi.days(
    (SELECT min(f.observed_at) FROM risk.snapshots f WHERE f.account_key = a.account_key),
    least(here.now, a.retired_at), here.time_zone) d
  JOIN risk.snapshots s ON s.account_key = a.account_key AND s.observed_at = (
    SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND p.observed_at < d.ends_at)
  JOIN risk.snapshot_levels l ON l.account_key = s.account_key AND l.snapshot_id = s.snapshot_id
 GROUP BY a.account_key, a.account_id, a.label, date_trunc('month', d.day::timestamp)::date, l.max_risk_level;

COMMENT ON VIEW risk_bi.risk_level_monthly IS 'Users per level at the end of each month, and on average over its days, from the first snapshot to today, or to the day on which the account was retired. For charts that are too long for days. One row per account, month and level, zeros included.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.month_start IS 'First day of the month. Months and days are in the session''s time zone.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.max_risk_level IS 'low, medium or high.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.user_count IS 'Present users with this level at the end of the month, or now. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.share IS 'Share of user_count among all present users, 0 to 1; null if nobody is present. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.event_count IS 'Sum of the risk events of the users in user_count. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_user_count IS 'Average of user_count over the days of the month, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_share IS 'Share of average_user_count among the average number of all present users, 0 to 1; null if nobody was present on any day. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.average_event_count IS 'Average of event_count over the days of the month, as risk_level_daily has them. A stock, not a flow: never add it up over time.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.day_count IS 'Days of the month that the averages cover. Fewer than the month has in the first, the current and a retired account''s last month.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.observed_day_count IS 'Days in day_count with a snapshot of their own. The other days carry an earlier state forward.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.is_observed IS 'Whether a snapshot was taken in the month. False: the state is carried forward over a gap.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.snapshot_id IS 'The snapshot at the end of the month, which user_count, share and event_count show.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.observed_at IS 'The instant of that snapshot.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.verdict IS 'Verdict of that snapshot: complete or partial.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.risk_level_monthly.level_rank IS 'The column max_risk_level, for sorting: 1 low, 2 medium, 3 high.';
