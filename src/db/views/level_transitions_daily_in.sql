-- The query of the view level_transitions_daily, in a given time zone. Change both together.
-- It is SQL, STABLE and without a SET clause, so PostgreSQL inlines it, and a filter on the account or the day reaches
-- the tables. Citus does not inline it: there, the arguments with defaults take the place of the filter.
-- BEGIN ATOMIC resolves names once, when the function is made, so the caller's search_path does not matter.
CREATE OR REPLACE FUNCTION risk_bi.level_transitions_daily_in(
  time_zone text, account_ids text[] DEFAULT NULL, from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
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
    FROM (SELECT now() AS now, time_zone AS time_zone OFFSET 0) here
    CROSS JOIN risk.accounts a
    -- The first load is before all other snapshots.
    JOIN risk.snapshots f ON f.account_key = a.account_key AND f.observed_at = (
      SELECT min(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key AND NOT p.is_baseline)
    CROSS JOIN LATERAL risk_bi.days(
      greatest(f.observed_at, from_at),
      least((SELECT max(p.observed_at) FROM risk.snapshots p WHERE p.account_key = a.account_key), to_at), here.time_zone) d
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
       GROUP BY e.account_key, e.from_level, e.to_level) c
   WHERE (account_ids IS NULL OR a.account_id = ANY (account_ids));
END;

COMMENT ON FUNCTION risk_bi.level_transitions_daily_in(text, text[], timestamptz, timestamptz) IS 'Like the view level_transitions_daily, but with days in the given time zone, such as Europe/Berlin, instead of the session''s time zone. The other arguments choose accounts, and the days from the one that holds from_at to the one that holds to_at; null means all. A distributed history needs them to be fast; elsewhere, a condition on the result is as good.';
