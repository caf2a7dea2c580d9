-- Works day by day, so it reads only the days and the account that are asked for.
-- For Citus: see risk_level_daily.
CREATE OR REPLACE VIEW risk_bi.level_transitions_daily WITH (security_invoker = true) AS
SELECT a.account_id,
       d.day,
       coalesce(c.from_level, 'none') AS from_level,
       coalesce(c.to_level, 'none') AS to_level,
       c.change_count,
       coalesce(a.label, a.account_id) AS account_label,
       coalesce(array_position(ARRAY['low', 'medium', 'high'], c.from_level), 0) AS from_level_rank,
       coalesce(array_position(ARRAY['low', 'medium', 'high'], c.to_level), 0) AS to_level_rank
  FROM (SELECT now() AS now, current_setting('TimeZone') AS time_zone OFFSET 0) here
  CROSS JOIN risk.accounts a
  -- The first load is before all other snapshots.
  JOIN risk.snapshots f ON f.account_key = a.account_key AND f.observed_at = (
    SELECT min(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND NOT p.is_baseline)
  CROSS JOIN LATERAL risk_bi.days(
    f.observed_at,
    (SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key), here.time_zone) d
  CROSS JOIN LATERAL (
    SELECT e.from_level, e.to_level, count(*)::integer AS change_count
      FROM (
        SELECT l.account_key, l.previous_level AS from_level, l.max_risk_level AS to_level
          FROM risk.user_levels l
         WHERE l.valid_from >= f.observed_at AND l.valid_from >= d.starts_at AND l.valid_from < d.ends_at
        UNION ALL
        SELECT l.account_key, l.max_risk_level, NULL
          FROM risk.user_levels l
         WHERE l.valid_to >= f.observed_at AND l.end_reason <> 'changed'
           AND l.valid_to >= d.starts_at AND l.valid_to < d.ends_at) e
     WHERE e.account_key = a.account_key
     GROUP BY e.account_key, e.from_level, e.to_level) c;

COMMENT ON VIEW risk_bi.level_transitions_daily IS 'Number of changes from each level to each other level, by day, except in the first load (baseline). One row per account, day and pair of levels that occurred. No row means no change, from risk_bi.retention.whole_since on.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.account_id IS 'Cloudflare''s account id.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.day IS 'The day, in the session''s time zone.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.from_level IS 'The level before: low, medium, high, or none (not present).';
COMMENT ON COLUMN risk_bi.level_transitions_daily.to_level IS 'The level after: low, medium, high, or none (cleared).';
COMMENT ON COLUMN risk_bi.level_transitions_daily.change_count IS 'Number of changes. A user whose level rises and falls on one day counts twice.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.account_label IS 'The account''s label, or its id if it has no label.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.from_level_rank IS 'The column from_level, for sorting: 0 none, 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.level_transitions_daily.to_level_rank IS 'The column to_level, for sorting: 0 none, 1 low, 2 medium, 3 high.';
