-- SET and ROWS: see days.
CREATE OR REPLACE FUNCTION risk_bi.hours(from_at timestamptz, to_at timestamptz, time_zone text)
RETURNS TABLE (hour timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 SECURITY INVOKER
SET search_path = pg_catalog
AS $$
  SELECT generate_series(date_trunc('hour', from_at, time_zone), to_at, interval '1 hour')
$$;

COMMENT ON FUNCTION risk_bi.hours(timestamptz, timestamptz, text) IS 'The hours of a time zone, from the hour of the first instant to the hour of the second one.';
