-- The query of the view level_transitions_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.level_transitions_daily_in(time_zone text)
RETURNS TABLE (
  account_id text, day date, from_level text, to_level text, change_count integer,
  account_label text, from_level_rank integer, to_level_rank integer)
LANGUAGE sql STABLE SECURITY INVOKER
BEGIN ATOMIC
  SELECT a.account_id,
         d.day,
         coalesce(c.from_level, 'none') AS from_level,
         coalesce(c.to_level, 'none') AS to_level,
         c.change_count,
         coalesce(a.label, a.account_id) AS account_label,
         coalesce(array_position(ARRAY['low', 'medium', 'high'], c.from_level), 0) AS from_level_rank,
         coalesce(array_position(ARRAY['low', 'medium', 'high'], c.to_level), 0) AS to_level_rank
    FROM risk.accounts a
    -- The first load comes before all other snapshots.
    CROSS JOIN LATERAL (
      SELECT (SELECT min(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND NOT p.is_baseline) AS first_news_at,
             (SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key) AS newest_at) b
    CROSS JOIN LATERAL (
      SELECT g::date AS day,
             CASE WHEN ((g AT TIME ZONE time_zone - interval '1 hour') AT TIME ZONE time_zone)::date = g::date
                  THEN g AT TIME ZONE time_zone - interval '1 hour'
                  ELSE g AT TIME ZONE time_zone END AS starts_at,
             CASE WHEN (((g + interval '1 day') AT TIME ZONE time_zone - interval '1 hour') AT TIME ZONE time_zone)::date
                       = (g + interval '1 day')::date
                  THEN (g + interval '1 day') AT TIME ZONE time_zone - interval '1 hour'
                  ELSE (g + interval '1 day') AT TIME ZONE time_zone END AS ends_at
        FROM generate_series(date_trunc('day', b.first_news_at AT TIME ZONE time_zone), b.newest_at AT TIME ZONE time_zone,
                             interval '1 day') g
      OFFSET 0) d
    CROSS JOIN LATERAL (
      SELECT e.from_level, e.to_level, count(*)::integer AS change_count
        FROM (
          SELECT l.previous_level AS from_level, l.max_risk_level AS to_level
            FROM risk.user_levels l
           WHERE l.account_key = a.account_key AND l.valid_from >= b.first_news_at
             AND l.valid_from >= d.starts_at AND l.valid_from < d.ends_at
          UNION ALL
          SELECT l.max_risk_level, NULL
            FROM risk.user_levels l
           WHERE l.account_key = a.account_key AND l.valid_to >= b.first_news_at AND l.end_reason <> 'changed'
             AND l.valid_to >= d.starts_at AND l.valid_to < d.ends_at) e
       GROUP BY e.from_level, e.to_level) c;
END;

COMMENT ON FUNCTION risk_bi.level_transitions_daily_in(text) IS 'Like the view level_transitions_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone.';
