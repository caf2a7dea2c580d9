-- The CASE: if clocks are set back over midnight, midnight occurs twice, and the day begins at the first one. AT TIME
-- ZONE reads four names as fixed offsets, but a session that is set to one of them follows daylight saving. A place
-- with the same clocks replaces the name. The SET clause keeps PostgreSQL from inlining the query, so the days are
-- computed once. With ROWS as low as this, the planner finds the snapshots of each day by index. It would otherwise
-- read all snapshots, and hash them.
CREATE OR REPLACE FUNCTION risk_bi.days(from_at timestamptz, to_at timestamptz, time_zone text)
RETURNS TABLE (day date, starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 SECURITY INVOKER
SET search_path = pg_catalog
AS $$
  SELECT b.day, b.starts_at, b.ends_at
    FROM (SELECT g::date AS day, m.starts_at, lead(m.starts_at) OVER (ORDER BY g) AS ends_at
            FROM (SELECT CASE upper(time_zone) WHEN 'CET' THEN 'Europe/Brussels' WHEN 'MET' THEN 'Europe/Brussels'
                                               WHEN 'EET' THEN 'Europe/Athens' WHEN 'WET' THEN 'Europe/Lisbon'
                                               ELSE time_zone END AS name) z
           CROSS JOIN LATERAL generate_series(date_trunc('day', from_at AT TIME ZONE z.name),
                                              to_at AT TIME ZONE z.name + interval '1 day',
                                              interval '1 day') g
           CROSS JOIN LATERAL (
             SELECT CASE WHEN ((g AT TIME ZONE z.name - interval '1 hour') AT TIME ZONE z.name)::date = g::date
                         THEN g AT TIME ZONE z.name - interval '1 hour'
                         ELSE g AT TIME ZONE z.name END AS starts_at) m) b
   WHERE b.ends_at IS NOT NULL
$$;

COMMENT ON FUNCTION risk_bi.days(timestamptz, timestamptz, text) IS 'The days of a time zone, from the day of the first instant to the day of the second one, and when each begins and ends. A day has 23 or 25 hours when the clocks change.';
